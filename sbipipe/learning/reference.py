"""A density near the posterior, against which a classifier learns what is left to learn.

The mixture m(u | x) = a q(u | x) + (1 - a) p(u) of a flow q and the standard normal p, of K draws
from which a K come from q and the others, a quarter but at least one, from p; with the flow's
coordinates, in which q itself is a standard normal. Far from the reference they are large, and so
bent by asinh.
"""

from __future__ import annotations

import gc
import math

import torch
from torch import Tensor, nn

from sbipipe.learning.densities import PAIRS, build_density, pieces

DENSITY, HIDDEN, TRANSFORMS = "zuko_nsf", 64, 3
"""The flow."""


class Reference(nn.Module):
    """m(u | x), its draws, and coordinates for a classifier.

    Args:
        u, x: Training rows (N, D) and (N, L), for their means and scales.
        contrasts: K, at least 2.
    """

    def __init__(self, u: Tensor, x: Tensor, contrasts: int) -> None:
        super().__init__()
        self.contrasts = contrasts
        self.share = 1 - max(1, contrasts // 4) / contrasts
        self.flow = build_density(
            density=DENSITY, hidden=HIDDEN, transforms=TRANSFORMS, inputs=u, conditions=x
        )

    def loss(self, u: Tensor, x: Tensor) -> Tensor:
        """Minus log q(u | x) of each row, up to a constant."""
        return self.flow.loss(u, x)

    @torch.no_grad()
    def draws(self, noise: Tensor, x: Tensor) -> Tensor:
        """Draws (n, N, D) of the mixture for x (N, L), made of normal noise (n, N, D).

        Args:
            noise: n is a multiple of K, so that each of the two densities gives its very share.
        """
        count, rows = noise.shape[:2]
        near = round(self.share * count)
        known, parts = self.flow.embed(x), []
        for part in pieces(torch.arange(near * rows), PAIRS):
            flow = self.flow.net.net(known[part % rows])  # type: ignore[operator]
            given = noise[part // rows, part % rows].to(known.device)
            parts.append(self.flow.inputs.inverse(flow.transform.inv(given)).cpu())
            gc.collect(1)
        return torch.cat([torch.cat(parts).reshape(near, rows, -1), noise[near:]])

    @torch.no_grad()
    def coordinates(self, u: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Where u (n, N, D) lies, as the reference sees it.

        Returns:
            u beside the flow's coordinates, with shape (n, N, 2 D), and log m(u | x) - log p(u)
            with shape (n, N), in float64; both on the CPU.
        """
        known, device = self.flow.embed(x), self.flow.inputs.loc.device
        at = torch.arange(u.shape[0] * u.shape[1])
        places, ratios = [], []
        for part in pieces(at, PAIRS):
            rows = u.flatten(0, 1)[part].to(device)
            noise, log_q = self._flown(self.flow.inputs(rows), known[part % u.shape[1]])
            log_q = log_q.double() + self.flow.inputs.log_det(rows)
            normal = -0.5 * (rows.double().square() + math.log(2 * math.pi)).sum(-1)
            near = log_q - normal + math.log(self.share)
            ratios.append(
                torch.logaddexp(near, torch.full_like(near, math.log(1 - self.share))).cpu()
            )
            places.append(torch.cat([rows, torch.asinh(noise)], -1).cpu())
        shape = u.shape[:2]
        return torch.cat(places).reshape(*shape, -1), torch.cat(ratios).reshape(shape)

    def _flown(self, rows: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """The flow's noise, and log q, of standardised rows (n, D)."""
        flow = self.flow.net.net(known)  # type: ignore[operator]
        noise, slope = flow.transform.call_and_ladj(rows)
        return noise, flow.base.log_prob(noise) + slope
