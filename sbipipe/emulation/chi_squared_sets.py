"""Reduced chi-squared of the power of single fields (`chi_squared`), set beside its Gaussian null,
beside the true fields left out one by one, and beside the control.

Where all true fields of one theta come from one box, only the last is what a perfect emulator
attains: its fields come from other boxes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sbipipe.emulation.chi_squared import (
    leave_one_out,
    mean_of_clusters,
    null,
    ratio_of_clusters,
    reduced_chi_squared,
)
from sbipipe.emulation.judgement import ChiSquared, ChiSquaredSets, short
from sbipipe.interfaces import Array


def chi_squared_sets(
    true: Array, generated: Array, control: Array, reference: Array
) -> ChiSquaredSets:
    """Of spectra (T, fields, K) at T theta; `reference` is what the control is set beside."""
    n, bins = true.shape[1:]
    m = reference.shape[1]
    left_out, in_place, all_, other = (
        np.stack([of(*pair) for pair in zip(a, b, strict=True)])
        for of, a, b in (
            (leave_one_out, true, true),
            (leave_one_out, generated, true),
            (reduced_chi_squared, generated, true),
            (reduced_chi_squared, control, reference),
        )
    )
    against = {"true": left_out / null(n - 1, bins), "control": other / null(m, bins)}
    sets = {
        "leave_one_out_true": _set(left_out, n - 1, bins, against),
        "leave_one_out_generated": _set(in_place, n - 1, bins, against),
        "generated": _set(all_, n, bins, against),
        "control": _set(other, m, bins, against),
    }
    return ChiSquaredSets(bins=bins, sets=sets)


def _set(values: Array, references: int, bins: int, against: Mapping[str, Array]) -> ChiSquared:
    """One set of values (T, fields), and their mean over those that it is set beside."""
    gaussian = null(references, bins)
    mean = mean_of_clusters(values)
    true, control = (
        ratio_of_clusters(values / gaussian, against[key]) for key in ("true", "control")
    )
    return ChiSquared(
        references=references,
        null=gaussian,
        mean=mean.mean,
        se=mean.se,
        ratio=mean.mean / gaussian,
        ratio_se=mean.se / gaussian,
        to_true=true.mean,
        to_true_se=true.se,
        to_control=control.mean,
        to_control_se=control.se,
        values=short(values.ravel()),
    )
