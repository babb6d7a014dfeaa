r"""The frame that moves with the linear denoiser's flow, in which Gaussian fields stand still.

With u = z / alpha and r = sigma / alpha the probability flow is du / dr = eps_hat (Song et al.
2021, arXiv 2011.13456; Song, Meng & Ermon 2021, arXiv 2010.02502). In every band of Fourier modes
the linear denoiser (`linear`) has eps_hat = sigma z + alpha (G z + h), with G and h functions of
theta and lambda, so its flow

    du / dlambda = -sigma / 2 ((sigma + alpha G) u + h)

is linear, and so is where it leads from any level to the highest one,

    w = F(theta, lambda) z / alpha + f(theta, lambda).

That is the frame. Of a Gaussian field, w is the same all along the flow, and its first value, a
linear map of the noise, is the field: a mode of variance v has F = sqrt(v / (v + r^2)). Of any
other field w has the power of the field at every level, and moves no further than the field is not
Gaussian. F and f follow from the trapezoidal rule on the knots of the linear denoiser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sbipipe.emulators.diffusion.denoiser import amplitudes
from sbipipe.emulators.diffusion.linear import LinearDenoiser, between


@dataclass(frozen=True)
class Frame:
    """The frame of a linear denoiser."""

    linear: LinearDenoiser

    def __call__(self, z: Tensor, level: float, terms: Tensor) -> Tensor:
        """w of z (n, C, *space) at one lambda, for polynomials T(s) (n, M)."""
        return self.along([z], [level], terms)[0]

    def along(self, z: Sequence[Tensor], levels: Sequence[float], terms: Tensor) -> list[Tensor]:
        """w at several levels, of each of which there is a z (n, C, *space)."""
        alone, which = np.unique(terms.double().cpu().numpy(), axis=0, return_inverse=True)
        maps = self._maps(levels, torch.from_numpy(alone))
        out = []
        for each, level, one in zip(z, levels, maps, strict=True):
            alpha, _ = amplitudes(torch.tensor([level], dtype=z[0].dtype, device=z[0].device), each)
            out.append(self.linear.bands.filter(each / alpha, one[which.ravel()].to(each)))
        return out

    def _maps(self, levels: Sequence[float], terms: Tensor) -> list[Tensor]:
        """(F, f) from each level, with shape (n, b, C, C + 1); linear in lambda between knots."""
        knots = self.linear.log_snr
        lower, share = between(knots, torch.tensor(levels, dtype=torch.float64))
        first = int(lower.min())
        steps = self._steps(first, terms)
        whole = torch.eye(steps.shape[-1], dtype=torch.float64)[:-1].expand(steps[0].shape)
        found = [whole]
        for step in steps.flip(0):
            shift = torch.zeros_like(whole)
            shift[..., -1] = whole[..., -1]
            whole = whole[..., :-1] @ step + shift
            found.append(whole)
        found.reverse()
        pairs = zip((lower - first).tolist(), share.tolist(), strict=True)
        return [torch.lerp(found[k], found[k + 1], part) for k, part in pairs]

    def _steps(self, first: int, terms: Tensor) -> Tensor:
        """(F, f) from every knot, beginning with this one, to the next: (K - 1, n, b, C, C + 1)."""
        level = self.linear.log_snr[first:].view(-1, 1, 1, 1, 1)
        alpha, sigma = torch.sigmoid(level).sqrt(), torch.sigmoid(-level).sqrt()
        gains = torch.einsum("kbcfm,nm->knbcf", self.linear.coefficients[first:], terms)
        one = torch.eye(gains.shape[3], dtype=torch.float64)
        own = -sigma / 2 * (sigma * one + alpha * gains[..., :-1])
        constant = -sigma / 2 * gains[..., -1:]
        half = float(self.linear.log_snr[1] - self.linear.log_snr[0]) / 2
        right = [one + half * own[:-1], half * (constant[:-1] + constant[1:])]
        steps: Tensor = torch.linalg.solve(one - half * own[1:], torch.cat(right, -1))
        return steps


__all__ = ["Frame"]
