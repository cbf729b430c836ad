"""The pytest plugin: `pytest scenarios/` runs scenario files as tests, and a fixture holds Python tests to baselines.

Loaded by every pytest of an environment that has fabricsim, so it imports nothing until there is work.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

if TYPE_CHECKING:
    from fabricsim.regression import Checked, Comparison
    from fabricsim.result import Result

_SCHEMA: Final = re.compile(rb"^schema:\s*['\"]?fabricsim/", re.MULTILINE)
_HEAD_BYTES: Final = 8192
"""Where a file's schema is looked for: below its opening remarks."""

_DETAILS: Final = pytest.StashKey[dict[str, Any]]()


class Used(NamedTuple):
    """The baselines that one test used, of those in its module's folder. tests: how many use the folder, 0: unknown."""

    folder: str
    tests: int
    names: set[str]


_USED: Final = pytest.StashKey[Used]()
_ATTRIBUTE: Final = "fabricsim"
"""Name of what a test report carries of a scenario, as plain values: xdist sends it from process to process."""
_BASELINES: Final = "fabricsim_baselines"
"""Name of what it carries of the baselines that the test used."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("fabricsim", "interconnect scenarios")
    group.addoption(
        "--fabric-update", action="store_true", help="write the baselines that are missing or differ"
    )
    group.addoption(
        "--fabric-reason", default="", metavar="TEXT", help="why the numbers change; goes into the baselines"
    )
    group.addoption(
        "--fabric-report", metavar="DIR", help="where pictures of changes go; a temporary folder if not given"
    )
    group.addoption(
        "--fabric-require-baselines", action="store_true", help="fail scenarios that have no baseline"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and gather what scenarios say in the process that reports."""
    config.addinivalue_line(
        "markers", "fabric(rel, metrics): scenario files, and tests that use fabric_regression"
    )
    if config.getoption("fabric_reason") and not config.getoption("fabric_update"):
        raise pytest.UsageError("--fabric-reason says why baselines change: add --fabric-update")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Summary(config), "fabricsim-summary")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that use the fixture, so that `-m fabric` selects them with the scenarios; count them by module."""
    using = [item for item in items if "fabric_regression" in getattr(item, "fixturenames", ())]
    some = any(
        "::" in argument for argument in config.args
    )  # then others of the module are not among the items
    count = Counter(item.path for item in using)
    for item in using:
        item.stash[_USED] = Used(str(item.path.with_suffix("")), 0 if some else count[item.path], set())
        if not item.get_closest_marker("fabric"):
            item.add_marker(pytest.mark.fabric)


# -- scenario files ----------------------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect YAML files that say they are scenarios."""
    if file_path.suffix not in (".yaml", ".yml"):
        return None
    with file_path.open("rb") as file:
        if not _SCHEMA.search(file.read(_HEAD_BYTES)):
            return None
    return ScenarioFile.from_parent(parent, path=file_path)


class ScenarioFile(pytest.File):
    """A scenario file: one test, since its points and expectations share one run."""

    def collect(self) -> Iterator[pytest.Item]:
        """Return the one test of the file."""
        yield ScenarioItem.from_parent(self, name=self.path.stem)


class ScenarioItem(pytest.Item):
    """The test of one scenario: its expectations hold, and no number is worse than its baseline."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.add_marker(pytest.mark.fabric)

    def runtest(self) -> None:
        """Run the scenario and judge it."""
        from fabricsim.regression import check_scenario
        from fabricsim.regression.text import headline, notes
        from fabricsim.scenario import load_scenario

        scenario = load_scenario(self.path)
        options = self.config.option
        checked = check_scenario(scenario, update=options.fabric_update, reason=options.fabric_reason)
        missing = options.fabric_require_baselines and checked.comparison is None and not checked.written
        self.user_properties += _properties(checked.comparison)
        details = {
            "file": _relative(self.path),
            "line": scenario.document.line(_first_failed(checked)),
            "headline": headline(checked),
            "lines": _failures(checked, self.config) + (["it has no baseline"] if missing else []),
            "notes": notes(checked),
        }
        self.stash[_DETAILS] = details
        if missing or not checked.ok:
            raise ScenarioFailedError(details)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """Return what failed for people; a traceback only for what is a fault of fabricsim."""
        from fabricsim.errors import FabricError

        if isinstance(excinfo.value, ScenarioFailedError | FabricError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the file, the line from 0 and the name of the test."""
        return self.path, 0, f"scenario {self.name}"


