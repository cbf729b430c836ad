"""The site leads to every page, and its reference names everything there is."""

import re
import runpy
from pathlib import Path

import pytest

import fabricsim as fs
from fabricsim.metrics import COLUMNS, METRICS
from fabricsim.scenario import json_schema

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def site() -> dict:
    return runpy.run_path(str(DOCS / "generate.py"))


def test_every_page_is_in_the_contents() -> None:
    listed = set(re.findall(r"^[\w/-]+$", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE))
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    notebooks = {f"made/{path.stem}" for path in (DOCS.parent / "notebooks").glob("*.ipynb")}
    assert (pages | notebooks) - listed == set()


def test_every_metric_and_column_has_a_row(site) -> None:
    page = site["tables"]()
    for name, (unit, meaning) in METRICS.items():
        assert f"| `{name}` | {unit or '–'} | {meaning} |" in page
    for table, columns in COLUMNS.items():
        section = page.partition(f"## {table}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == list(columns)


def test_every_key_of_a_scenario_has_a_row(site) -> None:
    page = site["scenario_keys"]()
    for part, section in json_schema()["$defs"].items():
        rows = page.partition(f"## {part}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^\| `([\w-]+)`", rows, re.MULTILINE) == list(section["properties"])
    assert "| `mtu` | string | no | `4096` |" in page


def test_every_public_name_has_its_docstring(site) -> None:
    page = site["python"]()
    assert [
        name for name in fs.__all__ if name != "__version__" and f"## fabricsim.{name}\n" not in page
    ] == []
    assert "simulate(fabric: 'Fabric'" in page
