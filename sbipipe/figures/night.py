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
    "#0072b2": "#2fc0fa",
    "#d55e00": "#f5481f",
    "#009e73": "#2a9a84",
    "#cc79a7": "#f29ab9",
    "#e69f00": "#f7dd8a",
    "#4b2a86": "#a86cff",
}
"""What each colour of `style` becomes on a dark page. Of every two of the last six, the distance in
OKLab is 0.09 or more, to readers without one kind of cones as well (Machado et al. 2009, IEEE
Trans. Vis. Comput. Graph. 15, 1291)."""


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
