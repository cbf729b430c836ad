"""The page in a real browser: from a file, without network, it sorts, filters and prints, and logs no error."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fabricsim as fs
from fabricsim.report.page import write_page
from fabricsim.topology import resolve
from tests.report.factory import HOSTILE, make_operation, make_result

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium")
    assert found, "there is no chromium; install Debian's package: apt-get install -y chromium"
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Return a call that opens a result's page without a network; whatever the browser complains of fails the test."""
    complaints: list[str] = []
    contexts = []

    def call(result: fs.Result, scheme: str = "light") -> Any:
        context = browser.new_context(color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda request: complaints.append(request.url) if "report" not in request.url else None
        )
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.goto(write_page(result, tmp_path).as_uri())
        return page

    yield call
    for context in contexts:
        context.close()
    assert complaints == []


def column(page: Any, table: str, index: int) -> list[str]:
    rows = page.locator("table.data", has=page.locator("caption", has_text=table)).locator("tbody tr:visible")
    return [row.locator("td").nth(index).inner_text() for row in rows.all()]


def test_a_click_sorts_by_value(opened) -> None:
    page = opened(make_result(channels=24))
    head = (
        page.locator("table.data", has=page.locator("caption", has_text="Busiest channels"))
        .locator("th")
        .nth(4)
    )
    head.click()
    sizes = column(page, "Busiest channels", 4)
    assert sizes[0] == "4 KiB"
    assert sizes[-1] == "96 KiB"
    assert head.get_attribute("aria-sort") == "ascending"
    head.press("Enter")
    assert column(page, "Busiest channels", 4) == sizes[::-1]


def test_a_text_filters_long_tables(opened) -> None:
    page = opened(make_result(channels=24))
    section = page.locator("section", has=page.locator("caption", has_text="Busiest channels"))
    section.locator("input").fill("a17>")
    assert column(page, "Busiest channels", 0) == ["a17>b17"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_scheme_and_stays_within_the_window(opened, scheme: str) -> None:
    page = opened(make_result(), scheme)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
    page.set_viewport_size({"width": 420, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_prints(opened) -> None:
    page = opened(make_result(), "dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("input").first.is_hidden()
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_do_nothing(opened, name: str) -> None:
    page = opened(make_result(name=name, operations=(make_operation(name=name),)))
    assert page.locator("img, main script, iframe").count() == 0
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_thousand_ranks_are_less_than_five_megabytes(opened, tmp_path: Path) -> None:
    fabric = resolve({"shape": "star", "size": 1024, "link": {"bandwidth": "50 GB/s", "latency": "1 us"}})
    page = opened(fs.simulate(fabric, fs.all_reduce("16 MiB", algorithm="ring"), engine="flow", explain=True))
    assert (tmp_path / "report.html").stat().st_size < 5_000_000
    assert page.locator("figure svg").count() >= 3
