"""A figure follows a dark page, and is otherwise what it was."""

from __future__ import annotations

import re

from sbipipe.figures.gallery import Gallery
from sbipipe.figures.night import COLOURS, at_night

DARK = re.compile(rb"@media \(prefers-color-scheme: dark\)\{(\[.*?\]\{.*?\})+\}")


def test_only_rules_are_added(run_gallery: Gallery) -> None:
    for drawing in (*run_gallery["calibration"], *run_gallery["posteriors"]):
        turned = at_night(drawing.image)
        assert DARK.sub(b"", turned, count=1) == drawing.image
        assert len(turned) > len(drawing.image)


def test_pixels_stay_as_they_are(run_gallery: Gallery) -> None:
    for drawing in run_gallery["fields"]:
        assert at_night(drawing.image) == drawing.image


def test_paper_and_ink_of_every_drawing_have_a_colour_at_night(run_gallery: Gallery) -> None:
    for drawing in run_gallery["calibration"]:
        used = {colour.decode() for colour in re.findall(rb"#[0-9a-f]{6}", drawing.image)}
        assert {"#ffffff", "#1c1c1c"} <= used & set(COLOURS)


def test_light_becomes_dark_and_dark_light() -> None:
    def brightness(colour: str) -> int:
        return sum(bytes.fromhex(colour[1:]))

    assert brightness(COLOURS["#ffffff"]) < 0.3 * brightness("#ffffff")
    for ink in ("#000000", "#1c1c1c"):
        assert brightness(COLOURS[ink]) > 0.8 * brightness("#ffffff")
