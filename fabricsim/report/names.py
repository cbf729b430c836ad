"""Names that users chose, made fit to be shown: one line, no control characters, not too long."""

from __future__ import annotations

import unicodedata
from functools import cache

# control, surrogate and bidirectional-override characters would let a name rewrite what stands around it
_HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
_OVERRIDES = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(text: object, limit: int = 0) -> str:
    """Return `text` on one line without control characters, clipped to `limit` characters (0: all)."""
    kept = ("" if c in _OVERRIDES else " " if unicodedata.category(c) in _HIDDEN else c for c in str(text))
    line = " ".join("".join(kept).split())
    return line if not limit or len(line) <= limit else line[: limit - 1].rstrip() + "…"


def drawable(text: object, limit: int = 48) -> str:
    """Return `text` as Matplotlib can draw it: plain, no mathtext, glyphs the font lacks shown as boxes."""
    have = _glyphs()
    shown = "".join(c if ord(c) in have else "□" for c in plain(text, limit))
    return shown.replace("$", r"\$")


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap())
