"""What all tests share."""

import sys
from collections.abc import Callable

import pytest

from fabricsim.cli import main

collect_ignore_glob = ["bad/*", "data/*"]  # scenario files that tests read; the pytest plugin would run them

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(monkeypatch, capsys) -> Cli:
    """Return a call of the command line that gives exit code, stdout and stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fabricsim", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return call
