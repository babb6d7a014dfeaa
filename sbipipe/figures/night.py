"""Figures on a dark page: their colours change with it, and nothing is drawn twice.

A browser applies the rules inside an SVG to the SVG, `prefers-color-scheme` among them, also where
it is an image of a page. matplotlib writes colours into each element, where rules find them.
"""

from __future__ import annotations

COLOURS = {
    "#ffffff": "#191a1c",
    "#000000": "#ffffff",
    "#1c1c1c": "#e6e4df",
    "#8a8a8a": "#8f8e89",
    "#d9d9d9": "#3a3b3e",
    "#eeeeee": "#2a2b2e",
    "#0072b2": "#58a6e0",
    "#d55e00": "#f08a3c",
    "#009e73": "#3cc79b",
    "#cc79a7": "#e09cc3",
}
"""What each colour of `style` becomes on a dark page."""


def at_night(svg: bytes) -> bytes:
    """An SVG of matplotlib that follows the page it stands on; other bytes stay as they are."""
    head, style, rest = svg.partition(b'<style type="text/css">')
    return head + style + _rules().encode() + rest if style else svg


def _rules() -> str:
    rules = (
        f'[style*="{what}: {day}"]{{{what}:{night} !important}}'
        for day, night in COLOURS.items()
        for what in ("fill", "stroke")
    )
    return f"@media (prefers-color-scheme: dark){{{''.join(rules)}}}"
