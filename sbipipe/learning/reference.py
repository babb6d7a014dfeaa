"""A density near the posterior, against which a classifier learns what is left to learn.

The mixture m(u | x) of a few flows q_j and the standard normal p. Of K of its draws, a quarter but
at least one come from p, and the others from the flows in turn; these numbers are their shares a_j
in

    m(u | x) = sum_j a_j q_j(u | x) + (1 - sum_j a_j) p(u).

A classifier sees u and where every flow places it, in coordinates in which that flow itself is a
standard normal; far from it they are large, and so bent by asinh.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sbipipe.learning.densities import PAIRS, ConditionalDensity, build_density, pieces

DENSITY, HIDDEN, TRANSFORMS = "zuko_nsf", 64, 3
"""A flow."""

FLOWS = 3
"""At most so many, with their own first weights: a mixture is smoother than each of them."""


def flow(u: Tensor, x: Tensor) -> ConditionalDensity:
    """A new flow for rows (N, D) and (N, L)."""
    return build_density(
        density=DENSITY, hidden=HIDDEN, transforms=TRANSFORMS, inputs=u, conditions=x
    )


def flows_of(contrasts: int) -> int:
    """The number of flows for K contrasts."""
    return min(FLOWS, _near(contrasts))


def _near(contrasts: int) -> int:
    """How many of K contrasts come from flows."""
    return contrasts - max(1, contrasts // 4)


class Reference(nn.Module):
    """m(u | x), its draws, and coordinates for a classifier.

    Args:
        flows: `flows_of(contrasts)` of them.
        contrasts: K, at least 2.
    """

    def __init__(self, flows: Sequence[ConditionalDensity], contrasts: int) -> None:
        super().__init__()
        self.flows: Any = nn.ModuleList(flows)
        self.contrasts = contrasts
        self.turns = torch.arange(_near(contrasts)) % len(flows)

    @property
    def shares(self) -> Tensor:
        """a_j of every flow, in float64."""
        return torch.bincount(self.turns).double() / self.contrasts

    @torch.no_grad()
    def draws(self, noise: Tensor, x: Tensor) -> Tensor:
        """Draws (n, N, D) of the mixture for x (N, L), made of normal noise (n, N, D).

        Args:
            noise: n is a multiple of K, so that each density gives its very share.
        """
        turns = self.turns.repeat(len(noise) // self.contrasts)
        draws = noise.clone()
        for j, one in enumerate(self.flows):
            own = torch.nonzero(turns == j)[:, 0]
            draws[own] = _drawn(one, noise[own], x)
        return draws

    @torch.no_grad()
    def coordinates(self, u: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Where u (n, N, D) lies, as the flows see it.

        Returns:
            u beside the flows' coordinates, with shape (n, N, D + J D), and log m(u | x) - log p(u)
            with shape (n, N), in float64; both on the CPU.
        """
        rows = u.flatten(0, 1)
        normal = -0.5 * (rows.double().square() + math.log(2 * math.pi)).sum(-1)
        places, parts = [rows], [torch.log(1 - self.shares.sum()).expand(len(rows))]
        for one, share in zip(self.flows, self.shares, strict=True):
            noise, log_q = _flown(one, rows, x)
            places.append(torch.asinh(noise))
            parts.append(log_q - normal + share.log())
        ratio = torch.logsumexp(torch.stack(parts), 0)
        return torch.cat(places, -1).reshape(*u.shape[:2], -1), ratio.reshape(u.shape[:2])


def _drawn(one: ConditionalDensity, noise: Tensor, x: Tensor) -> Tensor:
    """Draws (n, N, D) of a flow, on the CPU."""
    known, parts = one.embed(x), []
    for part in pieces(torch.arange(noise.shape[0] * noise.shape[1]), PAIRS):
        flow = one.net.net(known[part % len(x)])  # type: ignore[operator]
        given = noise.flatten(0, 1)[part].to(known.device)
        parts.append(one.inputs.inverse(flow.transform.inv(given)).cpu())
        gc.collect(1)
    return torch.cat(parts).reshape(noise.shape)


def _flown(one: ConditionalDensity, u: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """A flow's noise (n N, D), and log q (n N,) in float64, of rows; on the CPU."""
    known, places, densities = one.embed(x), [], []
    for part in pieces(torch.arange(len(u)), PAIRS):
        rows = u[part].to(known.device)
        flow = one.net.net(known[part % len(x)])  # type: ignore[operator]
        noise, slope = flow.transform.call_and_ladj(one.inputs(rows))
        log_q = (flow.base.log_prob(noise) + slope).double() + one.inputs.log_det(rows)
        places.append(noise.cpu())
        densities.append(log_q.cpu())
    return torch.cat(places), torch.cat(densities)


__all__ = ["Reference", "flow", "flows_of"]
