"""Imports go down only: every module has a row, and imports its own row or lower ones, without cycles."""

import ast
from pathlib import Path

import networkx as nx
import pytest

PACKAGE = Path(__file__).parent.parent / "fabricsim"

ROWS = [
    {
        "units",
        "errors",
        "document",
        "accessors",
        "version",
        "code_version",
        "data_folders",
        "progress",
        "random_streams",
        "signatures",
        "validation",
    },
    {"topology", "model", "models", "fabric", "schedule", "result", "metrics", "table"},
    {"collectives", "traffic", "traces", "training", "serving", "routing", "failures", "expectations"},
    {"theory", "engines", "reliability"},
    {"scenario"},
    {
        "planning",
        "provenance",
        "run",
        "job",
        "explanation",
        "interference",
        "survival",
        "cross_check",
        "calibrated",
        "budget",
        "inspection",
        "sweeps",
    },
    {"report", "regression", "formats", "designs", "calibration"},
    {"cli", "pytest_plugin"},
]
ROW = {module: row for row, modules in enumerate(ROWS) for module in modules}
ROOTS = {"__init__", "__main__"}  # they stand above all rows
CONFINED = {
    "simpy": {"engines"},
    "matplotlib": {"report"},
    "networkx": {"topology", "fabric", "theory", "inspection"},
}


def imports() -> list[tuple[str, str, bool]]:
    """Return (file, imported module, only for types) for every import statement of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for_types = {id(node) for block in ast.walk(tree) if _types_only(block) for node in ast.walk(block)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found += [(name, alias.name, id(node) in for_types) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                found.append((name, node.module or "", id(node) in for_types))
    return found


def _types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


IMPORTS = imports()


def test_every_module_has_a_row() -> None:
    modules = {
        path.stem if path.is_file() else path.name
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert modules - ROOTS == set(ROW)


def test_imports_go_down() -> None:
    up = []
    for file, target, _ in IMPORTS:
        module = file.split(".")[0]
        parts = target.split(".")
        if module in ROOTS or parts[0] != "fabricsim" or len(parts) == 1:
            continue
        if ROW[parts[1]] > ROW[module]:
            up.append(f"{file} (row {ROW[module]}) imports {target} (row {ROW[parts[1]]})")
    assert not up


def test_no_cycles() -> None:
    files = {file for file, _, _ in IMPORTS}
    graph = nx.DiGraph()
    for file, target, only_types in IMPORTS:
        if not only_types and target.startswith("fabricsim."):
            name = target.removeprefix("fabricsim.")
            graph.add_edge(
                file.removesuffix(".__init__"), name if name in files else name.removesuffix(".__init__")
            )
    assert list(nx.simple_cycles(graph)) == []


@pytest.mark.parametrize("library", CONFINED)
def test_libraries_stay_where_they_belong(library: str) -> None:
    users = {file.split(".")[0] for file, target, _ in IMPORTS if target.split(".")[0] == library}
    assert users <= CONFINED[library]


def test_nothing_is_imported_relatively() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path
