"""Mixtures of conditional densities, and the weights that suit them.

The mixture

    q(a | b) = sum_k w_k q_k(a | b)

has the weights that maximise the sum of log q over held-out rows (stacking, Yao et al. 2018,
arXiv 1704.02030) under a Dirichlet prior that is worth `PSEUDO` rows for every member: where few
rows are held out, members that are equally good keep equal weights. The problem is concave;
expectation maximisation solves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sbipipe.interfaces import Array, Generator
from sbipipe.learning.densities import ConditionalDensity
from sbipipe.learning.members import member_arrays
from sbipipe.seeds import torch_scope

PSEUDO = 30
"""Rows that the prior of equal weights is worth, for each member."""


def stacking_weights(log_prob: Array, iterations: int = 2000) -> Array:
    """Weights w that maximise the sum over rows of log sum_k w_k q_k, and their prior.

    Args:
        log_prob: log q_k of each member and row, with shape (K, N).
    """
    members = len(log_prob)
    density = np.exp(log_prob - log_prob.max(0))
    weights = np.full(members, 1 / members)
    for _ in range(iterations if members > 1 else 0):
        joint = weights[:, None] * density
        counts = (joint / joint.sum(0)).sum(1) + PSEUDO
        weights = counts / counts.sum()
    return np.asarray(weights)


def mixture_log_prob(log_prob: Array, weights: Array) -> Array:
    """log sum_k w_k q_k from log q_k with shape (K, ...)."""
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights).reshape(-1, *[1] * (log_prob.ndim - 1))
    return np.asarray(np.logaddexp.reduce(log_prob + log_weights, axis=0))


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """A mixture of conditional densities.

    Attributes:
        members: The networks, in evaluation mode.
        weights: Of the mixture, with shape (K,).
    """

    members: tuple[ConditionalDensity, ...]
    weights: Array

    @classmethod
    def stacked(cls, members: Sequence[ConditionalDensity], a: Tensor, b: Tensor) -> Self:
        """With the weights that describe held-out rows best."""
        log_prob = np.stack([_numpy(m.log_prob(a[None], m.embed(b))[0]) for m in members])
        return cls(members=tuple(members), weights=stacking_weights(log_prob))

    @property
    def device(self) -> torch.device:
        """Where the members are."""
        return self.members[0].inputs.loc.device

    def embed(self, b: Tensor) -> list[Tensor]:
        """Each member's embedding (B, E) of the conditions."""
        return [member.embed(b) for member in self.members]

    def log_prob(self, a: Tensor, embedded: Sequence[Tensor]) -> Array:
        """Of the mixture, a (n, B, A) -> (n, B)."""
        pairs = zip(self.members, embedded, strict=True)
        parts = np.stack([_numpy(member.log_prob(a, e)) for member, e in pairs])
        return mixture_log_prob(parts, self.weights)

    def sample(self, n: int, embedded: Sequence[Tensor], rng: Generator) -> Array:
        """Draws (n, B, A): every member's share, shuffled within each observation."""
        counts = rng.multinomial(n, self.weights)
        with torch_scope(int(rng.integers(2**63))):
            parts = [
                _numpy(member.sample(int(count), e))
                for member, count, e in zip(self.members, counts, embedded, strict=True)
            ]
        draws = np.concatenate(parts)
        order = rng.random(draws.shape[:2]).argsort(0)
        return np.asarray(np.take_along_axis(draws, order[..., None], 0))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that was learned, by name."""
        return {"weights": self.weights, **member_arrays(self.members)}


def _numpy(tensor: Tensor) -> Array:
    return np.asarray(tensor.cpu().numpy(), np.float64)
