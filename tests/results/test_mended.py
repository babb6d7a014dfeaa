"""What a recalibration says of itself has words and units, and says when it was in vain."""

from __future__ import annotations

from typing import Any

from sbipipe.results.mended import Recalibrated


def mended(kind: str, **notes: Any) -> Recalibrated:
    return Recalibrated(entry=f"npe+{kind}", kind=kind, of="npe", target=None, notes=notes)


def test_levels_in_words() -> None:
    notes = {
        "terms": 2,
        "nats_gained": 0.0312,
        "nats_gained_error": 0.0101,
        "mean_log_density_at_truth_without_it": -6.14,
        "mean_log_density_at_truth_with_it": -6.11,
        "share_in_68_%_regions_without_it": 0.61,
        "share_in_68_%_regions_with_it": 0.68,
        "simulations": 387,
        "rows_without_a_posterior": 3,
        "worth_having": True,
    }
    found = mended("levels", **notes)
    assert found.opening == "npe+levels, levels of npe"
    assert found.says == (
        "the map of levels has 2 terms",
        "0.031 ± 0.010 nats are gained at the truth (a log density of "
        "\N{MINUS SIGN}6.11, \N{MINUS SIGN}6.14 without it)",
        "68 % regions hold 68 % of truths, 61 % without it, by 387 simulations",
        "3 rows have no posterior",
    )


def test_a_power_in_words() -> None:
    notes = {
        "strength": 1.02,
        "strength_error": 0.03,
        "share_in_68_%_regions_without_it": 0.69,
        "share_with_it": 0.67,
        "worth_having": False,
    }
    found = mended("tempered", **notes)
    assert found.opening == "npe+tempered, tempered of npe, changed nothing worth having"
    assert found.says == (
        "the power of the likelihood is 1.020 ± 0.030, 1 where it is right",
        "68 % regions hold 67 % of truths, 69 % without it",
    )


def test_a_power_by_region_in_words() -> None:
    notes = {
        "strength": 0.91,
        "strength_error": 0.03,
        "depends_on": "the posterior mean of a; x3, the ends against the middle",
        "strength_from": 0.55,
        "strength_to": 1.21,
        "nats_gained_by_region": 0.056,
        "nats_gained_by_region_error": 0.0261,
    }
    assert mended("tempered", **notes).says == (
        "the power of the likelihood is 0.910 ± 0.030, 1 where it is right",
        "it runs from 0.55 to 1.21, by the posterior mean of a; x3, the ends against the middle, "
        "which gains 0.056 ± 0.026 nats in rows left out",
    )


def test_what_has_no_words_keeps_its_name() -> None:
    assert mended("mine", own_figure=0.25, nothing=None).says == ("own figure: 0.25",)
