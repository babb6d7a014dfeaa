r"""Estimators side by side, on the same test simulations.

Pairs are compared by the accuracy of a classifier between their draws (`two_samples`), averaged
over observations, and parameter by parameter: the shift (mean_a - mean_b) / sqrt((w_a^2 + w_b^2)
/ 2) and the ratio of widths w_a / w_b, averaged in its logarithm.

Parameters that are a nuisance count as any other: nats, C2ST and KL are of all parameters together.

Where the exact posterior p is known, an estimator q is scored by

    KL(p || q) = E_{theta ~ p} [log p(theta | x) - log q(theta | x)],

the mean over exact draws, for each observation. It is infinite where q is zero at an exact draw,
and that is what is reported: the mean is infinite (null in a file), with the number of such
observations and the mean over the others beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from sbipipe.gate import uniformity
from sbipipe.gate.sharpness import estimate, log_prob_truth
from sbipipe.gate.verdict import Estimate
from sbipipe.interfaces import Array, Generator, Mask, PosteriorDraws
from sbipipe.posteriors.comparison import Comparison, Difference, Pair, Performance, Tested
from sbipipe.posteriors.two_samples import c2st
from sbipipe.progress import track
from sbipipe.records import InputError
from sbipipe.seeds import stream

OBSERVATIONS = 20
"""C2ST is averaged over this many observations."""

COLUMNS = ("estimator", "other", "quantity", "parameter", "value", "se")
"""Columns of the table of all figures."""


def compare(
    simulator: str,
    draws: Mapping[str, PosteriorDraws],
    rng: Generator,
    *,
    observations: int = OBSERVATIONS,
    train_seconds: Mapping[str, float] | None = None,
    kl: Mapping[str, Estimate] | None = None,
) -> Comparison:
    """Compare estimators that drew for the same test simulations.

    Args:
        simulator: The simulator of these simulations.
        draws: By estimator.
        observations: How many, chosen at random, the C2ST is averaged over.
        train_seconds: By estimator, where known.
        kl: `kl_from_exact` by estimator, where known.

    Raises:
        InputError: Where the estimators' parameters or truths differ.
    """
    if not draws:
        raise InputError("compare: given no estimator; allowed: at least one")
    _check_same(draws)
    first = next(iter(draws.values()))
    root = int(rng.integers(2**63))
    estimators = {
        name: performance(one, (train_seconds or {}).get(name), (kl or {}).get(name))
        for name, one in draws.items()
    }
    pairs = tuple(
        compare_pair(a, draws[a], b, draws[b], stream(root, a, b), observations)
        for a, b in track([*combinations(draws, 2)], "comparing", "pairs of estimators")
    )
    tested = Tested(n_test=len(first.theta), parameters=first.parameters)
    return Comparison(estimators=estimators, pairs=pairs, simulators={simulator: tested})


def join(comparisons: Iterable[Comparison]) -> Comparison:
    """The comparisons on several simulators as one."""
    every = list(comparisons)
    return Comparison(
        estimators={name: one for c in every for name, one in c.estimators.items()},
        pairs=tuple(pair for c in every for pair in c.pairs),
        simulators={name: one for c in every for name, one in c.simulators.items()},
    )


def performance(
    draws: PosteriorDraws, train_seconds: float | None = None, kl: Estimate | None = None
) -> Performance:
    """What one estimator's draws are worth, where it could sample."""
    z = np.abs((draws.theta - draws.draws.mean(0)) / draws.draws.std(0))
    z[uniformity.failed(draws)] = np.nan
    found = dict(zip(draws.parameters, map(estimate, z.T), strict=True))
    return Performance(
        log_prob_truth=log_prob_truth(draws),
        kl_from_exact=kl,
        mean_abs_z={name: one.mean for name, one in found.items()},
        mean_abs_z_se={name: one.se for name, one in found.items()},
        train_seconds=train_seconds,
        seconds_per_posterior=draws.seconds,
    )


def compare_pair(
    name_a: str,
    a: PosteriorDraws,
    name_b: str,
    b: PosteriorDraws,
    rng: Generator,
    observations: int = OBSERVATIONS,
) -> Pair:
    """Distance between two estimators' posteriors, where both were sampled."""
    lost = uniformity.failed(a) | uniformity.failed(b)
    width_a, width_b = a.draws.std(0), b.draws.std(0)
    shift = (a.draws.mean(0) - b.draws.mean(0)) / np.sqrt((width_a**2 + width_b**2) / 2)
    ratio = np.log(width_a / width_b)
    shift[lost], ratio[lost] = np.nan, np.nan
    accuracy = _accuracy(a.draws[:, ~lost], b.draws[:, ~lost], rng, observations)
    ratios, distances = _estimates(ratio), _estimates(np.abs(shift))
    by_parameter = map(_difference, _estimates(shift), distances, ratios)
    mean_ratio = float(np.exp(np.mean([one.mean for one in ratios])))
    return Pair(
        a=name_a,
        b=name_b,
        c2st=accuracy.mean,
        c2st_se=accuracy.se,
        shift_sigma=float(np.mean([one.mean for one in distances])),
        shift_sigma_se=float(np.mean([one.se for one in distances])),
        width_ratio=mean_ratio,
        width_ratio_se=mean_ratio * float(np.mean([one.se for one in ratios])),
        by_parameter=dict(zip(a.parameters, by_parameter, strict=True)),
        nats=_paired_nats(a, b, lost),
        observations=int((~lost).sum()),
        c2st_observations=accuracy.count,
    )


