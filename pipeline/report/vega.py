"""Vega, Vega-Lite and vega-embed as one script, which is embedded in the page."""

import hashlib
from functools import cache
from pathlib import Path

import vl_convert

SHA256 = "3425bd951a44d478d0505c6b5d1e8d57656b6e9a4da7bfe88a718ce61d76e572"
"""Digest of the script that the locked vl-convert makes."""


@cache
def vega_script() -> str:
    """Makes the script, which takes a second."""
    script: str = vl_convert.javascript_bundle()  # type: ignore[call-arg] # its stub lacks the default
    return script


def vega_script_of(page: Path) -> str:
    """The script in a page if its digest is SHA256, else a newly made one."""
    text = page.read_text(encoding="utf-8", errors="replace") if page.is_file() else ""
    for part in text.split("<script>")[1:]:
        script = part.partition("</script>")[0]
        if hashlib.sha256(script.encode()).hexdigest() == SHA256:
            return script
    return vega_script()
