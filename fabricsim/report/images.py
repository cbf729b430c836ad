"""Figures as bytes: the same figure gives the same bytes on every run."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI: Final = 160


def png_bytes(figure: Figure) -> bytes:
    """Return the figure as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()


def svg_text(figure: Figure, text: Literal["path", "none"] = "path") -> str:
    """Return the figure as an SVG document; text as outlines (`path`) or in the viewer's font (`none`)."""
    from matplotlib import rc_context

    file = io.StringIO()
    # without a date and with a fixed salt for ids nothing in the file depends on when it was made
    with rc_context({"svg.fonttype": text, "svg.hashsalt": "fabricsim"}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing, transparent=text == "none")
    return file.getvalue()
