"""How far a run is, said where somebody watches: a line on a terminal, a bar in a notebook, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from time import monotonic
from typing import Any, Final, cast

from fabricsim.units import format_size, format_time

Show = Callable[[float, str], None]
"""Shows a share of the work and what it is; an empty text takes away what was shown."""

_EVERY: Final = 0.5
"""Seconds between two pictures; what takes less than that says nothing."""
_LONG: Final = 10.0
"""Seconds of CPU from which on an estimate is worth saying."""


def on_terminal() -> Show | None:
    """Return what writes on the line of a terminal, None where standard error is none."""
    if not sys.stderr.isatty():
        return None

    def show(share: float, text: str) -> None:
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()

    return show


@contextmanager
def in_notebook() -> Iterator[Show | None]:
    """Lend what draws a bar below the cell of a notebook, None elsewhere; at the end the bar is gone."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not hasattr(shell, "kernel"):
        yield None
        return
    from IPython import display

    handle = cast("Any", display).DisplayHandle()
    begun, shown = monotonic(), -1.0

    def show(share: float, text: str) -> None:
        nonlocal shown
        now = monotonic()
        if now - begun >= _EVERY and now - shown >= _EVERY and text:
            first, shown = shown < 0, now
            (handle.display if first else handle.update)(_bar(share, text), raw=True)

    try:
        yield show
    finally:
        if shown >= 0:
            handle.update({"text/plain": ""}, raw=True)


def _bar(share: float, text: str) -> dict[str, str]:
    bar = f'<progress max="1" value="{min(max(share, 0.0), 1.0):.3f}"></progress>'
    return {"text/plain": text, "text/html": f"{bar} {escape(text)}"}


def points_of(show: Show | None, name: str) -> Callable[[int, int], None] | None:
    """Return what is told the points done and those in all; None where nothing is shown."""
    if show is None:
        return None

    def told(done: int, total: int) -> None:
        show(done / total, f"{name}: point {done + 1} of {total}" if done < total else "")

    return told


def packets_of(show: Show | None) -> Callable[[int, int, int], None] | None:
    """Return what follows a long packet run by simulated time [ps], packets in all, and packets that have arrived."""
    if show is None:
        return None
    begun = shown = monotonic()

    def told(now_ps: int, packets: int, arrived: int) -> None:
        nonlocal shown
        now = monotonic()
        if now - shown < _EVERY:
            return
        shown = now
        left = format_time((now - begun) * (packets - arrived) / arrived) if arrived else "unknown"
        time = format_time(now_ps * 1e-12)
        show(arrived / packets, f"{time} simulated, {arrived:,} of {packets:,} packets, about {left} left")

    return told


def estimate_text(plan: Mapping[str, Any]) -> str:
    """Return what a run is estimated to cost, of its plan; nothing where that is little."""
    if plan["estimated_cpu_s"] < _LONG:
        return ""
    what = f"{plan['packets']:,} packets" if "packets" in plan else f"{plan['flows']:,} flows"
    time, memory = format_time(plan["estimated_cpu_s"]), format_size(plan["estimated_memory_B"])
    return f"{what}: about {time} of CPU and {memory} of memory"
