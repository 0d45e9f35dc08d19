"""The page in a real browser without a screen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmbench.store import RunDir
from tests.report.conftest import CHROMIUM

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


class Seen:
    """A page with what its console said and what it asked of the network."""

    def __init__(self, browser: Any, run: RunDir, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(run.page_file.resolve().as_uri())

    def rows(self) -> list[str]:
        shown = self.page.locator("#cells tbody tr:visible th")
        return [str(text) for text in shown.all_inner_texts()]


@pytest.fixture
def seen(browser: Any, drawn: RunDir) -> Iterator[Seen]:
    found = Seen(browser, drawn)
    yield found
    found.page.close()


def test_it_opens_without_an_error_and_without_the_network(seen: Seen) -> None:
    assert seen.said == []
    assert [url for url in seen.asked if not url.startswith("file:")] == []
    assert len(seen.asked) == 1


def test_markup_of_others_does_not_run(browser: Any, hostile: RunDir) -> None:
    found = Seen(browser, hostile)
    dialogs: list[str] = []
    found.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    found.page.click("#cells tbody tr:first-child a")
    assert (dialogs, found.said) == ([], [])
    found.page.close()


def test_a_heading_sorts_by_number_both_ways(seen: Seen) -> None:
    users = seen.page.get_by_role("button", name="users")
    users.click()
    assert [name.rsplit("users")[-1] for name in seen.rows()] == ["1", "1", "4", "4", "16", "16"]
    users.click()
    assert [name.rsplit("users")[-1] for name in seen.rows()] == ["16", "16", "4", "4", "1", "1"]
    head = seen.page.locator("#cells thead th[aria-sort]")
    assert head.get_attribute("aria-sort") == "descending"


def test_words_filter_the_cells(seen: Seen) -> None:
    seen.page.fill("#filter", "in512 users4")
    assert seen.rows() == ["in512-out32-users4"]
    assert seen.page.inner_text("#count") == "1 of 6 cells"


def test_a_verdict_filters_the_cells(seen: Seen) -> None:
    seen.page.select_option("#verdict", "misses SLO")
    shown = seen.page.locator("#cells tbody tr:visible .chip").all_inner_texts()
    assert set(shown) == {"misses SLO"}


def test_a_click_opens_a_cell_and_escape_closes_it(seen: Seen) -> None:
    seen.page.click("#cells tbody tr:nth-child(2) td:nth-child(3)")
    dialog = seen.page.locator("dialog[open]")
    assert "tiny-in128-out32-users4" in dialog.inner_text()
    assert "Repeat this cell" in dialog.inner_text()
    seen.page.keyboard.press("Escape")
    assert seen.page.locator("dialog[open]").count() == 0


def test_the_keyboard_alone_opens_and_leafs_through_cells(seen: Seen) -> None:
    seen.page.locator("#cells tbody tr:first-child a").focus()
    seen.page.keyboard.press("Enter")
    assert seen.page.inner_text("#where") == "cell 1 of 6"
    seen.page.keyboard.press("ArrowRight")
    assert seen.page.inner_text("#where") == "cell 2 of 6"
    seen.page.keyboard.press("Escape")
    focused = seen.page.evaluate("document.activeElement.textContent")
    assert focused == "in128-out32-users4"


def test_the_log_s_end_is_in_the_open_cell(seen: Seen) -> None:
    seen.page.click("#cells tbody tr:first-child a")
    seen.page.click("dialog details[data-log] summary")
    assert "loading model" in seen.page.inner_text("dialog details[data-log] pre")


def test_a_link_to_a_cell_opens_it(browser: Any, drawn: RunDir) -> None:
    page = browser.new_page()
    page.goto(drawn.page_file.resolve().as_uri() + "#cell-3")
    assert page.inner_text("#where") == "cell 3 of 6"
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(browser: Any, drawn: RunDir, scheme: str) -> None:
    found = Seen(browser, drawn, viewport={"width": 375, "height": 800}, color_scheme=scheme)
    assert found.page.evaluate("document.documentElement.scrollWidth") == 375
    found.page.close()


WORDS = """charts => charts.filter(chart => chart.clientWidth).flatMap(chart => {
  const edge = chart.getBoundingClientRect(), scale = edge.width / chart.viewBox.baseVal.width;
  return Array.from(chart.querySelectorAll("text")).map(text => {
    const box = text.getBoundingClientRect();
    return {
      words: text.textContent,
      px: parseFloat(getComputedStyle(text).fontSize) * scale,
      inside: box.left > edge.left - 1 && box.right < edge.right + 1
        && box.top > edge.top - 1 && box.bottom < edge.bottom + 1,
    };
  });
})"""
"""The words of the charts that are shown: how large they are, and whether they are cut off."""


@pytest.mark.parametrize(("width", "least_px"), [(375, 9.0), (1280, 11.0)])
def test_words_of_charts_are_whole_and_can_be_read(
    browser: Any, drawn: RunDir, width: int, least_px: float
) -> None:
    found = Seen(browser, drawn, viewport={"width": width, "height": 800})
    words = found.page.locator("svg.chart").evaluate_all(WORDS)
    assert len(words) > 100
    assert [word["words"] for word in words if not word["inside"]] == []
    assert min(word["px"] for word in words) >= least_px
    found.page.close()


def test_a_phone_gets_charts_of_its_own(browser: Any, drawn: RunDir) -> None:
    found = Seen(browser, drawn, viewport={"width": 375, "height": 800})
    assert not found.page.locator("figure .wide").first.is_visible()
    assert found.page.locator("figure .narrow").first.is_visible()
    found.page.emulate_media(media="print")
    assert found.page.locator("figure .wide").first.is_visible()
    found.page.close()


def test_dark_swaps_paper_and_ink_of_the_charts_too(browser: Any, drawn: RunDir) -> None:
    found = Seen(browser, drawn, color_scheme="dark")
    fills = "elements => elements.map(element => getComputedStyle(element).fill)"
    inks = found.page.locator("svg.chart text").evaluate_all(fills)
    assert "rgb(230, 234, 240)" in inks
    assert "rgb(28, 36, 48)" not in inks
    found.page.close()


def test_it_prints(seen: Seen, tmp_path: Path) -> None:
    paper = tmp_path / "page.pdf"
    seen.page.pdf(path=str(paper))
    assert paper.read_bytes().startswith(b"%PDF")
    seen.page.emulate_media(media="print")
    assert not seen.page.locator(".tools").is_visible()
    assert seen.page.locator("#cells").is_visible()
