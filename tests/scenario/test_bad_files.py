"""Every file in tests/bad is refused, with all its faults at once, each at its line.

A file begins with what must be said of it: `# expect: LINE: KEY: TEXT`, one line for each fault, `-` for none and `*`
for any. `# exit: 4` follows where nothing is wrong but that no run would ever end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from fabricsim.errors import Fault, InputError, key_text
from fabricsim.scenario import load_scenario
from fabricsim.topology import resolve

BAD = Path(__file__).resolve().parent.parent / "bad"
FILES = sorted(BAD.glob("*.yaml"))
_EXPECT = re.compile(r"# expect: (\d+|-): (\S+?): ?(.*)")


@dataclass(frozen=True)
class Expected:
    line: int | None
    key: str
    text: str

    def matches(self, fault: Fault) -> bool:
        place = fault.line == self.line and self.key in ("*", key_text(fault.key))
        return place and self.text in str(fault)


def expected(path: Path) -> list[Expected]:
    found = _EXPECT.findall(path.read_text(encoding="utf-8", errors="replace"))
    return [
        Expected(None if line == "-" else int(line), "" if key == "-" else key, text)
        for line, key, text in found
    ]


def bind_everything(path: Path) -> None:
    if path.name.startswith("machine-"):
        resolve(str(path))
        return
    for point in load_scenario(path).points():
        point.bind(point.fabric())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_all_its_faults(path: Path) -> None:
    with pytest.raises(InputError) as info:
        bind_everything(path)
    faults = list(info.value.faults)
    wanted = expected(path)
    assert wanted, "the file does not say what is wrong with it"
    missed = [want for want in wanted if not any(want.matches(fault) for fault in faults)]
    assert not missed, f"not said: {missed}\n said:\n{info.value}"
    assert len(faults) == len(wanted), f"said more than expected:\n{info.value}"
    never_ends = "# exit: 4" in path.read_text(encoding="utf-8", errors="replace")
    assert info.value.exit_code == (4 if never_ends else 3)
    # a fault of a file that this one names is told where it stands
    assert all(fault.file and Path(fault.file).resolve().is_relative_to(BAD) for fault in faults)


def test_the_corpus_is_there() -> None:
    assert len(FILES) >= 45


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml: there is no such file"):
        load_scenario(tmp_path / "nowhere.yaml")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; name a file in it"):
        load_scenario(tmp_path)


def test_a_name_that_is_not_shipped() -> None:
    with pytest.raises(InputError, match="did you mean 'ring-first-run'"):
        load_scenario("ring-first-rum")
