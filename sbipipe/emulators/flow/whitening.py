r"""A Gaussian field whose power is a function of the parameters, in closed form.

In the orthonormal Fourier transform, let Y_ck be mode k of channel c, and f the channels before c
and the constant field, which lives in the mode k = 0 alone. Band by band (`physics.bands`),

    W_ck = exp(-a_c / 2) (Y_ck - sum_f r_cf F_fk)

is white noise: the modified Cholesky decomposition of the inverse of the channels' covariance
(Pourahmadi 1999). a and r are polynomials in theta, so the power of one channel is
exp(polynomial). With n modes in a band,

    -2 log p(y | theta) = sum_{b, c} [n a_c + exp(-a_c) q_c] + N log 2 pi,
    q_c = sum_k |Y_ck - sum_f r_cf F_fk|^2,

Whittle's likelihood (1953), exact for a periodic Gaussian field. It is convex in a given r, and in
r given a: Fisher's scoring and weighted least squares take turns. With one channel that is one
convex problem in each band but that of k = 0, which has a mean besides. Whitening undone, it draws.
It is the first layer of TRENF (Dai & Seljak 2022, arXiv 2202.05282).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sbipipe.learning.chebyshev import Basis
from sbipipe.physics.bands import Bands, bands_of

FLOOR = 1e-8
"""Variance of white noise in the fields that are fitted, whose own is about one: a mode that is
always zero has that power, whatever theta."""

_RIDGE = 1e-10
_CHUNK = 2048
_TURNS, _SCORINGS = 20, 100
_SETTLED = 1e-10
"""Nats per mode that a turn gains where the fit ends."""


@dataclass(frozen=True, kw_only=True)
class Whitening:
    """The fitted Gaussian field, of C channels in b bands.

    Attributes:
        bands: Of the grid.
        basis: Of the parameters.
        log_power: a, with shape (b, C, M), in float64.
        pull: r, with shape (b, C, C + 1, M), in float64; zero but for channels before, and for the
            constant field in the first band.
    """

    bands: Bands
    basis: Basis
    log_power: Tensor
    pull: Tensor

    @property
    def channels(self) -> int:
        """C."""
        return self.log_power.shape[1]

    def log_scale(self, s: Tensor) -> Tensor:
        """a at parameters s (n, D), with shape (n, b, C), in float64."""
        terms = self.basis(s.double())
        return torch.einsum("bcm,nm->nbc", self.log_power.to(s.device), terms)

    def gains(self, s: Tensor) -> Tensor:
        """What makes W of Y (`Bands.filter`), at parameters s (n, D), (n, b, C, C + 1)."""
        terms = self.basis(s.double())
        pull = torch.einsum("bcfm,nm->nbcf", self.pull.to(s.device), terms)
        own = torch.eye(self.channels, self.channels + 1, dtype=pull.dtype, device=s.device)
        return torch.exp(-self.log_scale(s) / 2)[..., None] * (own - pull)

    def whiten(self, y: Tensor, s: Tensor) -> Tensor:
        """White fields w, with the shape of y, (n, C, *space), at parameters s (n, D)."""
        return self.bands.filter(y, self.gains(s).to(y.dtype))

    def colour(self, w: Tensor, s: Tensor) -> Tensor:
        """y for w."""
        gains = self.gains(s)
        back = torch.linalg.inv(gains[..., :-1])
        mean = -back @ gains[..., -1:]
        return self.bands.filter(w, torch.cat([back, mean], -1).to(w.dtype))

    def log_det(self, s: Tensor) -> Tensor:
        """log |dw/dy| at parameters s (n, D), with shape (n,)."""
        modes = torch.from_numpy(self.bands.modes).to(s.device)
        return -torch.einsum("b,nbc->n", modes, self.log_scale(s)) / 2

    def log_prob(self, moments: Tensor, s: Tensor) -> Tensor:
        """log p(y | theta) in nats, in float64.

        Args:
            moments: Of the fields (`Bands.moments`), with shape (B, b, C + 1, C + 1).
            s: Parameters, with shape (P, D), all of them for every field.

        Returns:
            (B, P).
        """
        gains = self.gains(s)
        form = torch.einsum("pbcf,pbcg->pbfg", gains, gains).flatten(1)
        return self.log_det(s) - moments.to(s.device).flatten(1) @ form.T / 2 + self._normal

    def log_prob_each(self, moments: Tensor, s: Tensor) -> Tensor:
        """The same for one s (B, D) of each field, with shape (B,)."""
        gains = self.gains(s)
        squares = torch.einsum("nbcf,nbcg,nbfg->n", gains, gains, moments.to(s.device))
        return self.log_det(s) - squares / 2 + self._normal

    @property
    def _normal(self) -> float:
        return -self.bands.pixels * self.channels / 2 * float(np.log(2 * np.pi))


def fit_whitening(y: Tensor, s: Tensor, degree: int, *, periodic: bool = True) -> Whitening:
    """The likeliest Gaussian field for rows y (N, C, *space) at parameters s (N, D)."""
    bands, basis = bands_of(y.shape[1:], periodic=periodic), Basis(s.shape[1], degree)
    moments = torch.cat([bands.moments(part) for part in torch.split(y, _CHUNK)])
    channels = y.shape[1]
    modes, terms = torch.from_numpy(bands.modes), basis(s.double())
    noise = FLOOR * torch.eye(channels + 1, dtype=torch.float64)
    noise[-1, -1] = 0
    moments = moments + modes[:, None, None] * noise
    log_power = torch.zeros(len(bands), channels, len(basis), dtype=torch.float64)
    pull = torch.zeros(len(bands), channels, channels + 1, len(basis), dtype=torch.float64)
    for band in range(len(bands)):
        for channel in range(channels):
            before = [*range(channel), *([channels] if band == 0 else [])]
            a, r = _regress(moments[:, band], channel, before, float(modes[band]), terms)
            log_power[band, channel], pull[band, channel, before] = a, r
    return Whitening(bands=bands, basis=basis, log_power=log_power, pull=pull)


def _regress(
    moments: Tensor, channel: int, before: list[int], modes: float, terms: Tensor
) -> tuple[Tensor, Tensor]:
    """a (M,) and r (len(before), M) of one channel in one band."""
    a = torch.zeros(terms.shape[1], dtype=torch.float64)
    r = torch.zeros(len(before), terms.shape[1], dtype=torch.float64)
    loss = np.inf
    for turn in range(_TURNS):
        if before:
            r = _pulled(moments, channel, before, torch.exp(-terms @ a), terms)
        left = _left(moments, channel, before, terms @ r.T)
        a = _scored(left / modes, terms, None if turn == 0 else a)
        fitted = terms @ a
        new = float((fitted + torch.exp(-fitted) * left / modes).mean())
        if not before or loss - new < _SETTLED:
            break
        loss = new
    return a, r


def _left(moments: Tensor, channel: int, before: list[int], r: Tensor) -> Tensor:
    """q of each field, for its own r (N, len(before)), with shape (N,)."""
    across = moments[:, channel, before]
    within = moments[:, before][:, :, before]
    left = moments[:, channel, channel] - 2 * (r * across).sum(1)
    return (left + torch.einsum("nf,nfg,ng->n", r, within, r)).clamp_min(1e-300)


def _pulled(
    moments: Tensor, channel: int, before: list[int], weight: Tensor, terms: Tensor
) -> Tensor:
    """Weighted least squares for r, with shape (len(before), M)."""
    count, width = len(before), terms.shape[1]
    left = torch.zeros(count, width, count, width, dtype=torch.float64)
    right = torch.zeros(count, width, dtype=torch.float64)
    for i, f in enumerate(before):
        right[i] = (weight * moments[:, channel, f]) @ terms
        for j, g in enumerate(before):
            left[i, :, j] = (terms * (weight * moments[:, f, g])[:, None]).T @ terms
    matrix = left.flatten(2).flatten(0, 1)
    matrix = matrix + _RIDGE * torch.diag(matrix.diagonal() + matrix.diagonal().mean())
    found: Tensor = torch.linalg.solve(matrix, right.flatten())
    return found.view(count, width)


def _scored(ratio: Tensor, terms: Tensor, start: Tensor | None) -> Tensor:
    """The a (M,) that minimises the mean of a . T + exp(-a . T) ratio, by Fisher's scoring with
    halved steps.

    Args:
        ratio: q / n of each field, with shape (N,).
        start: Where to begin; by default the least squares for log(ratio), which is shifted alone.
    """
    matrix = terms.T @ terms / len(terms)
    matrix = matrix + _RIDGE * torch.eye(len(matrix), dtype=matrix.dtype)
    factor = torch.linalg.cholesky(matrix)

    def solved(right: Tensor) -> Tensor:
        return torch.cholesky_solve(right[:, None], factor)[:, 0]

    def loss(at: Tensor) -> float:
        fitted = terms @ at
        return float((fitted + torch.exp(-fitted) * ratio).mean())

    a = solved(terms.T @ torch.log(ratio) / len(terms)) if start is None else start
    if start is None:
        a[0] = a[0] + torch.log((torch.exp(-terms @ a) * ratio).mean())
    reached = loss(a)
    for _ in range(_SCORINGS):
        step = solved(terms.T @ (torch.exp(-terms @ a) * ratio - 1) / len(terms))
        size = 1.0
        while (new := loss(a + size * step)) > reached and size > 1e-6:
            size /= 2
        if new >= reached - _SETTLED / 100:
            break
        a, reached = a + size * step, new
    return a


__all__ = ["FLOOR", "Whitening", "fit_whitening"]
