r"""Estimators side by side, on the same test simulations.

Pairs are compared by a classifier two-sample test (Lopez-Paz & Oquab 2017, arXiv:1610.06545): the
accuracy, in cross-validation, of a classifier that must tell draws of one posterior from draws of
the other, averaged over observations. 0.5: indistinguishable; 1: disjoint. The classifier is a
logistic regression on quadratic and 50 radial features of the standardised draws. The logarithm of
a ratio of two Gaussians *is* quadratic, so for Gaussians the best classifier is among these; the
radial features (kernel exp(-|a - b|^2 / 2) at random draws, Nyström's method) follow modes and
bends. Smooth features also cannot memorise single draws, which matters where importance resampling
has repeated some: nearest neighbours and trees would call the repetitions a difference.

Where the exact posterior p is known, an estimator q is scored by

    KL(p || q) = E_{theta ~ p} [log p(theta | x) - log q(theta | x)],

the mean over exact draws, for each observation. It is infinite where q is zero at an exact draw,
and that is what is reported: the mean is infinite (null in JSON), with the number of such
observations and the mean over the others beside it.

Errors are those of a bootstrap over observations in the limit of many replicates, s / sqrt(n).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sbipipe.gate import uniformity
from sbipipe.gate.verdict import Score, finite, log_prob_truth, score, score_json
from sbipipe.interfaces import Array, Generator, InputError, PosteriorDraws
from sbipipe.seeds import stream

OBSERVATIONS = 20
"""C2ST is averaged over this many observations."""

RADIAL = 50
"""Number of radial features."""

FOLDS = 4
"""Of the cross-validation."""

MEAN_ABS_Z = float(np.sqrt(2 / np.pi))
"""Expected |z| of a truth under a calibrated Gaussian posterior: 0.80."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One estimator on its own.

    Attributes:
        log_prob_truth: Log posterior at the truth, in nats.
        mean_abs_z: Per parameter, |truth - posterior mean| / posterior width.
        seconds_per_posterior: Wall time of drawing for one observation.
        train_seconds: Wall time of training, where known.
        kl_from_exact: In nats, where the exact posterior is known.
    """

    log_prob_truth: Score
    mean_abs_z: Mapping[str, Score]
    seconds_per_posterior: float
    train_seconds: float | None = None
    kl_from_exact: Score | None = None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two estimators' posteriors of the same observations.

    Attributes:
        c2st: Accuracy of a classifier between their draws.
        shift: Per parameter, (mean_a - mean_b) / width.
        distance: Per parameter, its modulus.
        log_width_ratio: Per parameter, log(width_a / width_b).
    """

    a: str
    b: str
    c2st: Score
    shift: Mapping[str, Score]
    distance: Mapping[str, Score]
    log_width_ratio: Mapping[str, Score]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All estimators and all pairs of them."""

    parameters: tuple[str, ...]
    n_test: int
    estimators: Mapping[str, Scores]
    pairs: tuple[Pair, ...] = field(default=())


def compare(
    draws: Mapping[str, PosteriorDraws],
    rng: Generator,
    *,
    observations: int = OBSERVATIONS,
    train_seconds: Mapping[str, float] | None = None,
    kl: Mapping[str, Score] | None = None,
) -> Comparison:
    """Compare estimators that drew for the same test simulations.

    Args:
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
        name: Scores(
            log_prob_truth=log_prob_truth(one),
            mean_abs_z=mean_abs_z(one),
            seconds_per_posterior=one.seconds,
            train_seconds=(train_seconds or {}).get(name),
            kl_from_exact=(kl or {}).get(name),
        )
        for name, one in draws.items()
    }
    pairs = tuple(
        compare_pair(a, draws[a], b, draws[b], stream(root, a, b), observations)
        for a, b in combinations(draws, 2)
    )
    return Comparison(
        parameters=first.parameters, n_test=len(first.theta), estimators=estimators, pairs=pairs
    )


def mean_abs_z(draws: PosteriorDraws) -> dict[str, Score]:
    """Distance of the truth from the posterior mean in posterior widths, per parameter."""
    z = np.abs((draws.theta - draws.draws.mean(0)) / draws.draws.std(0))
    z[uniformity.failed(draws)] = np.nan
    return _by_parameter(draws.parameters, z)


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
    kept = np.flatnonzero(~lost)
    chosen = rng.choice(kept, min(observations, len(kept)), replace=False)
    seeds = rng.integers(2**31, size=len(chosen))
    accuracy = [
        c2st(a.draws[:, i], b.draws[:, i], int(seed)) for i, seed in zip(chosen, seeds, strict=True)
    ]
    return Pair(
        a=name_a,
        b=name_b,
        c2st=score(np.array(accuracy)),
        shift=_by_parameter(a.parameters, shift),
        distance=_by_parameter(a.parameters, np.abs(shift)),
        log_width_ratio=_by_parameter(a.parameters, ratio),
    )


def c2st(a: Array, b: Array, seed: int) -> float:
    """Accuracy of a classifier between two samples, (n, D) and (m, D); 0.5 if n = m and equal."""
    n = min(len(a), len(b))
    rows = StandardScaler().fit_transform(np.concatenate([a[:n], b[:n]]).astype(np.float64))
    label = np.repeat([0, 1], n)
    radial = Nystroem(gamma=0.5, n_components=min(RADIAL, 2 * n), random_state=seed)
    quadratic = PolynomialFeatures(2, include_bias=False)
    features = np.hstack([quadratic.fit_transform(rows), radial.fit_transform(rows)])
    classifier = LogisticRegression(solver="newton-cholesky")
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return float(cross_val_score(classifier, features, label, cv=folds).mean())


