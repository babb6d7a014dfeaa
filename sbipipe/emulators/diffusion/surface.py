r"""Log-likelihood surfaces of whole sets of fields.

The bound of a field as a function of the parameters is one polynomial (`chebyshev`). Its linear
part is exact; what the network adds is a sum over levels of squares that depend on the noise drawn.
The noise is common to all theta, so differences between parameters, which are all that a posterior
knows of, have far smaller errors than the bound itself; their scatter between draws is carried
along.

The noise of a field follows from the field: the seed of each draw is a hash of its name, which is
itself a hash of its pixels. So a field has one surface, whatever is scored beside it, and fields
that differ have independent errors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sbipipe.emulators.diffusion.linear import Model
from sbipipe.emulators.diffusion.schedule import Density, Levels
from sbipipe.interfaces import Array, Mask
from sbipipe.learning.chebyshev import Basis
from sbipipe.seeds import number, stream

CHUNK = 256
"""Fields that go through the network at once."""

_LEAST = 16
"""Parameters that stand for a posterior, at least."""


@dataclass(frozen=True)
class Surfaces:
    """Minus the bounds of B fields, up to a constant each.

    Args:
        basis: Of the polynomials.
        draws: Their coefficients, for each draw of the noise, with shape (draws, B, M').
    """

    basis: Basis
    draws: Tensor

    @property
    def coefficients(self) -> Array:
        """Means over the draws, with shape (B, M')."""
        return np.asarray(self.draws.mean(0).numpy())

    def gradient(self, s: Tensor) -> Array:
        """Of each log-likelihood in s, at parameters s (B, D), with shape (B, D)."""
        slopes = self.basis.gradient(s.double())
        return np.asarray(torch.einsum("bm,bmd->bd", self.draws.mean(0), slopes).numpy())

    def standard_error(self, s: Tensor, reference: Tensor) -> Array:
        """Of the difference of log-likelihood between parameters s and reference (B, D), from the
        noise, with shape (B,); at least two draws."""
        difference = self.basis(s.double()) - self.basis(reference.double())
        values = (self.draws * difference).sum(-1)
        return np.asarray(values.std(0).numpy() / len(self.draws) ** 0.5)

    def error(self, s: Tensor) -> Array:
        """The same between two parameters drawn from each field's posterior, in quadratic mean,
        with shape (B,): sqrt(2) times the scatter over it of the error of the surface.

        Args:
            s: Parameters drawn from the prior, with shape (P, D). Where fewer than `_LEAST` of them
                have weight, the surface is flattened until so many have, which enlarges the error.
        """
        terms = self.basis(s.double())
        weights = _weights(self.draws.mean(0) @ terms.T)
        away = (self.draws - self.draws.mean(0)) @ terms.T
        middle = (away * weights).sum(-1, keepdim=True)
        scatter = ((away - middle).square() * weights).sum(-1).sum(0)
        count = len(self.draws)
        return np.asarray((2 * scatter / (count * (count - 1))).sqrt().numpy())

    def of(self, which: Mask) -> Surfaces:
        """Those of these fields."""
        return Surfaces(self.basis, self.draws[:, torch.from_numpy(which)])

    def joined(self, more: Surfaces) -> Surfaces:
        """With more draws of the same fields."""
        return Surfaces(self.basis, torch.cat([self.draws, more.draws]))


def _weights(log_likelihood: Tensor) -> Tensor:
    """Of parameters under posteriors (B, P), flattened where few parameters have any."""
    flat = torch.ones(len(log_likelihood), 1, dtype=log_likelihood.dtype)
    for _ in range(40):
        weights = torch.softmax(log_likelihood / flat, -1)
        few = weights.square().sum(-1, keepdim=True) > 1 / _LEAST
        if not few.any():
            break
        flat = torch.where(few, flat * 1.5, flat)
    return weights


def surfaces(
    model: Model, fields: Tensor, choose: Callable[[int], Levels], draws: Iterable[int],
    names: Sequence[str], seed: int, device: str = "cpu", whole: bool = True,
) -> Surfaces:  # fmt: skip
    """Surfaces of fields (B, C, *space).

    Args:
        choose: The levels of each draw.
        draws: The numbers of the draws of noise and levels.
        names: The name of each field, from which its noise follows.
        seed: Of the noise.
        whole: Whether the levels stand for all of them; then the linear part is integrated.
    """
    moments = model.linear.bands.moments(fields)
    parts: list[Tensor] = []
    for draw in draws:
        levels = choose(draw)
        seeds = [number(seed, "noise", draw, name) for name in names]
        rest = rest_forms(model, fields, levels, seeds, device).sum(0)
        chosen = model.linear.quadrature if whole else (
            torch.from_numpy(levels.log_snr), torch.from_numpy(levels.weight)
        )  # fmt: skip
        if not parts or not whole:
            linear = model.linear.form(moments, *chosen)
        parts.append(-(linear + rest))
    return Surfaces(model.linear.basis.squared, torch.stack(parts))


def field_names(fields: Array) -> list[str]:
    """A hash of each of the fields (B, ...), in single precision."""
    rows = np.ascontiguousarray(fields, np.float32)
    return [hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest() for row in rows]


def rest_forms(
    model: Model, fields: Tensor, levels: Levels, seeds: Sequence[int], device: str
) -> Tensor:
    """What the rest adds at each level, with shape (L, B, M'), from a seed of noise for each of
    the fields (B, C, *space)."""
    if not len(levels.log_snr) or not len(fields):
        shape = (len(levels.log_snr), len(fields), len(model.linear.basis.squared))
        return torch.zeros(shape, dtype=torch.float64)
    parts = []
    for start in range(0, len(fields), CHUNK):
        x = fields[start : start + CHUNK]
        noise = [torch.Generator().manual_seed(s) for s in seeds[start : start + CHUNK]]
        forms = []
        for log_snr, weight in zip(levels.log_snr, levels.weight, strict=True):
            eps = torch.stack([torch.randn(x.shape[1:], generator=own) for own in noise])
            form = model.rest_form(x.to(device), eps.to(device), float(log_snr), float(weight))
            forms.append(form.cpu().double())
        parts.append(torch.stack(forms))
    return torch.cat(parts, 1)


def informative(
    model: Model, fields: Tensor, start: Density, count: int, seed: int, device: str
) -> Density:
    """Where levels should be drawn: in proportion to the noise of the surface's differences there,
    which makes their sum least noisy.

    Args:
        fields: A few, with shape (n, C, *space).
        start: Density of `count` trial levels.
    """
    ends = start.quantile(np.linspace(0, 1, count + 1))
    middle = (ends[1:] + ends[:-1]) / 2
    trial = Levels(middle, np.ones(count))
    first, second = (
        rest_forms(
            model,
            fields,
            trial,
            [number(seed, "trial", draw, row) for row in range(len(fields))],
            device,
        )
        for draw in (0, 1)
    )
    basis = model.linear.basis.squared
    points = stream(seed, "trial points").uniform(-1, 1, (32, basis.dimensions))
    values = (first - second) @ basis(torch.from_numpy(points)).T
    noise = values.std(-1).square().mean(1).sqrt().numpy()
    widths = np.diff(ends)
    share = noise * widths
    even = widths / widths.sum()
    return Density(ends, 0.9 * share / max(share.sum(), 1e-300) + 0.1 * even)


__all__ = ["CHUNK", "Surfaces", "field_names", "informative", "rest_forms", "surfaces"]
