r"""The birthday test: how many different fields can a generator draw?

Of N fields that are each one of K different ones, N^2 / (2 K) pairs are the same (the birthday
paradox: Arora, Risteski & Zhang 2018, arXiv:1706.08224). So many fields are drawn at one theta, and
pairs are counted that are nearer than true fields would be, which may have been moved and made a
little noisy. A field is looked at in two ways: by its pixels, brought into a standard position
(`physics.position`) and averaged to at most `SIDE` pixels along each axis, and by its log P(k), in
bands (`physics.bands`), tapered where it is not periodic (`physics.taper`). Where an emulator has
a critic, it is looked at in a third way, by the features from which the critic answers.

**How near true fields would come** is known of as many pairs as there are true fields, and of N
fields extrapolated. Of M pairs of true fields of different simulations, let r_1 <= ... <= r_m be
the least distances. Where points fill D dimensions, the number of pairs nearer than r grows as r^D,
with the estimate (Levina & Bickel 2004)

    1 / D = mean_i ln(r_m / r_i),    i < m,

so that of M' pairs one is expected nearer than r = r_m (M / (m M'))^(1/D). Seen from so near,
fields fill more dimensions and not fewer, and true fields come less near than that. An error of a
factor of `MARGIN` in the number of pairs is allowed for in p, the probability that a Poisson
variable with this mean is as large as the number that is found.

Distances are in units of the rms distance of a set from its mean, so that fields that scatter too
little are not taken for fields that are repeated.

The control are pairs of other true fields, fewer of course.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import scipy
import torch

from sbipipe.emulation.sample import TrueSample
from sbipipe.emulation.sampled import Birthday, Pairs
from sbipipe.interfaces import Array, Fields, Generator, Index
from sbipipe.physics.bands import bands_of
from sbipipe.physics.fields import at_most
from sbipipe.physics.position import standard_position
from sbipipe.physics.taper import tapered
from sbipipe.protocols import Emulator, EmulatorKind, Reads, Slow

SIDE = 8
"""Pixels along an axis of a field in a standard position, at most."""

CRITIC = "critic features"
"""What fields are compared in by an emulator's critic."""

NEAREST = 400
"""m, at most; fewer where there would be less than ten pairs for each."""

MARGIN = 10.0
"""By how much the number of pairs of true fields may be larger than expected."""

TOGETHER = 256
"""Fields that are drawn at once."""

CHUNK = 2_000
"""Fields whose distances to all others are held at once."""


def features(fields: Array, data: Fields) -> dict[str, Array]:
    """What is compared of fields (N, C, *space), each with shape (N, L)."""
    small = at_most(standard_position(fields, periodic=data.geometry.periodic), SIDE)
    waves = torch.from_numpy(tapered(fields, data.geometry))
    power = bands_of(data.shape).power(waves)[:, 1:].flatten(1).numpy()
    return {
        "pixels": small.reshape(len(fields), -1).astype(np.float32),
        "power": np.log(np.maximum(power, np.finfo(float).tiny)).astype(np.float32),
    }


def number(kind: EmulatorKind, asked: int) -> int:
    """How many fields an emulator of this kind draws, where so many are asked for."""
    return min(asked, kind.birthday) if isinstance(kind, Slow) else asked


def drawn(emulator: Emulator, theta: Array, count: int, rng: Generator) -> dict[str, Array]:
    """The features of so many fields at theta (D,), each with shape (N, L)."""
    sizes = (min(TOGETHER, count - start) for start in range(0, count, TOGETHER))
    parts = (emulator.draw(np.repeat(theta[None], size, 0), rng) for size in sizes)
    return _together(features(part, emulator.data) | read(emulator, part, theta) for part in parts)


def read(emulator: Emulator, fields: Array, theta: Array) -> dict[str, Array]:
    """The features, by the emulator's critic, of fields (N, C, *space), with shape (N, L); nothing
    where it has none."""
    if not isinstance(emulator, Reads):
        return {}
    return {CRITIC: emulator.features(fields, theta).astype(np.float32)}