def _paired_nats(a: PosteriorDraws, b: PosteriorDraws, lost: Mask) -> Estimate:
    """The mean difference of log densities at the truths, which both see."""
    with np.errstate(invalid="ignore"):
        return estimate(np.where(lost, np.nan, a.log_prob_truth - b.log_prob_truth))


def kl_from_exact(log_prob_exact: Array, log_prob_other: Array) -> tuple[Estimate, Array]:
    """KL(exact || other) in nats.

    Args:
        log_prob_exact: Normalised log density of the exact posterior at its own draws, with shape
            (n, B).
        log_prob_other: Of the estimator at the same draws, with shape (n, B).

    Returns:
        Its mean over observations, and its value for each, with shape (B,): infinite where
        the estimator's density is zero at an exact draw, NaN where either could not be had.
        A mean over draws may come out negative, by chance, where the two nearly agree.
    """
    if np.shape(log_prob_exact) != np.shape(log_prob_other):
        raise ValueError(
            f"log_prob_exact has shape {np.shape(log_prob_exact)}, log_prob_other "
            f"{np.shape(log_prob_other)}; allowed: the same shape"
        )
    known = np.asarray(np.isfinite(log_prob_exact).all(0) & ~np.isnan(log_prob_other).any(0))
    each = np.full(len(known), np.nan)
    each[known] = np.mean(log_prob_exact[:, known] - log_prob_other[:, known], 0)
    return estimate(each), each


def to_table(comparison: Comparison) -> pd.DataFrame:
    """One row per figure: estimator, other, quantity, parameter, value, se."""
    rows = [
        *(row for name, one in comparison.estimators.items() for row in _rows(name, one)),
        *(row for pair in comparison.pairs for row in _rows_of_pair(pair)),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _check_same(draws: Mapping[str, PosteriorDraws]) -> None:
    (name, first), *others = draws.items()
    problems = []
    for other, one in others:
        if one.parameters != first.parameters:
            problems.append(
                f"compare: {other} has parameters {one.parameters}, {name} has {first.parameters}"
            )
        elif not np.array_equal(one.theta, first.theta):
            problems.append(f"compare: {other} and {name} were drawn for different simulations")
    if problems:
        raise InputError(*problems)


def _estimates(values: Array) -> list[Estimate]:
    """The mean of each parameter over observations, (B, D)."""
    return [estimate(column) for column in values.T]


def _accuracy(a: Array, b: Array, rng: Generator, observations: int) -> Estimate:
    """C2ST between draws (n, B, D), averaged over some observations chosen at random."""
    count = a.shape[1]
    chosen = rng.choice(count, min(observations, count), replace=False)
    seeds = rng.integers(2**31, size=len(chosen))
    found = [c2st(a[:, i], b[:, i], int(seed)) for i, seed in zip(chosen, seeds, strict=True)]
    return estimate(np.array(found))


def _difference(shift: Estimate, distance: Estimate, log_ratio: Estimate) -> Difference:
    ratio = float(np.exp(log_ratio.mean))
    return Difference(
        shift_sigma=distance.mean,
        shift_sigma_se=distance.se,
        signed_shift_sigma=shift.mean,
        signed_shift_sigma_se=shift.se,
        width_ratio=ratio,
        width_ratio_se=ratio * log_ratio.se,
    )


Row = tuple[str, str, str, str, float, float]


def _rows(name: str, one: Performance) -> Iterator[Row]:
    nats = {"log_prob_truth": one.log_prob_truth, "kl_from_exact": one.kl_from_exact}
    seconds = {
        "seconds_per_posterior": one.seconds_per_posterior,
        "train_seconds": one.train_seconds,
    }
    for quantity, found in nats.items():
        if found is not None:
            yield name, "", quantity, "", found.mean, found.se
    for parameter, z in one.mean_abs_z.items():
        yield name, "", "mean_abs_z", parameter, z, one.mean_abs_z_se[parameter]
    for quantity, time in seconds.items():
        if time is not None:
            yield name, "", quantity, "", time, np.nan


def _rows_of_pair(pair: Pair) -> Iterator[Row]:
    a, b = pair.a, pair.b
    yield a, b, "c2st", "", pair.c2st, pair.c2st_se
    if pair.nats is not None:
        yield a, b, "nats", "", pair.nats.mean, pair.nats.se
    yield a, b, "shift_sigma", "", pair.shift_sigma, pair.shift_sigma_se
    yield a, b, "width_ratio", "", pair.width_ratio, pair.width_ratio_se
    for name, one in pair.by_parameter.items():
        yield a, b, "shift_sigma", name, one.shift_sigma, one.shift_sigma_se
        yield a, b, "signed_shift_sigma", name, one.signed_shift_sigma, one.signed_shift_sigma_se
        yield a, b, "width_ratio", name, one.width_ratio, one.width_ratio_se
