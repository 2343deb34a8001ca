"""The script of the charts is taken from a page if it is the pinned one, else made again."""

import hashlib
from pathlib import Path

from pipeline.report import vega
from pipeline.report.vega import SHA256, vega_script, vega_script_of


def test_the_pinned_digest_is_that_of_the_locked_package() -> None:
    assert hashlib.sha256(vega_script().encode()).hexdigest() == SHA256


def test_only_the_pinned_script_is_taken_from_a_page(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text(f"<script>let a = 1</script><script>{vega_script()}</script>", encoding="utf-8")
    assert vega_script_of(page) == vega_script()
    page.write_text(f"<script>{vega_script()}green()</script>", encoding="utf-8")
    assert vega_script_of(page) == vega_script()
    assert vega_script_of(tmp_path / "none") == vega_script()


def test_a_page_with_the_pinned_script_needs_no_other(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text(f"<script>{vega_script()}</script>", encoding="utf-8")
    vega.vega_script.cache_clear()
    vega_script_of(page)
    assert vega.vega_script.cache_info().misses == 0
