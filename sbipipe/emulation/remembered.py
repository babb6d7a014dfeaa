r"""New or remembered? How near an emulator's fields come to those that it was fitted to, and how
near to each other.

A generator that hands out its training fields again passes every test of their statistics. So three
distances are taken at each held-out theta, each for generated fields and for as many true ones of
other simulations, which are new for certain:

- in pixels, to the nearest training field up to every move of the grid (`physics.alignment`); of
  all training fields only the `SHORTLIST` nearest in power are moved,
- in power, to the nearest training field: the rms over bands of the difference of log P(k),
- in pixels, of the nearest two of as many fields of the same theta, one from either half
  (*twins*): a generator of few fields repeats itself, after about the square root of their number
  (the birthday paradox: Arora, Risteski & Zhang 2018). For true fields the halves are of different
  simulations.

**The test.** Were the generated fields new, their mean distance would be above or below that of the
true ones with equal chance at every theta. So the signs of the T differences are exchanged, all 2^T
of them: p is the share of exchanges that put generated fields at least as near. Fields larger than
`SIDE` pixels are averaged first.
"""

from __future__ import annotations

import numpy as np
import scipy

from sbipipe.emulation import spectra
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.judgement import Nearness, Remembered, short
from sbipipe.emulation.truth import Truth
from sbipipe.evenly import evenly
from sbipipe.interfaces import Array, Fields
from sbipipe.physics.alignment import distances
from sbipipe.physics.fields import at_most

SHORTLIST = 16
"""Training fields, the nearest in power, that are moved."""

SIDE = 64
"""The most pixels along an axis of a field that is moved."""

TRAINING = 20_000
"""The most training fields that are looked at, spread evenly over them."""


def remembered(truth: Truth, drawn: Drawn, training: Array) -> Remembered:
    """How near the generated fields of each theta come to training fields (N, C, *space), which lie
    on their grid, and to each other."""
    training = training[evenly(len(training), TRAINING)]
    true = truth.true if truth.control is None else truth.control
    count = min(true.shape[1], drawn.generated.shape[1])
    few = drawn.generated[:, :count], true[:, :count]
    log_training = _log_power(training[None], truth.data)[0]
    log_few = [_log_power(one, truth.data) for one in few]
    library = _small(training, truth.data)
    pixels, power = [], []
    for fields, log_fields in zip(few, log_few, strict=True):
        away = [_differences(one, log_training) for one in log_fields]
        power.append(np.array([one.min(1).mean() for one in away]))
        pairs = zip(_small(fields, truth.data), away, strict=True)
        pixels.append(np.array([_nearest(one, library, far, truth.data) for one, far in pairs]))
    return Remembered(
        training=len(training),
        fields=count,
        pixels=_nearness(*pixels),
        power=_nearness(*power),
        twins=_twins(truth, drawn),
    )


def _nearest(fields: Array, library: Array, away: Array, data: Fields) -> float:
    """The mean over fields (m, C, *space) of the distance to the nearest of the library.

    Args:
        away: How far in power each of the library is from each field, with shape (m, N).
    """
    listed = np.argsort(away, axis=1, kind="stable")[:, :SHORTLIST]
    periodic = data.geometry.periodic
    found = [
        distances(one[None], library[few], periodic=periodic).min()
        for one, few in zip(fields, listed, strict=True)
    ]
    return float(np.mean(found))


def _twins(truth: Truth, drawn: Drawn) -> Nearness | None:
    """Of the nearest pairs; None where the true fields of one theta are all of one simulation."""
    if truth.control is None:
        return None
    count = min(truth.true.shape[1], truth.control.shape[1], drawn.generated.shape[1] // 2)
    generated = _small(drawn.generated[:, : 2 * count], truth.data)
    halves = (
        (generated[:, :count], generated[:, count:]),
        (_small(truth.true[:, :count], truth.data), _small(truth.control[:, :count], truth.data)),
    )
    periodic = truth.data.geometry.periodic
    found = [
        np.array([distances(*pair, periodic=periodic).min() for pair in zip(*both, strict=True)])
        for both in halves
    ]
    return _nearness(*found)


def _nearness(generated: Array, true: Array) -> Nearness:
    """Of distances (T,) at T theta."""
    found = scipy.stats.permutation_test(
        (generated, true),
        _mean_difference,
        permutation_type="samples",
        alternative="less",
        vectorized=True,  # of ten theta, all exchanges are fewer than the default number
    )
    return Nearness(generated=short(generated), true=short(true), p=float(found.pvalue))


def _mean_difference(generated: Array, true: Array, axis: int) -> Array:
    return np.asarray((generated - true).mean(axis))


def _log_power(fields: Array, data: Fields) -> Array:
    """log P(k) of fields (A, B, C, *space), with shape (A, B, C * K)."""
    return np.asarray(np.log(np.maximum(spectra.power(fields, data), np.finfo(float).tiny)))


def _differences(log_power: Array, others: Array) -> Array:
    """The rms difference of each of (m, K) from each of (N, K), with shape (m, N)."""
    squares = (log_power**2).sum(1)[:, None] + (others**2).sum(1) - 2 * log_power @ others.T
    return np.asarray(np.sqrt(np.maximum(squares, 0) / log_power.shape[1]))


def _small(fields: Array, data: Fields) -> Array:
    """Fields (..., C, *space) on a grid of at most `SIDE` pixels along each axis."""
    small = at_most(fields.reshape(-1, *data.shape), SIDE)
    return small.reshape(*fields.shape[: -len(data.shape)], *small.shape[1:])


__all__ = ["remembered"]
