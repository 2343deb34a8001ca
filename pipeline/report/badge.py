"""A badge: a short text about a claim as a small SVG that needs no particular font."""

from html import escape

_COLOURS = {
    "REPRODUCED": "#0b6e4f",
    "BELOW": "#b3261e",
    "DIFFERS": "#b3261e",
    "ABOVE": "#8a5a00",
    "UNDERPOWERED": "#8a5a00",
}
"""White text has a contrast of 5 or more on each colour. Other verdicts are grey."""
_GREY, _DARK = "#57606a", "#24292f"
WIDTH, ROOM = 6.6, 12
"""Width of a character, and padding of a text (pixels). The SVG's `textLength` fits any font to it."""


def badge(left: str, right: str, verdict: str) -> bytes:
    """An SVG, 20 pixels high: subject on the left, result on the right in the verdict's colour."""
    parts, widths = (left, right), [round(WIDTH * len(text)) + ROOM for text in (left, right)]
    whole, title = sum(widths), escape(f"{left}: {right}", quote=True)
    centres = (widths[0] / 2, widths[0] + widths[1] / 2)
    texts = "".join(
        f'<text x="{x:g}" y="14" textLength="{width - ROOM}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
        for text, width, x in zip(parts, widths, centres, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" aria-label="{title}">'
        f'<title>{title}</title><clipPath id="round"><rect width="{whole}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#round)"><rect width="{whole}" height="20" fill="{_DARK}"/>'
        f'<rect x="{widths[0]}" width="{widths[1]}" height="20" fill="{_COLOURS.get(verdict, _GREY)}"/></g>'
        f'<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{texts}</g>'
        "</svg>\n"
    ).encode()
