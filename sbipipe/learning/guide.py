"""Where to look for a posterior: a density near it, q(u | x), that is learned quickly.

A likelihood or a ratio is known at any u = Phi^-1(F(theta)) that one asks, and a search has to find
where it is large. Draws of a small flow say where to begin. They decide nothing: a search looks
elsewhere as well, and weighs what it finds by the likelihood or the ratio itself.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sbipipe.interfaces import Array, History, Run
from sbipipe.learning.densities import (
    ConditionalDensity,
    build_density,
    pairs_on,
    pieces,
    reader,
)
from sbipipe.learning.members import load_named, named_arrays
from sbipipe.learning.schedules import Annealed
from sbipipe.learning.training import Rows, optimise
from sbipipe.seeds import number, torch_scope

DENSITY, HIDDEN, TRANSFORMS = "zuko_nsf", 64, 3
"""A flow."""

DRAWS = 128
"""Draws of a flow, from which a search begins."""

STEPS = 500
"""Steps of the optimiser after which a search knows where to begin."""

OWN = "guide/"
"""What the names of the weights begin with."""


class Guide(nn.Module):
    """q(u | x) and its draws.

    Args:
        flow: q.
    """

    def __init__(self, flow: ConditionalDensity) -> None:
        super().__init__()
        self.flow = flow

    def loss(self, u: Tensor, x: Tensor) -> Tensor:
        """Minus log q(u | x) of rows (b, D) and (b, L), up to what depends on u alone."""
        return self.flow.loss(u, x)

    @torch.no_grad()
    def flow_draws(self, noise: Tensor, x: Tensor) -> Tensor:
        """Draws (n, N, D) for x (N, L), made of normal noise (n, N, D), on the CPU."""
        known, parts = self.flow.embed(x), []
        every = torch.arange(noise.shape[0] * noise.shape[1])
        for part in pieces(every, pairs_on(known.device)):
            flow = self.flow.net.net(known[part % len(x)])  # type: ignore[operator]
            given = noise.flatten(0, 1)[part].to(known.device)
            parts.append(self.flow.inputs.inverse(flow.transform.inv(given)).cpu())
            gc.collect(1)
        return torch.cat(parts).reshape(noise.shape)

    def near(self, x: Tensor) -> Array:
        """The draws u (n, N, D) from which a search begins."""
        noise = same_noise(DRAWS, len(x), self.flow.inputs.loc.numel())
        draws: Array = self.flow_draws(noise, x).double().numpy()
        return draws

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that was learned, by name."""
        return named_arrays(self, OWN)


def new_flow(u: Tensor, x: Tensor, part: tuple[int, int] = (0, 1)) -> ConditionalDensity:
    """A new flow for rows (N, D) and (N, L), of which it reads one of some equal parts."""
    return build_density(
        density=DENSITY,
        hidden=HIDDEN,
        transforms=TRANSFORMS,
        inputs=u,
        conditions=x,
        reads=partial(reader, x, part),
    )


def fit_guide(train: Rows, valid: Rows, settings: Annealed, run: Run) -> tuple[Guide, History]:
    """A guide that has learned from rows u (N, D) and x (N, L)."""
    with torch_scope(number(run.seed, "guide", "initialise")):
        u, x = train
        guide = Guide(new_flow(u, x))
    brief = replace(settings, steps=min(STEPS, settings.steps))
    own = replace(run, seed=number(run.seed, "guide"))
    history = optimise(guide, guide.loss, train, valid, brief, own, "guide", keep=True)
    return guide, history


def restored(arrays: Mapping[str, NDArray[Any]], u: Tensor, x: Tensor, device: str) -> Guide:
    """What gave these arrays, among others; u (2, D) and x (2, L) have its shapes."""
    with torch_scope(0):
        guide = Guide(new_flow(u, x))
    load_named(guide, arrays, OWN)
    return guide.to(device).eval()


def same_noise(points: int, observations: int, dims: int) -> Tensor:
    """Normal noise that is the same for every observation, whatever else is asked, with shape
    (points, observations, D)."""
    with torch_scope(0):
        noise = torch.randn(points, 1, dims)
    return noise.expand(-1, observations, -1)


__all__ = ["Guide", "fit_guide", "new_flow", "restored", "same_noise"]