class ScenarioFailedError(Exception):
    """A scenario does not hold; the message is for people."""

    def __init__(self, details: dict[str, Any]) -> None:
        super().__init__(
            "\n".join([f"{details['file']}:{details['line']}: {details['headline']}", *details["lines"]])
        )


def _first_failed(checked: Checked) -> tuple[str | int, ...]:
    """Return the key of the first violated expectation, for its line; of the whole file where there is none."""
    verdicts = zip(checked.verdicts, checked.expectations, strict=True)
    return next((("expect", *one.key) for verdict, one in verdicts if not verdict.ok), ())


def _failures(checked: Checked, config: pytest.Config) -> list[str]:
    """Return what a failed scenario says below its headline, and where the picture of its changes lies."""
    from fabricsim.regression.text import comparison_lines

    lines = [f"{verdict.text}: {verdict.why}" for verdict in checked.verdicts if not verdict.ok]
    if checked.comparison and not checked.written:
        lines += comparison_lines(checked.comparison)
        lines += _picture(checked.comparison, checked.file.stem, config)
    return lines


def _picture(comparison: Comparison, name: str, config: pytest.Config) -> list[str]:
    """Draw what is worse, and return the line that says where; nothing where nothing is."""
    if not comparison.lost:
        return []
    from fabricsim.report.changes import write_changes

    given = config.option.fabric_report
    folder = Path(given) if given else config._tmp_path_factory.mktemp("fabricsim")  # type: ignore[attr-defined]
    return [f"picture: {write_changes(comparison, name, folder / f'{name}.png')}"]


def _properties(comparison: Comparison | None) -> list[tuple[str, object]]:
    """Return each number held as a property for JUnit files: its name, and baseline, now and allowed as JSON."""
    return [
        (
            f"{change.point}: {change.metric}" if change.point else change.metric,
            json.dumps({"baseline": change.held.value, "now": change.now, "allowed": change.held.allowed}),
        )
        for change in (comparison.changes if comparison else ())
    ]


def _relative(path: Path) -> str:
    """Return a path as people and GitHub name it: from the current folder where it lies below it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


# -- the fixture -------------------------------------------------------------------------------------------


@pytest.fixture
def fabric_regression(request: pytest.FixtureRequest) -> FabricRegression:
    """Hold results to a baseline beside the test: `fabric_regression.check(result)`."""
    return FabricRegression(request)


class FabricRegression:
    """Holds the results of one test to baselines in a folder named like the test's module."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    def check(
        self,
        result: Result | Sequence[Result],
        *,
        name: str = "",
        rel: float | None = None,
        metrics: Sequence[str] = (),
    ) -> None:
        """Fail the test if a number of `result`, or of any point of a sweep, is worse than its baseline.

        name: tells several checks of one test apart. rel and metrics are for a new baseline: the relative
        tolerance and which metrics, such as `busbw_Bps`, it holds; the marker `fabric` gives them for a whole
        test. The file then has the say. Without a baseline the test fails, since nothing would be held to anything.
        """
        from fabricsim.regression.result_check import check_results

        mark = self._request.node.get_closest_marker("fabric")
        stated = mark.kwargs if mark else {}
        path = self._path(name)
        options = self._request.config.option
        comparison = check_results(
            result,
            path,
            update=options.fabric_update,
            reason=options.fabric_reason,
            rel=stated.get("rel") if rel is None else rel,
            metrics=metrics or stated.get("metrics", ()),
        )
        if comparison is None:
            if not options.fabric_update:
                pytest.fail(f"there is no baseline {path}; make it: pytest --fabric-update", pytrace=False)
            return
        self._request.node.user_properties += _properties(comparison)
        self._judge(comparison, path)

    def _judge(self, comparison: Comparison, path: Path) -> None:
        from fabricsim.regression.text import comparison_lines

        lines = comparison_lines(comparison)
        lines += [
            f"{path}: no baseline where {point}; add it: pytest --fabric-update"
            for point in comparison.unheld
        ]
        if lines:
            lines += _picture(comparison, path.name.partition(".")[0], self._request.config)
            pytest.fail("\n".join([f"{path}:", *lines]), pytrace=False)

    def _path(self, name: str) -> Path:
        from fabricsim.errors import UsageError
        from fabricsim.regression import SUFFIX

        test = re.sub(r"[^\w.=-]+", "_", self._request.node.name).strip("_")
        path = self._request.path.with_suffix("") / f"{test}{'-' + name if name else ''}{SUFFIX}"
        used = self._request.node.stash[_USED].names
        if path.name in used:
            raise UsageError(f"{path.name} is used twice in one test: give the checks names, name='…'")
        used.add(path.name)
        return path


