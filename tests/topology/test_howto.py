"""The six steps of docs/howto-atlas950.md: each builds and shows the rows that the page claims."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fabricsim.cli import app
from fabricsim.errors import InputError
from fabricsim.topology import load_topology

PAGE = (Path(__file__).parent.parent.parent / "docs" / "howto-atlas950.md").read_text(encoding="utf-8")
STEPS = re.split(r"^## \d\. ", PAGE, flags=re.MULTILINE)[1:]


def written(tmp_path: Path, step: int) -> Path:
    text = re.search(r"```yaml\n(.*?)```", STEPS[step], re.DOTALL)
    assert text is not None
    path = tmp_path / f"step-{step + 1}.yaml"
    path.write_text(text[1], encoding="utf-8")
    return path


def rows(step: int) -> dict[str, str]:
    found = re.findall(r"^\| (.*?) \| (.*?) \| .* \|$", STEPS[step], re.MULTILINE)
    return {row: value for row, value in found if row != "row"}


def inspected(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["inspect", *arguments], env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("step", range(6))
def test_inspect_shows_what_the_page_says(tmp_path: Path, step: int) -> None:
    told = inspected(str(written(tmp_path, step)))
    assert f"$ fabricsim inspect step-{step + 1}.yaml" in STEPS[step]
    assert rows(step)
    for row, value in rows(step).items():
        assert re.search(rf"^\s*{re.escape(row)}\s+{re.escape(value)}\s*$", told, re.MULTILINE), (row, value)


def test_the_last_step_is_the_machine_that_ships(tmp_path: Path) -> None:
    assert load_topology(written(tmp_path, 5)).digest == load_topology("atlas950-superpod").digest


def test_the_fifth_step_can_be_changed_as_the_page_says(tmp_path: Path) -> None:
    path = written(tmp_path, 4)
    whole, free = load_topology(path), load_topology(path, taper=1)
    assert (whole.switches, free.switches) == (1_280, 1_536)
    assert int((free.level == 2).sum()) == 2 * int((whole.level == 2).sum())
    with pytest.raises(
        InputError, match=r"step-5\.yaml:5: budget\.ports: .* does not hold \(where up_ports = 11\)"
    ):
        load_topology(path, up_ports=11)
