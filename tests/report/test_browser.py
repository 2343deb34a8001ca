"""The report's folder in a real browser: it draws, sorts, filters and prints, without network requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.page import chromium
from tests.verify.made_report import make_root

BROWSER = chromium()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed on this machine")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A whole report's folder, evidence included."""
    with pytest.MonkeyPatch.context() as patch:
        yield make_root(tmp_path_factory.mktemp("repository"), patch)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def said() -> list[str]:
    """What the page says in the console, and its errors."""
    return []


@pytest.fixture
def asked() -> list[str]:
    return []


def opened(browser: Browser, report: Path, said: list[str], asked: list[str], **context: Any) -> Page:
    """The page, drawn."""
    page = browser.new_page(**context)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((report / "index.html").as_uri())
    page.wait_for_selector("html[data-drawn]", state="attached", timeout=60_000)
    return page


@pytest.fixture
def page(browser: Browser, report: Path, said: list[str], asked: list[str]) -> Iterator[Page]:
    shown = opened(browser, report, said, asked, viewport={"width": 1280, "height": 800})
    yield shown
    shown.close()
    assert said == []


def violations(page: Page, **options: Any) -> list[str]:
    """What axe finds, by impact and rule."""
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['impact']} {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


OPEN_ALL = "document.querySelectorAll('details').forEach((details) => (details.open = true))"
LOOKS = [
    (1280, "light"),
    (390, "dark"),
    pytest.param(1280, "dark", marks=pytest.mark.long),
    pytest.param(390, "light", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_it_draws_asks_for_nothing_and_leaves_nobody_out(
    browser: Browser, report: Path, said: list[str], asked: list[str], width: int, scheme: str
) -> None:
    shown = opened(
        browser,
        report,
        said,
        asked,
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    assert shown.evaluate("document.documentElement.scrollHeight") <= (4 if width == 1280 else 12) * 800
    charts = shown.locator(".chart svg")
    assert charts.count() == 0, "every chart is in a closed part"
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    shown.evaluate(OPEN_ALL)
    shown.wait_for_function("document.querySelectorAll('.chart svg').length === 6")
    shown.evaluate(OPEN_ALL)  # the data of the charts too
    shown.wait_for_function("[...document.querySelectorAll('.data')].every((data) => data.querySelector('td'))")
    dark_blue = charts.evaluate_all("(all) => all.some((svg) => svg.outerHTML.includes('#0072B2'))")
    assert dark_blue == (scheme == "light"), "on black it is hard to see"
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(shown) == []
    shown.evaluate("document.querySelector('img').removeAttribute('alt')")
    assert [text.split(":")[0] for text in violations(shown, runOnly=["image-alt"])] == ["critical image-alt"]
    shown.close()
    assert said == []
    assert asked == [(report / "index.html").as_uri()]


def column(page: Page, table: str, number: int) -> list[str]:
    """The texts of a column's cells in visible rows."""
    cells = page.locator(f"#{table} tbody tr:not([hidden]) > :nth-child({number})")
    return [text.strip().split("\n")[0] for text in cells.all_inner_texts()]


def test_claims_sort_by_key_and_click(page: Page) -> None:
    before = column(page, "claims-table", 3)
    head = page.locator("#claims-table th", has_text="claimed")
    assert head.get_attribute("aria-sort") is None
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    rising = column(page, "claims-table", 3)
    numbers = [float(text.removesuffix(" %").replace(",", "")) for text in rising if text[0].isdigit()]
    assert numbers == sorted(numbers)
    assert rising[: len(numbers)] == [text for text in rising if text[0].isdigit()]
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert [text for text in column(page, "claims-table", 3) if text[0].isdigit()] == rising[: len(numbers)][::-1]
    page.locator("#claims-table th", has_text="verdict").get_by_role("button").click()
    assert page.locator("#claims-table th[aria-sort]").count() == 1
    assert sorted(before) == sorted(rising)


def test_claims_are_filtered_by_verdict_and_text(page: Page) -> None:
    every = column(page, "claims-table", 1)
    assert len(set(every)) > 1
    page.locator("#claims-section select").select_option("NOT RUN")
    assert column(page, "claims-table", 1) == ["NOT RUN"] * every.count("NOT RUN")
    page.locator("#claims-section input").fill("cifar-100")
    names = column(page, "claims-table", 2)
    assert names
    assert all("CIFAR-100" in name for name in names)
    assert page.locator("#claims-section output").inner_text() == f"{len(names)} of {len(every)} shown"
    page.goto(f"{page.url}#claim-digits-accuracy")  # a link to what is filtered out shows all again
    page.wait_for_selector("#claim-digits-accuracy details[open]")
    assert column(page, "claims-table", 1) == every


def test_runs_are_filtered_and_those_of_other_profiles_stand_apart(page: Page) -> None:
    assert page.locator("#runs .filter option").all_inner_texts() == ["all", "digits"]
    page.locator("#runs input").fill("no such run")
    assert column(page, "runs-table", 1) == []
    page.goto(f"{page.url}#recorded")
    page.wait_for_selector("#recorded .part[open]")
    assert column(page, "recorded-table", 1) == ["earlier"]
    assert column(page, "recorded-table", 7) == ["answers checked"]


def test_a_raw_file_is_three_clicks_away_and_every_link_leads_to_a_file(page: Page, report: Path) -> None:
    links = page.locator("a").evaluate_all("(all) => all.map((a) => a.getAttribute('href'))")
    inside = {link for link in links if not link.startswith(("#", "https://doi.org/"))}
    assert {link for link in inside if not (report / link).is_file()} == set()
    assert {link for link in links if link.startswith("#") and not page.locator(f"[id='{link[1:]}']").count()} == set()
    claim = page.locator("#claim-digits-accuracy")
    assert claim.locator("summary").count() == 1
    predictions = page.locator("#runs-table a", has_text="predictions")
    assert predictions.get_attribute("href") == "evidence/artifacts/digits/0/predictions.parquet"


def test_charts_of_a_closed_run_are_drawn_when_it_is_opened(page: Page) -> None:
    assert page.locator(".chart svg").count() == 0
    page.locator("#run-digits-0 > summary").click()
    page.wait_for_function("document.querySelectorAll('.chart svg').length === 5")
    training = page.locator("#training-digits-0")
    assert training.get_attribute("aria-label") == "Training accuracy: 50.0 % after epoch 1, 50.0 % after epoch 6."
    page.locator("#firing-digits-0 + .data > summary").click()
    page.wait_for_selector("#firing-digits-0 + .data td")
    table = page.locator("#firing-digits-0 + .data table")
    assert table.locator("tr").all_inner_texts() == ["layer\t1\t2", "stem\t250\t500"]


def test_paper_has_everything(page: Page) -> None:
    page.emulate_media(media="print")
    texts = page.locator("#claim-cifar10-accuracy dd")
    assert texts.first.is_visible(), "what a reader opens on the screen is printed"
    assert not page.locator(".filter").first.is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function("[...document.querySelectorAll('.chart')].every((chart) => chart.querySelector('svg'))")
    page.evaluate("document.querySelector('main').style.width = '690px'")  # a sheet of A4; no event says so
    widths = "[...document.querySelectorAll('.chart')].map((c) => [c.querySelector('svg').clientWidth, c.clientWidth])"
    assert all(0 < drawn <= room for drawn, room in page.evaluate(widths)), "a chart is cut off"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#claim-cifar10-accuracy details[open]").count() == 0
    assert len(page.pdf()) > 10_000


def test_without_javascript_it_reads_whole(browser: Browser, report: Path) -> None:
    shown = browser.new_page(java_script_enabled=False)
    shown.goto((report / "index.html").as_uri())
    assert (
        shown.locator("#claims-table tbody tr:visible").count() == shown.locator("#claims-table tbody tr").count() > 10
    )
    assert shown.locator(".filter").count() == 0
    assert "The charts need JavaScript" in shown.locator("noscript").inner_text()
    assert "Training accuracy" in (shown.locator("#run-digits-0 .figure-of figcaption").first.text_content() or "")
    shown.close()
