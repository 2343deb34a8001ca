"""The report in a real browser: it draws without an error and asks the network for nothing."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.report.test_page import root, written

__all__ = ["root"]
BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed on this machine")
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (390, "light")])
def test_it_draws_and_asks_for_nothing(root: Path, width: int, scheme: str) -> None:
    written(root)
    address = (root / "report" / "index.html").as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.wait_for_selector("html[data-drawn]", state="attached", timeout=60_000)
        charts, wide = page.locator(".chart svg").count(), page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert said == []
    assert asked == [address]
    assert charts == 5
    assert wide <= width
