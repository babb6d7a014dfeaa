"""A denoiser whose parameters enter every block of its network.

    eps_hat(z, lambda, theta) = eps_lin(z, lambda, theta) + alpha U(z, lambda, theta),

with the best linear denoiser eps_lin (`linear`) and a network U. The reference: nothing is assumed
about how theta enters, and every theta takes a pass of the network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sbipipe.emulators.diffusion.denoiser import add_noise, amplitudes
from sbipipe.emulators.diffusion.linear import LinearDenoiser, Model
from sbipipe.learning.chebyshev import from_values

TOGETHER = 256
"""Fields that go through the network at once."""


class Film(Model):
    """The denoiser.

    Args:
        linear: Its linear part.
        network: `(z, log_snr, s) -> (n, C, *space)`.
    """

    def __init__(self, linear: LinearDenoiser, network: nn.Module) -> None:
        super().__init__(linear)
        self.network = network

    def guess(self, z: Tensor, log_snr: Tensor, terms: Tensor) -> Tensor:
        """eps_hat for polynomials T(s) with shape (n, M)."""
        s = self.linear.basis.coordinates(terms)
        return self.linear.apply(z, log_snr, terms.double()) + self.rest(z, log_snr, s)

    def rest(self, z: Tensor, log_snr: Tensor, s: Tensor) -> Tensor:
        """What the network adds to the linear denoiser."""
        alpha, _ = amplitudes(log_snr, z)
        outputs: Tensor = self.network(z, log_snr, s.to(z.dtype))
        return alpha * outputs

    def begin_from(self, coarser: Film) -> None:
        """Take over the network."""
        self.network.load_state_dict(coarser.network.state_dict())

    @torch.no_grad()
    def rest_form(self, x: Tensor, eps: Tensor, log_snr: float, weight: float) -> Tensor:
        """What the network adds (`linear.Model`): the polynomial through its values at
        `chebyshev.nodes`, all with the same noise."""
        points, onto = from_values(self.linear.basis.squared)
        values = self.rest_values(x, eps, log_snr, weight, points).cpu()
        return values @ onto.T

    @torch.no_grad()
    def rest_values(
        self, x: Tensor, eps: Tensor, log_snr: float, weight: float, points: Tensor
    ) -> Tensor:
        """What the network adds to the bound at each of the parameters s (m, D), (n, m) in nats."""
        parts = []
        together = max(1, TOGETHER // len(x))
        for start in range(0, len(points), together):
            chosen = points[start : start + together].to(x.device)
            copies = (len(chosen), *(1,) * (x.ndim - 1))
            fields, noise = x.repeat(copies), eps.repeat(copies)
            s = chosen.repeat_interleave(len(x), 0)
            level = torch.full((len(s),), log_snr, device=x.device)
            z = add_noise(fields, noise, level)
            left = noise - self.linear(z, level, s)
            rest = self.rest(z, level, s)
            change = (rest.square() - 2 * rest * left).flatten(1).double().sum(1)
            parts.append(change.view(len(chosen), len(x)))
        return weight / 2 * torch.cat(parts).T


__all__ = ["Film"]
