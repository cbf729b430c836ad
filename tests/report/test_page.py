import re
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from fabricsim.expectations import parse_expectations
from fabricsim.metrics import METRICS
from fabricsim.regression import judge
from fabricsim.report.gallery import FIGURES
from fabricsim.report.html import repr_html, result_html
from fabricsim.report.markup import MOST_ROWS, block, inline_svg, tree
from fabricsim.report.page import page_html, write_page
from fabricsim.report.tables import TOP
from fabricsim.result import Result
from tests.report.factory import HOSTILE, make_flows, make_links, make_operation, make_result

VOID = {"meta", "path", "use", "rect", "line", "circle", "img", "br"}


class Reader(HTMLParser):
    """Tags, attributes and text of a page; checks that what is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


@dataclass(frozen=True)
class Plain:
    """The least that a verdict must be."""

    text: str
    ok: bool
    actual: float
    limit: float


def assert_self_contained(page: str) -> None:
    # the one script is the page's own, as it ships
    own = files("fabricsim.report").joinpath("page.js").read_text(encoding="utf-8")
    assert page.count(own) <= 1
    page = page.replace(f"<script>\n{own}</script>", "")
    reader = Reader(page)
    assert not {"script", "link", "iframe", "object", "embed", "base", "img"} & {
        tag for tag, _ in reader.tags
    }
    for _, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "action", "data", "srcset"):
            assert (attributes.get(name) or "#").startswith("#")
    styles = re.sub(r"<text.*?</text>", "", page, flags=re.DOTALL)
    assert not re.findall(r"@import|url\((?!#)", styles)


def test_the_page_says_it_all_in_order(result: Result) -> None:
    verdict = judge(result, parse_expectations({"ar.busbw": ">= 50 GB/s", "ar.size": "== 1 MiB"}))
    page = page_html(result, verdict)
    assert_self_contained(page)
    text = Reader(page).text
    wanted = (
        result.name, "1 of 2 expectations violated", "ar.busbw >= 50 GB/s", "Figures", "Tables",
        "As nccl-tests prints it",
        "Levels", "Busiest channels", "Effective plan", "Where this comes from", result.digest, "schema: fabricsim/1",
        "Notes", result.notes[0],
    )  # fmt: skip
    places = [text.index(words) for words in wanted]
    assert places == sorted(places)
    assert page.count("<svg") == len(FIGURES)
    assert page.isascii() or 'charset="utf-8"' in page


def test_every_metric_is_shown_with_its_meaning(result: Result) -> None:
    text = Reader(page_html(result)).text
    assert [name for name in result.metrics if METRICS[name][1] not in text] == []


def test_both_schemes_and_print_are_styled(result: Result) -> None:
    page = page_html(result)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    variables = set(re.findall(r"var\((--[\w-]+)\)", page))
    for name in variables - {"--text", "--mono"}:
        assert page.count(f"{name}:") == 3, f"{name} is set for light, dark and paper"


def test_a_verdict_needs_only_four_fields(result: Result) -> None:
    text = Reader(page_html(result, [Plain("speed >= 3", False, 2, 3)])).text
    assert "speed >= 3" in text
    assert "is 2, limit 3" in text


def test_nothing_judged_is_no_pass(result: Result) -> None:
    assert "Nothing was expected" in page_html(result, [])
    assert 'class="verdict' not in page_html(result)


def test_a_sweep_has_a_row_for_every_point(sweep: list[Result]) -> None:
    text = Reader(page_html(sweep)).text
    assert f"Sweep of {len(sweep)} points" in text
    assert f"of the last, point {len(sweep) - 1}" in text
    assert "Points of the sweep" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str, tmp_path: Path) -> None:
    operation = make_operation(name=name, kind="all-reduce")
    result = make_result(
        name=name, operations=(operation,), engine=name, kernel=name, notes=(name,), plan={name: [{name: name}]},
        provenance={"scenario": f"name: {name}\n", name: name}, tables={"links": make_links(6, levels=(name, "b"))},
    )  # fmt: skip
    verdict = [Plain(name, True, 1, 1)]
    page = write_page(result, tmp_path, verdict).read_text(encoding="utf-8")
    assert_self_contained(page)
    assert_self_contained("<!doctype html>" + result_html(result).encode(errors="replace").decode())
    assert "\x1b" not in page
    assert "\x00" not in page
    assert "\u202e" not in page.split("<pre>")[0]


def test_a_large_all_to_all_stays_small(tmp_path: Path) -> None:
    ranks, channels = 1024, 40_000
    result = make_result(
        operations=tuple(
            make_operation(name=f"a{index}", kind="all-to-all", ranks=ranks) for index in range(500)
        ),
        plan={"operations": [{"name": str(index)} for index in range(5000)]},
        tables={"flows": make_flows(ranks * (ranks - 1) // 4), "links": make_links(channels)},
        provenance={"scenario": "# long\n" * 100_000},
    )
    path = write_page(result, tmp_path)
    assert path.stat().st_size < 5_000_000
    text = Reader(path.read_text(encoding="utf-8")).text
    assert f"{TOP} of 500 operations" in text
    assert f"40 of {channels:,} channels" in text
    assert f"{MOST_ROWS} of 5,000 rows shown" in text
    assert "more characters" in text


def test_the_page_is_the_same_on_every_run(sweep: list[Result]) -> None:
    assert page_html(sweep) == page_html(sweep)


def test_ids_are_unique_and_every_reference_resolves(result: Result) -> None:
    tags = Reader(page_html(result)).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = {
        value[1:] for _, attributes in tags for name, value in attributes.items() if name == "href" and value
    }
    clips = set(re.findall(r"url\(#([^)]+)\)", page_html(result)))
    assert used | clips <= set(ids)


def test_plans_show_units_from_their_keys() -> None:
    shown = Reader(
        tree({"size_B": 2**20, "by_level_B": {"board": 2**10}, "rate_Bps": 5e9, "time_s": 2e-6, "ranks": 8})
    ).text
    for words in ("1 MiB", "1 KiB", "5 GB/s", "2 us", "8"):
        assert words in shown


def test_deep_plans_end() -> None:
    deep: dict[str, object] = {}
    for _ in range(2000):
        deep = {"a": deep}
    assert tree(deep["a"]).count("<table") < 10


def test_long_texts_are_cut_and_say_so() -> None:
    assert "… 5 more characters" in block("x" * 15, most=10)
    assert "more characters" not in block("x" * 10, most=10)


def test_an_svg_follows_the_colour_scheme() -> None:
    svg = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><path id="a" style="fill: #123456"/></svg>'
    shown = inline_svg(svg, "p", 'say "it"', {"#123456": "--ink"})
    assert shown.startswith('<svg role="img" aria-label="say &quot;it&quot;">')
    assert 'id="p-a" style="fill: var(--ink)"' in shown


def test_notebooks_show_the_metrics(result: Result) -> None:
    html = repr_html(result)()
    text = Reader(html).text
    assert html == result_html(result)
    assert "<style" not in html
    assert result.name in text
    assert [name for name in result.metrics if METRICS[name][1] not in text] == []