def kl_from_exact(log_prob_exact: Array, log_prob_other: Array) -> tuple[Score, Array]:
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
    return score(each), each


def to_json(comparison: Comparison) -> dict[str, Any]:
    """The content of comparison.json; what is not finite is null."""
    return {
        "estimators": {name: _scores(one) for name, one in comparison.estimators.items()},
        "pairs": [_pair(pair) for pair in comparison.pairs],
        "n_test": comparison.n_test,
        "parameters": list(comparison.parameters),
        "mean_abs_z_expected": MEAN_ABS_Z,
    }


def to_table(comparison: Comparison) -> pd.DataFrame:
    """One row per estimator, one column per quantity; errors in columns ending in `_se`."""
    rows: dict[str, dict[str, float | None]] = {}
    for row in _long(comparison):
        if not row["other"]:
            key = "_".join(filter(None, [row["quantity"], row["parameter"]]))
            cells = rows.setdefault(row["estimator"], {})
            cells[key] = row["value"]
            if row["se"] is not None:
                cells[f"{key}_se"] = row["se"]
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("estimator").reset_index()


def to_long(comparison: Comparison) -> pd.DataFrame:
    """One row per figure: estimator, other, quantity, parameter, value, se."""
    columns = ["estimator", "other", "quantity", "parameter", "value", "se"]
    return pd.DataFrame(list(_long(comparison)), columns=columns)


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


def _by_parameter(parameters: tuple[str, ...], values: Array) -> dict[str, Score]:
    return {name: score(values[:, i]) for i, name in enumerate(parameters)}


def _scores(one: Scores) -> dict[str, Any]:
    return {
        "log_prob_truth": score_json(one.log_prob_truth),
        "kl_from_exact": None if one.kl_from_exact is None else score_json(one.kl_from_exact),
        "mean_abs_z": {name: finite(a.mean) for name, a in one.mean_abs_z.items()},
        "mean_abs_z_se": {name: finite(a.se) for name, a in one.mean_abs_z.items()},
        "train_seconds": None if one.train_seconds is None else finite(one.train_seconds),
        "seconds_per_posterior": finite(one.seconds_per_posterior),
    }


def _pair(pair: Pair) -> dict[str, Any]:
    parameters = {name: _pair_parameter(pair, name) for name in pair.shift}
    return {
        "a": pair.a,
        "b": pair.b,
        "c2st": finite(pair.c2st.mean),
        "c2st_se": finite(pair.c2st.se),
        **_overall(pair),
        "by_parameter": parameters,
        "observations": next(iter(pair.shift.values())).count,
        "c2st_observations": pair.c2st.count,
    }


def _overall(pair: Pair) -> dict[str, float | None]:
    """Means over parameters; errors as if all parameters erred together."""
    ratios = list(pair.log_width_ratio.values())
    distances = list(pair.distance.values())
    ratio = float(np.exp(np.mean([a.mean for a in ratios])))
    return {
        "shift_sigma": finite(float(np.mean([a.mean for a in distances]))),
        "shift_sigma_se": finite(float(np.mean([a.se for a in distances]))),
        "width_ratio": finite(ratio),
        "width_ratio_se": finite(ratio * float(np.mean([a.se for a in ratios]))),
    }


def _pair_parameter(pair: Pair, name: str) -> dict[str, float | None]:
    shift, distance, ratio = pair.shift[name], pair.distance[name], pair.log_width_ratio[name]
    return {
        "shift_sigma": finite(distance.mean),
        "shift_sigma_se": finite(distance.se),
        "signed_shift_sigma": finite(shift.mean),
        "signed_shift_sigma_se": finite(shift.se),
        "width_ratio": finite(float(np.exp(ratio.mean))),
        "width_ratio_se": finite(float(np.exp(ratio.mean) * ratio.se)),
    }


def _long(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for name, one in comparison.estimators.items():
        yield _row(name, "", "log_prob_truth", "", one.log_prob_truth.mean, one.log_prob_truth.se)
        if one.kl_from_exact is not None:
            kl = one.kl_from_exact
            yield _row(name, "", "kl_from_exact", "", kl.mean, kl.se)
        for parameter, z in one.mean_abs_z.items():
            yield _row(name, "", "mean_abs_z", parameter, z.mean, z.se)
        yield _row(name, "", "seconds_per_posterior", "", one.seconds_per_posterior, None)
        if one.train_seconds is not None:
            yield _row(name, "", "train_seconds", "", one.train_seconds, None)
    for pair in comparison.pairs:
        yield from _long_pair(pair)


def _long_pair(pair: Pair) -> Iterator[dict[str, Any]]:
    values = _pair(pair)
    tables = {"": values, **values["by_parameter"]}
    for parameter, table in tables.items():
        for quantity in ("c2st", "shift_sigma", "signed_shift_sigma", "width_ratio"):
            if quantity in table:
                value, se = table[quantity], table[f"{quantity}_se"]
                yield _row(pair.a, pair.b, quantity, parameter, value, se)


def _row(
    estimator: str, other: str, quantity: str, parameter: str, value: Any, se: float | None
) -> dict[str, Any]:
    return {
        "estimator": estimator,
        "other": other,
        "quantity": quantity,
        "parameter": parameter,
        "value": value,
        "se": se,
    }
