r"""The best denoiser among isotropic linear ones, in closed form.

Let f = (z_1, ..., z_C, 1) hold the channels of the noised field and the constant one. Band by band
of Fourier modes, every output channel is a sum of them,

    eps_hat_c = sigma z_c + alpha sum_f g_cf(theta, lambda) f,     g_cf = sum_m a_cfm T_m(s),

with g linear in Chebyshev polynomials of the parameters. What g has to predict is
y = (eps - sigma z) / alpha = alpha eps - sigma x. Given x, the expectations over the noise are
known: with S_ff' the sum of f conj(f') over the n modes of a band without noise, D = diag(alpha,
..., alpha, 1) and J = diag(1, ..., 1, 0),

    E[f f'^T] = D S D + sigma^2 n J,         E[y_c f] = alpha sigma n e_c - sigma D S_{:, c},

so least squares over the training fields has normal equations without Monte Carlo noise, and so has
the bound of this denoiser: one field's share at one level, for theta's polynomials T, is

    E |eps - eps_hat|^2 = const + alpha^2 sum_{b, c} (g_c^T E[f f^T] g_c - 2 g_c^T E[y_c f]),

a quadratic form in T. Gaussian fields need nothing more.

Levels are `LEVELS` knots in lambda; between them coefficients are interpolated linearly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sbipipe.emulators.diffusion.denoiser import amplitudes
from sbipipe.learning.chebyshev import Basis
from sbipipe.physics.bands import Bands, bands_of

LEVELS = 128
_RIDGE = 1e-9
_CHUNK = 2048


@dataclass(frozen=True, kw_only=True)
class LinearDenoiser:
    """Coefficients of the closed form.

    Attributes:
        bands: Of the grid.
        basis: Of the parameters.
        log_snr: Knots, rising, with shape (K,).
        coefficients: a, with shape (K, b, C, C + 1, M), in float64.
    """

    bands: Bands
    basis: Basis
    log_snr: Tensor
    coefficients: Tensor

    def __call__(self, z: Tensor, log_snr: Tensor, s: Tensor) -> Tensor:
        """eps_hat, (n, C, *space)."""
        return self.apply(z, log_snr, self.basis(s.double()))

    def apply(self, z: Tensor, log_snr: Tensor, terms: Tensor) -> Tensor:
        """eps_hat for polynomials T(s) with shape (n, M)."""
        alpha, sigma = amplitudes(log_snr, z)
        gains = torch.einsum("nbcfm,nm->nbcf", self.at(log_snr), terms)
        return sigma * z + alpha * self.bands.filter(z, gains.to(z.dtype))

    @property
    def drawing(self) -> tuple[float, float]:
        """The range of levels from which fields are drawn. It is shorter than `reach` at both ends:
        at its low one the strongest mode may stand out by 1e-3, and at its high one a pixel, not
        the field, is known but for 1 %."""
        low, high = self.log_snr[[0, -1]].tolist()
        pixels = self.bands.pixels * self.coefficients.shape[2]
        return low + np.log(10), high - np.log(pixels)

    def at(self, log_snr: Tensor) -> Tensor:
        """Coefficients between the knots, (n,) -> (n, b, C, C + 1, M)."""
        knots, table = self.log_snr.to(log_snr.device), self.coefficients.to(log_snr.device)
        lower, share = between(knots, log_snr.double())
        return torch.lerp(table[lower], table[lower + 1], share.view(-1, *(1,) * (table.ndim - 1)))

    def form(self, moments: Tensor, log_snr: Tensor, weight: Tensor) -> Tensor:
        """The bound's polynomial, without Monte Carlo noise.

        Args:
            moments: Of the fields (`Bands.moments`), with shape (B, b, C + 1, C + 1).
            log_snr: Levels, with shape (L,).
            weight: Of |eps - eps_hat|^2 / 2 at each of them, with shape (L,).

        Returns:
            Coefficients in `basis.squared`, with shape (B, M'), in nats, up to a constant.
        """
        slope, offset = self._kernel(log_snr.double(), weight.double())
        return moments.flatten(1) @ slope.flatten(0, 2) + offset

    def _kernel(self, log_snr: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """`form` as a linear function of the moments: slope (b, F, F, M') and offset (M',)."""
        a = self.at(log_snr)  # (L, b, C, F, M)
        channels = a.shape[2]
        alpha, sigma = torch.sigmoid(log_snr).sqrt(), torch.sigmoid(-log_snr).sqrt()
        scaled = a.clone()
        scaled[:, :, :, :-1] *= alpha.view(-1, 1, 1, 1, 1)
        share = weight * alpha**2
        modes = torch.from_numpy(self.bands.modes)
        form, line = self.basis.of_form, self.basis.of_line
        slope = form(torch.einsum("l,lbcfp,lbcgq->bfgpq", share / 2, scaled, scaled))
        slope[:, :-1] += line(torch.einsum("l,lbcfp->bcfp", share * sigma, scaled))
        noisy = a[:, :, :, :-1]
        white = torch.einsum("l,b,lbcfp,lbcfq->pq", share / 2 * sigma**2, modes, noisy, noisy)
        own = noisy[:, :, range(channels), range(channels)]
        target = torch.einsum("l,b,lbcp->p", share * alpha * sigma, modes, own)
        return slope, form(white) - line(target)

    def nats(self, moments: Tensor, s: Tensor) -> Tensor:
        """The whole bound on -log p of this denoiser, expectation over the noise included.

        Args:
            moments: Of the fields, with shape (B, b, C + 1, C + 1).
            s: Parameters, with shape (B, D).

        Returns:
            (B,), in nats.
        """
        terms = self.basis.squared(s.double())
        low, high = self.log_snr[0], self.log_snr[-1]
        flow = (self.form(moments, *self.quadrature) * terms).sum(1)
        flow = flow + self._constant(moments, *self.quadrature)
        last = high[None], torch.ones(1, dtype=torch.float64)
        end = (self.form(moments, *last) * terms).sum(1) + self._constant(moments, *last)
        pixels = self.bands.pixels * (moments.shape[-1] - 1)
        decoder = pixels / 2 * (float(np.log(2 * np.pi)) - high)
        alpha2, sigma2 = torch.sigmoid(low), torch.sigmoid(-low)
        start = alpha2 * _power(moments) + pixels * (sigma2 - 1 - torch.log(sigma2))
        return flow + end + decoder + start / 2

    @property
    def quadrature(self) -> tuple[Tensor, Tensor]:
        """The knots, and their weights in the trapezoidal rule, each with shape (K,)."""
        step = self.log_snr[1] - self.log_snr[0]
        weight = step.repeat(len(self.log_snr))
        weight[[0, -1]] = step / 2
        return self.log_snr, weight

    def unexplained(self, moments: Tensor, s: Tensor) -> Tensor:
        """E |eps - eps_hat|^2 per pixel at every knot, mean over the fields, with shape (K,)."""
        terms = self.basis.squared(s.double())
        pixels = self.bands.pixels * (moments.shape[-1] - 1)
        out = []
        for level in self.log_snr:
            two = level[None], 2 * torch.ones(1, dtype=torch.float64)
            square = (self.form(moments, *two) * terms).sum(1) + self._constant(moments, *two)
            out.append(square.mean() / pixels)
        return torch.stack(out)

    def _constant(self, moments: Tensor, log_snr: Tensor, weight: Tensor) -> Tensor:
        """What `form` leaves out: weighted sums of alpha^2 E |y|^2 / 2, with shape (B,)."""
        alpha2, sigma2 = torch.sigmoid(log_snr), torch.sigmoid(-log_snr)
        pixels = self.bands.pixels * (moments.shape[-1] - 1)
        white = (weight * alpha2**2).sum() * pixels
        return (white + (weight * alpha2 * sigma2).sum() * _power(moments)) / 2


def between(knots: Tensor, log_snr: Tensor) -> tuple[Tensor, Tensor]:
    """The knot (of equidistant ones) below each level, and the share of the one above, each with
    shape (n,); levels beyond the ends are at the ends."""
    step = knots[1] - knots[0]
    place = ((log_snr - knots[0]) / step).clamp(0, len(knots) - 1)
    lower = place.floor().clamp(max=len(knots) - 2).long()
    return lower, place - lower


class Model(nn.Module, ABC):
    """A denoiser made of the linear one and a rest.

    Args:
        linear: The closed form.
    """

    def __init__(self, linear: LinearDenoiser) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, z: Tensor, log_snr: Tensor, s: Tensor) -> Tensor:
        """eps_hat, (n, C, *space), at parameters s (n, D)."""
        return self.guess(z, log_snr, self.linear.basis(s.double()))

    @abstractmethod
    def guess(self, z: Tensor, log_snr: Tensor, terms: Tensor) -> Tensor:
        """eps_hat for polynomials T(s) with shape (n, M)."""

    @abstractmethod
    def begin_from(self, coarser: Any) -> None:
        """Take over what the same kind of model learned on coarser fields."""

    @abstractmethod
    def rest_form(self, x: Tensor, eps: Tensor, log_snr: float, weight: float) -> Tensor:
        """What the rest adds to the bound at one level, as a polynomial in theta.

        Args:
            x, eps: Fields and noise, with shape (n, C, *space).
            log_snr: The level.
            weight: Of |eps - eps_hat|^2 / 2.

        Returns:
            Coefficients in `linear.basis.squared`, with shape (n, M'), in nats.
        """


class LinearModel(Model):
    """The linear denoiser alone: a model with nothing to train."""

    def guess(self, z: Tensor, log_snr: Tensor, terms: Tensor) -> Tensor:
        """eps_hat for polynomials T(s) with shape (n, M)."""
        return self.linear.apply(z, log_snr, terms.double())

    def begin_from(self, coarser: LinearModel) -> None:
        """Nothing was learned."""

    def rest_form(self, x: Tensor, eps: Tensor, log_snr: float, weight: float) -> Tensor:
        """Nothing, for each of n fields."""
        return torch.zeros(len(x), len(self.linear.basis.squared), dtype=torch.float64)


def _power(moments: Tensor) -> Tensor:
    """|x|^2 of each field, with shape (B,)."""
    return moments.diagonal(dim1=-2, dim2=-1)[..., :-1].sum((1, 2))


def fit_linear(
    fields: Tensor,
    s: Tensor,
    basis: Basis,
    log_snr: Tensor | None = None,
    *,
    periodic: bool = True,
) -> LinearDenoiser:
    """Least squares over fields (N, C, *space) with parameters s (N, D), knot by knot.

    Args:
        fields, s: With what it is fitted.
        basis: Of the parameters.
        log_snr: Knots; by default `LEVELS` of them, over the range where the fields hold
            information.
        periodic: Whether opposite sides of fields meet.
    """
    bands = bands_of(fields.shape[1:], periodic=periodic)
    if log_snr is None:
        log_snr = torch.linspace(*_reach(fields, bands), LEVELS, dtype=torch.float64)
    first, second = _sums(fields, basis(s.double()), bands)
    solved = [_solve(first, second, bands, level) for level in log_snr.double()]
    return LinearDenoiser(
        bands=bands, basis=basis, log_snr=log_snr.double(), coefficients=torch.stack(solved)
    )


def _sums(fields: Tensor, terms: Tensor, bands: Bands) -> tuple[Tensor, Tensor]:
    """Over the fields: S T_p T_q (b, F, F, M, M) and, as if n J were S, T_p T_q (M, M) with T_p
    in its first row's place (the constant term is T_0 = 1)."""
    outer = terms.new_zeros(terms.shape[1], terms.shape[1])
    total: Tensor | None = None
    for start in range(0, len(fields), _CHUNK):
        rows = slice(start, start + _CHUNK)
        pairs = (terms[rows, :, None] * terms[rows, None]).flatten(1)
        moments = bands.moments(fields[rows])
        part = (moments.flatten(1).T @ pairs).view(*moments.shape[1:], *outer.shape)
        total = part if total is None else total + part
        outer += pairs.sum(0).view_as(outer)
    assert total is not None
    return total, outer


def _solve(first: Tensor, second: Tensor, bands: Bands, level: Tensor) -> Tensor:
    """a (b, C, F, M) at one level. E[.] is linear in S, so the sums may stand in its place."""
    features, terms = first.shape[1], first.shape[-1]
    alpha, sigma = torch.sigmoid(level).sqrt(), torch.sigmoid(-level).sqrt()
    noisy = torch.ones(features, dtype=first.dtype)
    noisy[-1] = 0
    scale = torch.where(noisy > 0, alpha, torch.ones_like(alpha))
    modes = torch.from_numpy(bands.modes)
    gram = first * (scale[:, None] * scale)[..., None, None]
    gram = gram + torch.einsum("b,fg,pq->bfgpq", sigma**2 * modes, torch.diag(noisy), second)
    target = -sigma * first[:, :-1, :, :, 0] * scale[:, None]
    unit = torch.eye(features, dtype=first.dtype)[:-1]
    target = target + torch.einsum("b,cf,p->bcfp", alpha * sigma * modes, unit, second[:, 0])
    matrix = gram.permute(0, 1, 3, 2, 4).reshape(len(modes), features * terms, -1)
    ridge = _RIDGE * matrix.diagonal(dim1=1, dim2=2).mean(1)
    matrix = matrix + ridge[:, None, None] * torch.eye(matrix.shape[-1], dtype=first.dtype)
    solution: Tensor = torch.linalg.solve(matrix, target.reshape(len(modes), features - 1, -1).mT)
    return solution.mT.reshape(len(modes), features - 1, features, terms)


def _reach(fields: Tensor, bands: Bands) -> tuple[float, float]:
    """The range of log signal-to-noise outside which these fields hold no information.

    Below, even the strongest mode is drowned (alpha^2 times its power is below 1e-4); above, the
    noise is small beside the weakest: what is left of all pixels' information is about 1 %.
    """
    moments = bands.moments(fields[: 4 * _CHUNK])
    diagonal = moments.diagonal(dim1=-2, dim2=-1)[..., :-1]
    power = diagonal / torch.from_numpy(bands.modes)[:, None]
    strongest = float(power.mean(0).max())
    weakest = float(power[:, 1:].quantile(0.01, dim=0).min())
    pixels = bands.pixels * fields.shape[1]
    return -float(np.log(strongest)) - 9.2, float(np.log(pixels / weakest)) + 4.6


__all__ = ["LEVELS", "LinearDenoiser", "LinearModel", "Model", "between", "fit_linear"]
