"""Every YAML and Python example in README, docs and docstrings is run, so that none can rot."""

import ast
import re
from pathlib import Path

import pytest

from fabricsim.document import parse_document
from fabricsim.inspection.parts import book_of
from fabricsim.run import job_of
from fabricsim.scenario import parse_scenario
from fabricsim.topology import load_topology, resolve
from fabricsim.topology.overlay import overlaid, overlay_of

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples(language: str) -> list:
    """Return every fenced example of a language in the pages, with its page and number as id."""
    return [
        pytest.param(match[2], id=f"{page.stem}-{number}")
        for page in PAGES
        for number, match in enumerate(FENCE.finditer(page.read_text(encoding="utf-8")))
        if match[1] == language
    ]


def docstrings() -> list:
    """Return every YAML document quoted in a docstring: an indented block that starts with `schema:`."""
    found = []
    for path in sorted((ROOT / "fabricsim").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                blocks = re.findall(r"^(    schema: .*\n(?:    .*\n|\n)*)", text + "\n", re.MULTILINE)
                name = f"{path.stem}-{getattr(node, 'name', 'module')}"
                found += [
                    pytest.param(re.sub(r"^    ", "", block, flags=re.MULTILINE), id=name) for block in blocks
                ]
    return found


def runs(text: str) -> None:
    """Check one YAML document: a scenario must come down to a job at every point, a topology build, a book be read."""
    import yaml

    value = yaml.safe_load(text)
    if value["schema"].startswith("fabricsim.topology"):
        assert resolve(value).ranks > 0
    elif value["schema"].startswith("fabricsim.overlay"):
        overlay = overlay_of(parse_document(text, "example"))
        assert overlaid(load_topology(value["topology"]), overlay).about.overlays
    elif value["schema"].startswith("fabricsim.parts"):
        assert book_of(parse_document(text, "example")).prices
    else:
        for point in parse_scenario(text, base=ROOT).points():
            assert len(job_of(point).schedule.messages)


@pytest.mark.parametrize("text", examples("yaml") + docstrings())
def test_yaml(text: str) -> None:
    runs(text)


@pytest.mark.parametrize("text", examples("python"))
def test_python(text: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "example", "exec"), {})


def test_there_are_examples() -> None:
    assert len(examples("yaml")) >= 4
    assert len(examples("python")) >= 2