def read_true(emulator: Emulator, sample: TrueSample) -> dict[str, Array]:
    """The same of the true fields and the control of a sample, by their names."""
    shape = (-1, *emulator.data.shape)
    parts = {"true": sample.true, "control": sample.control}
    found = {name: read(emulator, x.reshape(shape), sample.theta) for name, x in parts.items()}
    return {name: one[CRITIC] for name, one in found.items() if one}


def birthdays(
    generated: Mapping[str, Array], known: Mapping[str, Array], sample: TrueSample, data: Fields
) -> dict[str, Birthday]:
    """The test by each feature, of generated ones (N, L), and of true fields.

    Args:
        known: What `read_true` gives.
    """
    true, control = (
        _together(features(part, data) for part in one) for one in (sample.true, sample.control)
    )
    if known:
        true[CRITIC], control[CRITIC] = known["true"], known["control"]
    simulation = np.repeat(np.arange(len(sample.true)), sample.true.shape[1])
    return {
        name: birthday(points, true[name], control[name], simulation)
        for name, points in generated.items()
    }


def birthday(generated: Array, true: Array, control: Array, simulation: Index) -> Birthday:
    """Of points (N, L), and of true ones (n, L) of two sets of simulations.

    Args:
        simulation: The simulation of each true point in its set, with shape (n,).
    """
    generated, true, control = (_in_scatter(one) for one in (generated, true, control))
    between = np.sort(distances(true, control), axis=None)
    own = [distances(one, one)[simulation[:, None] < simulation] for one in (true, control)]
    inner = np.concatenate(own)
    all_ = len(generated) * (len(generated) - 1) // 2
    close, closer = reach(between, len(inner)), reach(between, all_)
    return Birthday(
        generated=_pairs(len(generated), closer, near(generated, closer)),
        control=_pairs(2 * len(true), close, int((inner < close).sum())),
    )


def _in_scatter(points: Array) -> Array:
    """Points (N, L) from their mean, in units of the rms distance from it."""
    centred = points - points.mean(0)
    return np.asarray(centred / max(np.sqrt((centred**2).sum(1).mean()), np.finfo(float).tiny))


def _pairs(fields: int, radius: float, found: int) -> Pairs:
    p = float(scipy.stats.poisson.sf(found - 1, MARGIN))
    return Pairs(fields=fields, radius=radius, near=found, p=p)


def reach(ordered: Array, pairs: int) -> float:
    """The distance that one of so many pairs would be nearer than.

    Args:
        ordered: The distances of M pairs, with shape (M,), the least first.
    """
    m = max(2, min(NEAREST, len(ordered) // 10))
    few = np.maximum(ordered[:m], np.finfo(float).tiny)
    inverse = float(np.log(few[-1] / few[:-1]).mean())
    return float(few[-1] * (len(ordered) / (m * pairs)) ** inverse)


def distances(a: Array, b: Array) -> Array:
    """Of each of a (N, L) from each of b (M, L), (N, M)."""
    return np.asarray(np.sqrt(np.maximum(_squared(a, b), 0)))


def near(points: Array, radius: float) -> int:
    """The number of pairs of points (N, L) that are nearer than a radius."""
    if radius <= 0:
        return 0
    found = 0
    for start in range(0, len(points), CHUNK):
        close = _squared(points[start : start + CHUNK], points[start:]) < radius**2
        found += int(np.triu(close, 1).sum())
    return found


def _squared(a: Array, b: Array) -> Array:
    """The squares of distances, up to rounding."""
    return np.asarray((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T)


def _together(parts: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    every = list(parts)
    return {name: np.concatenate([part[name] for part in every]) for name in every[0]}


__all__ = ["birthday", "birthdays", "drawn", "features", "near", "number", "reach"]
