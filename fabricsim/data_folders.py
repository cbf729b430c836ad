"""Where the shipped data lies: inside an installed package, or beside it in a source checkout."""

from __future__ import annotations

from pathlib import Path

from fabricsim.errors import FabricError


def data_folder(name: str) -> Path:
    """Return the folder of shipped data called `name`: `topologies` or `scenarios`.

    Raises FabricError where the installation has none.
    """
    package = Path(__file__).parent
    for folder in (package / "data" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise FabricError(f"this installation of fabricsim has no {name}; install it again")
