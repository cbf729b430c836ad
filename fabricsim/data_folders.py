"""Where the data folders are: beside the package in a checkout, inside it once installed."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fabricsim.errors import UsageError


def data_folder(name: str) -> Path:
    """Return the folder of shipped files called `name`; raises UsageError if the installation has none."""
    package = Path(str(files("fabricsim")))
    for folder in (package / "data" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise UsageError(f"this installation of fabricsim has no {name} folder; install it again from a wheel")
