"""What a posterior file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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


__all__ = ["PosteriorFile"]
