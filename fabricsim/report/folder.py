"""Result folders: one result, or the points of a sweep in a folder each, with figures and a page.

One result: result.json and its tables. A sweep: result.json is the list of the points' contents, and each point
lies in full in point-000, point-001, and so on. Either way verdict.json, the figures and report.html lie beside.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from fabricsim.errors import InputError, UsageError
from fabricsim.regression import Verdict
from fabricsim.report.gallery import FIGURES, save_figures
from fabricsim.report.page import write_page
from fabricsim.result import METADATA, TABLES, Result, fresh_folder, load_result

_VERDICT = "verdict.json"
_OURS: Final = (
    "result.json", METADATA, _VERDICT, "report.html",
    *(f"{name}.csv" for name in TABLES), *(f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")),
)  # fmt: skip


def check_folder(folder: Path | str, *, force: bool = False) -> None:
    """Raise UsageError if `folder` holds anything and `force` is not set; asked before a long run."""
    path = Path(folder)
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.is_file() or (path.exists() and not force):
        raise UsageError(f"{path} exists and is not empty; name another folder, or add --force")


def write_report(
    results: Result | Sequence[Result],
    folder: Path | str,
    verdict: Sequence[Verdict] | None = None,
    *,
    force: bool = False,
) -> Path:
    """Write results, verdict, figures and page into `folder`, and return the page's path.

    Raises UsageError if the folder holds anything and `force` is not set.
    """
    points = [results] if isinstance(results, Result) else list(results)
    path = save_results(points, folder, force=force)
    if verdict is not None:
        content = [vars(entry) for entry in verdict]
        (path / _VERDICT).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    save_figures(points, path)
    return write_page(points, path, verdict)


def save_results(results: Result | Sequence[Result], folder: Path | str, *, force: bool = False) -> Path:
    """Write one result or a sweep into `folder`, and return its path.

    With `force` what an earlier run wrote there is removed first, so that nothing of it is taken for this run's.
    Raises UsageError as `write_report` does.
    """
    points = [results] if isinstance(results, Result) else list(results)
    if not points:
        raise UsageError("there are no results to save")
    path = fresh_folder(folder, force=force)
    _clear(path)
    if len(points) == 1:
        return points[0].save(path, force=True)
    for index, point in enumerate(points):
        point.save(path / _point(index), force=True)
    content = [point.as_dict() for point in points]
    (path / "result.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def load_results(folder: Path | str) -> list[Result]:
    """Return the results saved in `folder`: one, or the points of a sweep in order.

    Raises InputError if the folder holds no result, or lacks a point that its result.json lists.
    """
    path = Path(folder)
    content = _read_json(path / "result.json")
    if not isinstance(content, list):
        return [load_result(path)]
    if not content:
        raise InputError(f"{path / 'result.json'} lists no points")
    missing = [_point(index) for index in range(len(content)) if not (path / _point(index)).is_dir()]
    if missing:
        raise InputError(f"{path} lacks {missing[0]}", f"its result.json lists {len(content)} points")
    return [load_result(path / _point(index)) for index in range(len(content))]


def load_verdict(folder: Path | str) -> list[Verdict] | None:
    """Return the verdict saved in `folder`, or None if nothing was judged. Raises InputError if it is damaged."""
    path = Path(folder, _VERDICT)
    if not path.exists():
        return None
    content = _read_json(path)
    try:
        return [Verdict(**entry) for entry in content]
    except TypeError:
        raise InputError(f"{path} is not a verdict", "run the scenario again with -o") from None


def redraw(folder: Path | str) -> Path:
    """Draw the figures and the page of a saved result or sweep again, and return the page's path."""
    results, verdict = load_results(folder), load_verdict(folder)
    save_figures(results, folder)
    return write_page(results, folder, verdict)


def _point(index: int) -> str:
    return f"point-{index:03d}"


def _clear(path: Path) -> None:
    for place in (path, *path.glob("point-[0-9][0-9][0-9]*")):
        for name in _OURS:
            (place / name).unlink(missing_ok=True)
        if place != path and not any(place.iterdir()):
            place.rmdir()


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path.parent} holds no {path.name}", "name a folder that a run wrote with -o"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not JSON: {error}") from None
