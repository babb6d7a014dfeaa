"""A figure follows a dark page, and is otherwise what it was."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np

from sbipipe.figures import style
from sbipipe.figures.gallery import Gallery
from sbipipe.figures.night import COLOURS, at_night
from sbipipe.interfaces import Array

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


def test_every_two_colours_of_the_night_are_told_apart() -> None:
    """By readers of every colour vision (Machado et al. 2009), as far apart as the text says."""
    night = [_linear(COLOURS[colour.lower()]) for colour in style._COLOURS]
    for cones in CONES:
        seen = [_oklab(np.clip(cones @ one, 0, 1)) for one in night]
        apart = [np.linalg.norm(a - b) for a, b in combinations(seen, 2)]
        assert min(apart) > 0.09


CONES = [
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
              [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
              [-0.011820, 0.042940, 0.968881]]),
    np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
              [0.004733, 0.691367, 0.303900]]),
]  # fmt: skip
"""All cones, and without those of long, middle and short waves."""


def _linear(colour: str) -> Array:
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _oklab(linear: Array) -> Array:
    """Ottosson 2020."""
    cones = np.array([[0.4122214708, 0.5363325363, 0.0514459929],
                      [0.2119034982, 0.6806995451, 0.1073969566],
                      [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
    lab = np.array([[0.2104542553, 0.7936177850, -0.0040720468],
                    [1.9779984951, -2.4285922050, 0.4505937099],
                    [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip
    return np.asarray(lab @ np.cbrt(cones @ linear))
