"""Progress in a notebook: a bar that follows the run and is gone at its end."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

import fabricsim as fs
from fabricsim import progress


class Notebook:
    """What a notebook shows, in order: (whether it is new, text, markup)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[tuple[bool, str, str]] = []
        notebook = self

        class Handle:
            def display(self, data: dict[str, str], *, raw: bool) -> None:
                notebook.shown.append((True, data["text/plain"], data.get("text/html", "")))

            def update(self, data: dict[str, str], *, raw: bool) -> None:
                notebook.shown.append((False, data["text/plain"], data.get("text/html", "")))

        shell = SimpleNamespace(kernel=object())
        ipython: Any = SimpleNamespace(
            get_ipython=lambda: shell, display=SimpleNamespace(DisplayHandle=Handle)
        )
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        monkeypatch.setattr(progress, "_EVERY", 0.0)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    return Notebook(monkeypatch)


def test_a_sweep_draws_a_bar_for_its_points_and_takes_it_away(notebook: Notebook) -> None:
    fs.sweep("ring-first-run", {"seed": [1, 2, 3]})
    (first, *rest) = notebook.shown
    assert first[0]
    assert not any(new for new, _, _ in rest)
    assert [text.rpartition(": ")[2] for _, text, _ in notebook.shown] == ["point 2 of 3", "point 3 of 3", ""]
    assert 'value="0.333"' in first[2]


def test_a_run_is_followed_by_its_packets(notebook: Notebook) -> None:
    fabric = fs.load_topology("hgx-h100")
    fs.simulate(fabric, fs.all_reduce("1 MiB", algorithm="ring"), kernel="simpy")
    texts = [text for _, text, _ in notebook.shown]
    assert texts[-1] == ""
    assert any("simulated" in text and "packets" in text for text in texts)


def test_names_are_text(notebook: Notebook) -> None:
    with progress.in_notebook() as show:
        told = progress.points_of(show, "<script>alert(1)</script>")
        assert told
        told(0, 2)
    assert "<script>" not in notebook.shown[0][2]


def test_outside_of_a_notebook_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    fs.sweep("ring-first-run", {"seed": [1, 2]})
    assert capsys.readouterr() == ("", "")


def test_what_was_quick_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook(monkeypatch)
    monkeypatch.setattr(progress, "_EVERY", 3600.0)
    fs.sweep("ring-first-run", {"seed": [1, 2]})
    assert notebook.shown == []
