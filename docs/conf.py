"""The documentation site: sphinx-build -W docs out/site."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from generate import generate

import fabricsim

project = "fabricsim"
version = release = fabricsim.__version__
extensions = ["myst_nb"]
html_theme = "pydata_sphinx_theme"
html_title = "fabricsim"
html_show_copyright = False
myst_heading_anchors = 3
nb_execution_mode = "auto"  # notebooks are kept without outputs
nb_execution_timeout = 120
nb_execution_raise_on_error = True

generate()
