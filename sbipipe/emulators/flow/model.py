"""The whole map between fields y, whose pixels are nearly Gaussian, and white noise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sbipipe.emulators.flow.couplings import Couplings
from sbipipe.emulators.flow.whitening import Whitening

CELLS = 2**18
"""Values of fields that go through the networks at once."""


class Model(nn.Module):
    """Whitening, then couplings.

    Args:
        whitening: The closed form, whose coefficients are no weights of the module.
        couplings: Of the whitened fields; without levels, they stay as they are.
    """

    def __init__(self, whitening: Whitening, couplings: Couplings) -> None:
        super().__init__()
        self.whitening = whitening
        self.couplings = couplings

    def forward(self, y: Tensor, s: Tensor) -> Tensor:
        """White noise u for fields y (n, C, *space) at parameters s (n, D)."""
        u: Tensor = self.couplings(self.whitening.whiten(y, s), s.to(y.dtype))[0]
        return u

    def inverse(self, u: Tensor, s: Tensor) -> Tensor:
        """y for u."""
        return self.whitening.colour(self.couplings.inverse(u, s.to(u.dtype)), s)

    def gain(self, y: Tensor, s: Tensor) -> Tensor:
        """What the couplings add to log p(y | theta) [nats], with shape (n,)."""
        w = self.whitening.whiten(y, s)
        u, log_det = self.couplings(w, s.to(y.dtype))
        change: Tensor = (w.square() - u.square()).flatten(1).sum(1) / 2 + log_det
        return change

    @torch.no_grad()
    def log_prob(self, y: Tensor, s: Tensor) -> Tensor:
        """log p(y | theta) in nats, of fields y (n, C, *space), each at all of s (P, D): (n, P)."""
        known = self.whitening.log_prob(self.whitening.bands.moments(y), s)
        if not self.couplings.levels:
            return known
        device = next(self.parameters()).device
        fields, parameters = y.to(device), s.to(device)
        pairs = torch.arange(len(y) * len(s), device=device)
        together = max(1, CELLS // y[0].numel())
        parts = [
            self.gain(fields[some // len(s)], parameters[some % len(s)])
            for some in (pairs[i : i + together] for i in range(0, len(pairs), together))
        ]
        return known + torch.cat(parts).view(len(y), len(s)).double().cpu()

    @torch.no_grad()
    def log_prob_each(self, y: Tensor, s: Tensor) -> Tensor:
        """The same for one s (n, D) of each field, with shape (n,)."""
        known = self.whitening.log_prob_each(self.whitening.bands.moments(y), s)
        if not self.couplings.levels:
            return known
        device = next(self.parameters()).device
        return known + self.gain(y.to(device), s.to(device)).double().cpu()


__all__ = ["CELLS", "Model"]
