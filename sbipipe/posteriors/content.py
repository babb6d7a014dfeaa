"""What a posterior file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sbipipe.gate.verdict import Verdict
from sbipipe.interfaces import Array, Samples


@dataclass(frozen=True, kw_only=True)
class PosteriorFile:
    """Posteriors of B observations and all that a reader must know of them.

    Attributes:
        parameters: The names of the D parameters.
        samples: The draws.
        x: What the estimator is conditioned on, with shape (B, L) or (B, C, *space).
        prior: Draws from the prior, with shape (m, D).
        theta: True parameters, with shape (B, D), where they are known.
        fields: What a summary made `x` of, with shape (B, ...), where it is kept.
        novelty: One number for each observation, with shape (B,), by name.
        diagnosis: The verdict on the estimator; None where it has none.
        attributes: Plain values, for the root.
        nuisance: The names of the parameters that are marginalised over where posteriors are shown.
        fixed: The values of parameters that were the same in every simulation, by name.
    """

    parameters: tuple[str, ...]
    samples: Samples
    x: Array
    prior: Array
    theta: Array | None = None
    fields: Array | None = None
    novelty: Mapping[str, Array] = field(default_factory=dict)
    diagnosis: Verdict | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    nuisance: tuple[str, ...] = ()
    fixed: Mapping[str, float] = field(default_factory=dict)

    @property
    def moments(self) -> tuple[Array, Array]:
        """Means and standard deviations of the shown parameters, each with shape (B, d)."""
        draws = np.asarray(self.marginal, np.float64)
        return draws.mean(0), draws.std(0, ddof=1)

    @property
    def shown(self) -> tuple[str, ...]:
        """The names of the parameters that are no nuisance."""
        return tuple(name for name in self.parameters if name not in self.nuisance)

    @property
    def marginal(self) -> Array:
        """The draws of those, with shape (n, B, d): all others are marginalised over."""
        places = [self.parameters.index(name) for name in self.shown]
        return self.samples.draws[..., places]


__all__ = ["PosteriorFile"]
