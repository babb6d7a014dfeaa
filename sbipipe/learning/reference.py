"""A density near the posterior, against which a classifier learns what is left to learn.

The mixture of a flow q and the standard normal p,

    m(u | x) = a q(u | x) + (1 - a) p(u).

Of K of its draws, a quarter but at least one come from p, and the others, their share a, from the
flow. A classifier sees u and where the flow places it, in coordinates in which the flow itself is a
standard normal; far from it they are large, and so bent by asinh.

A flow is too sure of the rows that it was fitted to. A classifier that learned from these would
find nothing to mend, and keep the mistake. So there are a few flows, each fitted to all rows but
one fold of them, and the classifier learns from every row by the flow that has not seen it
(cross-fitting, Chernozhukov et al. 2018, arXiv 1608.00060).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sbipipe.interfaces import History, Run
from sbipipe.learning.autoregressive import log_normal, noise_of
from sbipipe.learning.densities import ConditionalDensity, pairs_on, pieces
from sbipipe.learning.guide import Guide, new_flow
from sbipipe.learning.members import together
from sbipipe.learning.schedules import Annealed
from sbipipe.learning.threads import each
from sbipipe.learning.training import Rows, optimise
from sbipipe.seeds import number, stream

FOLDS = 3
"""The number of flows, and of parts of the rows."""

NONE = -1
"""The fold of rows that no flow learns from."""

STEPS = 4_000
"""Steps of the optimiser after which flows are good enough."""


class Reference(Guide):
    """m(u | x), its draws, and coordinates for a classifier.

    Args:
        flow: q.
        contrasts: K, at least 2.
    """

    def __init__(self, flow: ConditionalDensity, contrasts: int) -> None:
        super().__init__(flow)
        self.contrasts = contrasts
        self.from_flow = contrasts - max(1, contrasts // 4)

    @torch.no_grad()
    def draws(self, noise: Tensor, x: Tensor) -> Tensor:
        """Draws (n, N, D) of the mixture for x (N, L), made of normal noise (n, N, D).

        Args:
            noise: n is a multiple of K, so that each density gives its very share.
        """
        own = torch.arange(len(noise)) % self.contrasts < self.from_flow
        draws = noise.clone()
        draws[own] = self.flow_draws(noise[own], x)
        return draws

    @torch.no_grad()
    def coordinates(self, u: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Where u (n, N, D) lies, as the flow sees it.

        Returns:
            u beside the flow's coordinates, with shape (n, N, 2 D), and log m(u | x) - log p(u)
            with shape (n, N), in float64; both on the CPU.
        """
        rows = u.flatten(0, 1)
        normal = log_normal(rows.double())
        noise, log_q = self._flown(rows, x)
        share = torch.tensor(self.from_flow / self.contrasts, dtype=torch.float64)
        ratio = torch.logaddexp(log_q - normal + share.log(), torch.log1p(-share))
        places = torch.cat([rows, torch.asinh(noise)], -1)
        return places.reshape(*u.shape[:2], -1), ratio.reshape(u.shape[:2])

    def _flown(self, u: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """The flow's noise (n N, D), and log q (n N,) in float64, of rows; on the CPU."""
        known = self.flow.embed(x)

        def piece(part: Tensor) -> tuple[Tensor, Tensor]:
            rows = u[part].to(known.device)
            given = known[part % len(x)]
            noise, slope = noise_of([self.flow.net], self.flow.inputs(rows)[None], given[None])
            log_q = (log_normal(noise) + slope)[0].double() + self.flow.inputs.log_det(rows)
            return noise[0].cpu(), log_q.cpu()

        every = pieces(torch.arange(len(u)), pairs_on(known.device))
        places, densities = zip(*each(piece, every, known.device), strict=True)
        return torch.cat(places), torch.cat(densities)


class _Apart(nn.Module):
    """A flow that does not learn from one fold of the rows."""

    fold: Tensor

    def __init__(self, flow: ConditionalDensity, fold: int) -> None:
        super().__init__()
        self.flow = flow
        self.register_buffer("fold", torch.tensor(fold))

    @staticmethod
    def losses(members: Sequence[_Apart], u: Tensor, x: Tensor, fold: Tensor) -> Tensor:
        """Those of the flows, of rows (b, D) and (b, L), of which those of its own fold (b,) count
        nothing to a flow, and those of the others for them; with shape (K, b)."""
        own = torch.stack([member.fold for member in members])
        weight = (fold != own[:, None]) * FOLDS / (FOLDS - 1)
        losses = ConditionalDensity.losses([member.flow for member in members], u, x)
        return losses * torch.where(fold == NONE, 1.0, weight)


def folds_of(group: NDArray[Any], seed: int) -> Tensor:
    """The fold of every row (N,), equal for all rows of a simulation."""
    groups, index = np.unique(group, return_inverse=True)
    return torch.from_numpy(stream(seed, "folds").permutation(len(groups))[index] % FOLDS)


def fit_references(
    train: Rows,
    fold: Tensor,
    valid: Rows,
    contrasts: int,
    settings: Annealed,
    run: Run,
    sets: int = 1,
) -> tuple[tuple[Reference, ...], History]:
    """A reference for each fold, whose flow has not seen that fold.

    Args:
        train, valid: u (N, D) and x (N, L).
        fold: The fold of each row of `train`.
        contrasts: K.
        sets: How many sets of features x holds, of which each flow reads one.
    """
    own = replace(run, seed=number(run.seed, "reference"))
    u, x = train
    module = together(lambda k: _Apart(new_flow(u, x, (k, sets)), k), FOLDS, own.seed, stacked=True)
    nowhere = torch.full((len(valid[0]),), NONE)
    history = optimise(
        module,
        module.loss,
        (*train, fold),
        (*valid, nowhere),
        replace(settings, steps=min(STEPS, settings.steps)),
        own,
        "reference",
        keep=True,
    )
    return tuple(Reference(one.flow, contrasts) for one in module.apart()), history


__all__ = ["FOLDS", "Reference", "fit_references", "folds_of"]
