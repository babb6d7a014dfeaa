"""Every kind of figure, from the records of a whole run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import white_noise
from sbipipe.emulation.judge import judge
from sbipipe.emulation.judgement import Judgement
from sbipipe.figures import (
    calibration_curves,
    chi_squared,
    components,
    emulated_curves,
    emulated_maps,
    fields,
    learning,
    posteriors,
    power_correlations,
    responses,
    separability,
)
from sbipipe.figures.gallery import Gallery
from sbipipe.figures.style import canvas, formula, head, looks, plain, superscript, symbol
from sbipipe.results import emulation as emulation_results
from sbipipe.results.learning import Learning
from sbipipe.results.run import Results


def test_every_section_has_figures_with_names_of_their_own(run_gallery: Gallery) -> None:
    assert all(run_gallery.values())
    drawings = [drawing for section in run_gallery.values() for drawing in section]
    names = [drawing.name for drawing in drawings]
    assert len(names) == len(set(names))
    assert all(drawing.image[:5] in {b"<?xml", b"\x89PNG\r"} for drawing in drawings)
    assert all(len(drawing.image) < 1_000_000 for drawing in drawings)
    assert all(drawing.width <= 560 for drawing in drawings)


def test_equal_records_give_equal_bytes(run_results: Results) -> None:
    look = looks(["npe", "nle", "nre", "exact"], ["exact"])
    for record, draw in (
        (run_results.examples[0], posteriors.draw),
        (run_results.tests[0], calibration_curves.draw),
    ):
        assert draw(record, look).image == draw(record, look).image  # type: ignore[operator]


@pytest.mark.parametrize(
    "name", ["npe", "a_long_name+tempered", "a_very_long_name_for_an_estimator"]
)
def test_a_legend_stays_inside_and_takes_nothing_from_the_axes(name: str) -> None:
    heights = []
    for count in (2, 11):
        with canvas(3.6, 3.2) as figure:
            axes = figure.add_subplot()
            for i in range(count):
                axes.plot([0, 1], [i, i], label=f"{name}  p = 0.{i}")
            head(figure, "sbc: a parameter", axes.get_legend_handles_labels()[0])
            figure.draw_without_rendering()
            [legend] = figure.legends
            box = legend.get_window_extent()
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.width
            heights.append(axes.bbox.height)
    assert heights[1] > heights[0] - 40  # pixels: two of the rows that every figure has room for


def test_looks_differ_in_more_than_colour() -> None:
    names = [f"estimator{i}" for i in range(9)]
    found = looks([*names, "exact"], ["exact"])
    assert len(set(found.values())) == 10
    first = [found[name] for name in names[:4]]
    assert len({str(look.line) for look in first}) == 4
    assert len({look.marker for look in first}) == 4
    assert found["exact"].colour == "#000000"


def test_a_new_test_is_drawn_without_being_known(run_results: Results) -> None:
    new = replace(run_results.tests[0], key="mine.anything")
    drawing = calibration_curves.draw(new, looks(list(new.results)))
    assert drawing.name == "calibration_mine.anything"
    assert "mine.anything" in drawing.alt


def test_bands_that_differ_are_both_drawn(run_results: Results) -> None:
    test = run_results.tests[0]
    npe = test.results["npe"]
    upper = tuple(2 * value for value in npe.curve.upper)
    wider = replace(npe, curve=replace(npe.curve, upper=upper))
    one = replace(test, results={"npe": npe, "nle": npe})
    two = replace(test, results={"npe": npe, "nle": wider})
    look = looks(["npe", "nle"])
    count = [calibration_curves.draw(t, look).image.count(b"FillBetween") for t in (one, two)]
    assert count[1] == 2 * count[0]


@pytest.mark.parametrize("shape", [(1, 3, 16), (3, 3, 8, 8)])
def test_profiles_and_maps(run_results: Results, shape: tuple[int, ...]) -> None:
    examples = run_results.suites[0].example_fields
    assert examples is not None
    rng = np.random.default_rng(0)
    other = replace(examples, fields=rng.standard_normal(shape), theta=rng.random((*shape[:2], 2)))
    assert fields.draw(other).image.startswith(b"\x89PNG")


@pytest.mark.parametrize("shape", [(1, 16), (1, 8, 8), (1, 16, 16), (2, 8, 8, 8)])
@pytest.mark.parametrize("simulator", [True, False])
def test_emulated_fields_of_any_shape(shape: tuple[int, ...], simulator: bool) -> None:
    truth, drawn = white_noise.drawn(shape, simulator=simulator)
    judgement = judge(truth, drawn, np.random.default_rng(5).standard_normal((50, *shape)), 0)
    assert isinstance(judgement, Judgement)
    one = emulation_results.emulation("mine", judgement, truth.true, drawn.generated)
    drawings = [
        emulated_maps.draw(one),
        chi_squared.draw(one),
        power_correlations.draw(one),
        *emulated_curves.draw_all(one),
        *responses.draw_all(one),
    ]
    panels = bool(set(judgement.examples[0].curves) - set(emulated_curves.WITH_Z))
    assert panels or len(shape) != 3
    assert len(drawings) == 3 + (9 if panels else 6) + 1
    assert len({drawing.name for drawing in drawings}) == len(drawings)
    assert all(len(drawing.alt) > 30 for drawing in drawings)


def test_pairs_without_a_number_leave_a_gap(run_results: Results) -> None:
    pair = replace(run_results.pairs[0], b="$nle", c2st=np.nan, c2st_se=np.nan)
    assert separability.draw([pair]).image


def test_names_and_units_in_figures() -> None:
    assert symbol("omega_m") == r"$\Omega_m$"
    assert symbol("mass_$1") == r"mass_\$1"
    assert plain("a$b") == r"a\$b"
    assert superscript("(Mpc/h)^2") == "(Mpc/h)$^2$"
    assert formula("log10(1 + delta)") == r"$\log_{10}$(1 + $\delta$)"


def test_matplotlib_is_imported_by_figures_alone() -> None:
    code = "import sys; import sbipipe.results; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_score_is_drawn_beside_the_losses() -> None:
    """Of the network that has one; the other begins on coarser fields."""
    curve = {"epoch": (1.0, 2.0), "train": (2.0, 1.0), "valid": (2.1, 1.1)}
    plain, scored = (
        learning.draw(
            Learning(entry="mine", curves=curves, chosen=dict.fromkeys(curves, 2), notes={})
        )
        for curves in ({"start": curve}, {"start": curve, "mine": {**curve, "score": (3.0, 1.2)}})
    )
    assert b"rms z of drawn fields" not in plain.image
    assert len(scored.image) > len(plain.image)


def test_steps_are_named_where_they_count_things(run_results: Results) -> None:
    """The names take the place of numbers, and nothing else changes."""
    (spread,) = (test for test in run_results.tests if test.key == "sbc.spread")
    look = looks(list(spread.results))
    first = next(iter(spread.results.values())).curve
    assert first.ticks == tuple(run_results.estimators[0].verdict.sharpness.contraction)
    bare = {
        name: replace(one, curve=replace(one.curve, ticks=()))
        for name, one in spread.results.items()
    }
    named, numbered = (
        calibration_curves.draw(one, look) for one in (spread, replace(spread, results=bare))
    )
    assert named.image != numbered.image


def test_a_component_with_heavy_tails_has_a_bent_axis() -> None:
    z = np.random.default_rng(0).standard_normal(200)
    scales = []
    for values in (z, np.sinh(4 * z)):
        with canvas() as figure:
            axes = figure.add_subplot()
            components.scale(axes, values, "one")
            scales.append((axes.get_yscale(), axes.get_title(loc="left")))
    assert scales == [("linear", "one"), ("asinh", "one (bent axis: asinh)")]
