r"""What is shown of a generator's latent space: two fields, and what lies between them.

Two latent vectors z_0 and z_1 of white noise span a plane, z = a z_0 + b z_1. It holds the linear
and the spherical path from one to the other, and the shortest path within it as the field measures
it (`geodesic`). Of the plane the power of the fields is told, against that of the field of z_0,

    Delta P = sum_k [log10 P_2(k) - log10 P_1(k)]

over the bands of wavenumber (Tamosiunas et al. 2021, arXiv:2004.10223). Each band counts for -3 at
least, as a field of no noise may have no power. Of the paths their length is told, and the Gaussian
curvature of the plane's image, a surface among all fields; of the ends, the eigenvalues of the
metric of the whole latent space.

Distances are between fields as the generator draws them, before the map of pixel values is undone:
that map is piecewise linear. Powers are of fields in the simulator's units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sbipipe.interfaces import Array, Fields
from sbipipe.latent.curvature import scalar
from sbipipe.latent.geodesic import geodesic
from sbipipe.latent.interpolation import linear, spherical
from sbipipe.latent.metric import Map, spectrum, steps
from sbipipe.physics.bands import Bands
from sbipipe.physics.taper import tapered
from sbipipe.protocols import HasLatents
from sbipipe.records import InputError
from sbipipe.seeds import stream

STEPS, SHOWN = 32, 7
"""Steps of a path, and fields that are shown of it."""

SIDE, REACH = 31, (-0.25, 1.25)
"""Points of the plane along each axis, and where they lie."""

LEAST = -3.0
"""What a band of wavenumber adds to Delta P, at least."""

LARGEST = 4096
"""Latents, or values of a field, of which either may have no more for the metric to be told."""

TOGETHER = 33
"""Fields that are drawn at once."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """A path of T steps through the plane.

    Attributes:
        place: The coordinates a and b of its points, with shape (T + 1, 2).
        fields: Some of its fields, evenly spaced, in the first channel, with shape (SHOWN, *space).
        steps: How far the field moves in each step, with shape (T,).
        curvature: The Gaussian curvature of the plane's image at each point, with shape (T + 1,);
            None where the generator does not bend.
    """

    place: Array
    fields: Array
    steps: Array
    curvature: Array | None

    @property
    def speed(self) -> Array:
        """The steps in units of their mean, with shape (T,)."""
        return np.asarray(self.steps / self.steps.mean())

    @property
    def length(self) -> float:
        """The sum of its steps."""
        return float(self.steps.sum())


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """Two fields of a generator, and what lies between them.

    Attributes:
        emulator: The emulator's name.
        theta: The parameters, by name.
        data: What it draws.
        latents: The length M of a latent vector.
        paths: The linear, the spherical and the shortest path, by name.
        apart: How far the two fields are from each other.
        axis: The coordinates of the points of the plane along each axis, with shape (A,).
        change: Delta P at each of them, with shape (A, A); the first index is that of a.
        eigenvalues: Those of the metric, falling, by where; none where it is too large.
    """

    emulator: str
    theta: Mapping[str, float]
    data: Fields
    latents: int
    paths: Mapping[str, Path]
    apart: float
    axis: Array
    change: Array
    eigenvalues: Mapping[str, Array]

    @property
    def directions(self) -> dict[str, float]:
        """How many directions of the latent space move the field, by where: the square of the sum
        of the eigenvalues over the sum of their squares."""
        return {
            where: float(one.sum() ** 2 / (one**2).sum()) for where, one in self.eigenvalues.items()
        }


def portrait(
    emulator: HasLatents, name: str, theta: Mapping[str, float], seed: int, *, curved: bool
) -> Portrait:
    """The portrait of an emulator.

    Args:
        name: The emulator's name.
        theta: One value of each parameter.
        seed: Of the two latent vectors.
        curved: Whether curvature is told.

    Raises:
        InputError: If it is to be told of a generator that does not bend.
    """
    if curved and not emulator.bends:
        raise InputError(
            f"emulate.{name}.config.activation: given relu, with which fields are piecewise linear "
            "in the latents and their curvature means nothing; allowed: activation: silu (or "
            "--no-curvature)"
        )
    at = np.array(list(theta.values()))
    noise = stream(seed, "latent", name).standard_normal((2, emulator.latents))
    ends = torch.from_numpy(noise)

    def draw(z: Tensor) -> Tensor:
        return torch.cat([emulator.values(part, at) for part in torch.split(z, TOGETHER)])

    def surface(place: Tensor) -> Tensor:
        return draw(place @ ends)

    paths = {key: _path(emulator, surface, place, curved) for key, place in _places(ends, surface)}
    axis = torch.linspace(*REACH, SIDE, dtype=ends.dtype)
    small = min(emulator.latents, math.prod(emulator.data.shape)) <= LARGEST
    places = {"first field": ends[0], "halfway, spherical": _halfway(ends), "last field": ends[1]}
    return Portrait(
        emulator=name,
        theta=dict(theta),
        data=emulator.data,
        latents=emulator.latents,
        paths=paths,
        apart=float(steps(draw, ends)),
        axis=axis.numpy(),
        change=_change(emulator, surface, axis),
        eigenvalues={key: spectrum(draw, z).numpy() for key, z in places.items() if small},
    )


def _halfway(ends: Tensor) -> Tensor:
    return spherical(ends[0], ends[1], torch.tensor([0.5], dtype=ends.dtype))[0]


def _places(ends: Tensor, surface: Map) -> list[tuple[str, Tensor]]:
    """The paths in the coordinates of the plane."""
    t = torch.linspace(0, 1, STEPS + 1, dtype=ends.dtype)
    corner = torch.eye(2, dtype=ends.dtype)
    straight = linear(corner[0], corner[1], t)
    arc = torch.linalg.lstsq(ends.T, spherical(ends[0], ends[1], t).T).solution.T
    return [("linear", straight), ("spherical", arc), ("shortest", geodesic(surface, straight))]


def _path(emulator: HasLatents, surface: Map, place: Tensor, curved: bool) -> Path:
    values = surface(place)
    shown = np.linspace(0, STEPS, SHOWN).round().astype(int)
    return Path(
        place=place.numpy(),
        fields=emulator.fields(values[shown])[:, 0],
        steps=values.diff(dim=0).norm(dim=1).numpy(),
        curvature=scalar(surface, place).numpy() / 2 if curved else None,
    )


def _change(emulator: HasLatents, surface: Map, axis: Tensor) -> Array:
    """Delta P over the plane, of the first channel."""
    with torch.no_grad():
        first = surface(torch.tensor([[1.0, 0.0]], dtype=axis.dtype))
        rows = [surface(torch.cartesian_prod(a[None], axis)) for a in axis]
    own = _power(emulator, first)
    ratios = [np.maximum(_power(emulator, row) / own, 10**LEAST) for row in rows]
    return np.stack([np.log10(ratio).sum(1) for ratio in ratios])


def _power(emulator: HasLatents, values: Tensor) -> Array:
    """The sum of the power in each band but that of k = 0, (n, b)."""
    bands = Bands(emulator.data.geometry.pixels)
    fields = torch.from_numpy(tapered(emulator.fields(values)[:, :1], emulator.data.geometry))
    return np.asarray(bands.moments(fields)[:, 1:, 0, 0].numpy())


__all__ = ["Path", "Portrait", "portrait"]
