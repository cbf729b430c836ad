"""Flow against packets: the table of docs/flow.md.

Claim: the differences of completion time on the page are those measured; none has grown by more than a point. Where
each step has one flow a channel and a flow has many packets, the difference is below 1 %.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ROW = re.compile(r"^\| (.+?) \| ([+-][\d.]+) % \| ([+-][\d.]+) % \|$", re.MULTILINE)
ALONE = ("ring of 8", "full mesh of 8", "star of 16, halving-doubling", "star of 16, all-to-all, 256 KiB")


def test_the_page_shows_what_is_measured() -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from flow_against_packet import differences  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    shown = {
        name: float(share) for name, share, _ in ROW.findall((ROOT / "docs" / "flow.md").read_text("utf-8"))
    }
    found = {name: 100 * completion for name, completion, _ in differences()}
    assert shown.keys() == found.keys()
    for name, percent in found.items():
        assert abs(percent) <= abs(shown[name]) + 1, name
        if name.startswith(ALONE):
            assert abs(percent) < 1, name
