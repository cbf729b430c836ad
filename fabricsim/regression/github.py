"""What a GitHub job shows of a check: annotations at the line, and a summary in Markdown.

Workflow commands and their escapes: docs.github.com, "Workflow commands for GitHub Actions". About ten
annotations of a kind are shown for a step, so there is one for each scenario, not one for each number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SUMMARY_BYTES: Final = 2**20
"""GitHub drops the summary of a step that is larger."""


@dataclass(frozen=True)
class Said:
    """What is said of one scenario: where it is, whether it failed, the headline, and the lines below it."""

    file: str
    line: int
    ok: bool
    headline: str
    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def commands(said: Sequence[Said]) -> list[str]:
    """Return one workflow command a failed scenario, and one notice for all notes together."""
    found = [
        f"::error file={_property(one.file)},line={one.line},title={_property(one.headline)}::"
        + _data("\n".join(one.lines) or one.headline)
        for one in said
        if not one.ok
    ]
    notes = [note for one in said for note in one.notes]
    return found + ([f"::notice title=fabricsim::{_data(chr(10).join(notes))}"] if notes else [])


def summary(said: Sequence[Said]) -> str:
    """Return a job summary in Markdown: a line for each scenario, and what failed in full."""
    failed = [one for one in said if not one.ok]
    parts = [f"### fabricsim: {len(said) - len(failed)} of {len(said)} scenarios hold", ""]
    parts += ["| | scenario | |", "|---|---|---|"]
    parts += [f"| {'✅' if one.ok else '❌'} | {_cell(one.file)} | {_cell(one.headline)} |" for one in said]
    for one in failed:
        parts += ["", f"**{_cell(one.file)}**", "", "```", *one.lines, "```"]
    text = "\n".join(parts) + "\n"
    if len(text.encode()) <= _SUMMARY_BYTES:
        return text
    return f"### fabricsim: {len(failed)} of {len(said)} scenarios failed; the log has the tables\n"


def write_summary(path: Path, said: Sequence[Said]) -> None:
    """Add the job summary to the file that GitHub names."""
    with path.open("a", encoding="utf-8") as file:
        file.write(summary(said))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
