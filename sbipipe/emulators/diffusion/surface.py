r"""Log-likelihood surfaces of whole sets of fields.

The bound of a field as a function of the parameters is one polynomial (`chebyshev`). Its linear
part is exact; what the network adds is a sum over levels of squares that depend on the noise drawn.
The noise is common to all theta, so differences between parameters, which are all that a posterior
knows of, have far smaller errors than the bound itself; their scatter between draws is carried
along.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sbipipe.emulators.diffusion.linear import Model
from sbipipe.emulators.diffusion.schedule import Density, Levels
from sbipipe.interfaces import Array
from sbipipe.learning.chebyshev import Basis
from sbipipe.seeds import number, stream

CHUNK = 256
"""Fields that go through the network at once."""


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


def surfaces(
    model: Model, fields: Tensor, choose: Callable[[int], Levels], draws: int, seed: int,
    device: str = "cpu", whole: bool = True,
) -> Surfaces:  # fmt: skip
    """Surfaces of fields (B, C, *space).

    Args:
        choose: The levels of each draw.
        draws: Of noise and levels.
        seed: Of the noise.
        whole: Whether the levels stand for all of them; then the linear part is integrated.
    """
    moments = model.linear.bands.moments(fields)
    parts = []
    for draw in range(draws):
        levels = choose(draw)
        rest = rest_forms(model, fields, levels, number(seed, "noise", draw), device).sum(0)
        chosen = model.linear.quadrature if whole else (
            torch.from_numpy(levels.log_snr), torch.from_numpy(levels.weight)
        )  # fmt: skip
        if draw == 0 or not whole:
            linear = model.linear.form(moments, *chosen)
        parts.append(-(linear + rest))
    return Surfaces(model.linear.basis.squared, torch.stack(parts))


def rest_forms(model: Model, fields: Tensor, levels: Levels, seed: int, device: str) -> Tensor:
    """What the rest adds at each level, with shape (L, B, M')."""
    generator = torch.Generator().manual_seed(seed)
    out = []
    for log_snr, weight in zip(levels.log_snr, levels.weight, strict=True):
        parts = []
        for start in range(0, len(fields), CHUNK):
            x = fields[start : start + CHUNK]
            eps = torch.randn(x.shape, generator=generator)
            form = model.rest_form(x.to(device), eps.to(device), float(log_snr), float(weight))
            parts.append(form.cpu())
        out.append(torch.cat(parts))
    if not out:
        return torch.zeros(0, len(fields), len(model.linear.basis.squared), dtype=torch.float64)
    return torch.stack(out)


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
        rest_forms(model, fields, trial, number(seed, "trial", draw), device) for draw in (0, 1)
    )
    basis = model.linear.basis.squared
    points = stream(seed, "trial points").uniform(-1, 1, (32, basis.dimensions))
    values = (first - second) @ basis(torch.from_numpy(points)).T
    noise = values.std(-1).square().mean(1).sqrt().numpy()
    widths = np.diff(ends)
    share = noise * widths
    even = widths / widths.sum()
    return Density(ends, 0.9 * share / max(share.sum(), 1e-300) + 0.1 * even)


__all__ = ["CHUNK", "Surfaces", "informative", "rest_forms", "surfaces"]