# -- what is said at the end -------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what a scenario says, and which baselines a test used, into its report."""
    report = yield
    if _USED in item.stash and call.when == "call":
        folder, tests, names = item.stash[_USED]
        setattr(report, _BASELINES, [folder, tests, sorted(names)])
    if isinstance(item, ScenarioItem) and call.when == "call":
        crashed = {
            "file": _relative(item.path),
            "line": 1,
            "headline": "cannot be judged",
            "lines": str(report.longrepr or "").splitlines(),
            "notes": [],
        }
        details: dict[str, Any] = item.stash.get(_DETAILS, crashed)
        setattr(report, _ATTRIBUTE, {**details, "ok": report.passed})
    return report


class _Summary:
    """Gathers what scenarios say, and says it at the end: on the terminal, and to GitHub where it is there."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._said: list[dict[str, Any]] = []
        self._used: dict[str, list[Used]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a scenario's report carries."""
        said = getattr(report, _ATTRIBUTE, None)
        if said is not None:
            self._said.append(said)
        if report.passed and hasattr(
            report, _BASELINES
        ):  # one that failed may have more that it did not come to
            folder, tests, names = getattr(report, _BASELINES)
            self._used.setdefault(folder, []).append(Used(folder, tests, set(names)))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say which baselines are missing, stale, unused or written, and what became better."""
        said = sorted(self._said, key=lambda one: one["file"])
        notes = [note for one in said for note in one["notes"]] + self._orphans(said)
        if notes:
            terminalreporter.section("fabricsim", sep="-")
        for note in notes:
            terminalreporter.write_line(note)
        if said and os.environ.get("GITHUB_ACTIONS") == "true":
            self._tell_github(terminalreporter, said)

    def _orphans(self, said: Sequence[dict[str, Any]]) -> list[str]:
        from fabricsim.regression.baseline import orphans

        folders = dict.fromkeys(Path(one["file"]).parent for one in said)
        lost = [f"{path}: unused, its scenario is gone; delete it" for path in orphans(list(folders))]
        return lost + [
            f"{_relative(path)}: unused, no test asks for it; delete it" for path in self._unused()
        ]

    def _unused(self) -> Iterator[Path]:
        """Yield the baselines that no test of a module used, where all tests of the module that may have passed."""
        from fabricsim.regression import SUFFIX

        for folder, used in sorted(self._used.items()):
            if len(used) == used[0].tests:
                names = set().union(*(one.names for one in used))
                yield from (
                    path for path in sorted(Path(folder).glob(f"*{SUFFIX}")) if path.name not in names
                )

    def _tell_github(self, terminalreporter: Any, said: Sequence[dict[str, Any]]) -> None:
        from fabricsim.regression.github import Said, commands, write_summary

        entries = [
            Said(
                one["file"],
                one["line"],
                one["ok"],
                one["headline"],
                tuple(one["lines"]),
                tuple(one["notes"]),
            )
            for one in said
        ]
        for line in commands(entries):
            terminalreporter.write_line(line)
        path = os.environ.get("GITHUB_STEP_SUMMARY")
        if path:
            write_summary(Path(path), entries)
