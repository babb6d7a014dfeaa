r"""Negative controls: posteriors that are wrong on purpose, as data.

A diagnostic that cannot fail says nothing. Each estimator's draws are therefore also narrowed,
widened and shifted about each posterior's own mean m and standard deviation s, parameter by
parameter,

    theta' = m + scale (theta - m) + shift s,

and the same diagnostics must find every one of them. The map is affine, so the control's density is
known exactly: q'(theta') = q(theta) / scale^D. Ranks of densities need the density of the control
at its draws and at the truth t. At a mapped draw, it is that of the draw itself; at the truth, that
of the truth's preimage theta = m + (t - shift s - m) / scale. The factor scale^-D is the same for
all and cancels, so `log_prob_controls` holds log q at the preimage, without it. A preimage outside
the prior's support has log q = -inf: the truth then lies outside every region of the control.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sbipipe.config import Draw
from sbipipe.interfaces import Array, PosteriorDraws
from sbipipe.records import InputError


@dataclass(frozen=True, kw_only=True)
class Control:
    """An affine map of draws about their own mean.

    Attributes:
        name: The name of the control.
        scale: The factor on the width.
        shift: The displacement of every parameter, in posterior standard deviations.
        words: The words for what was done.
    """

    name: str
    scale: float = 1.0
    shift: float = 0.0
    words: str

    def apply(self, draws: Array) -> Array:
        """The control's draws, (n, B, D) -> (n, B, D)."""
        mean, width = _mean_and_width(draws)
        return np.asarray(mean + self.scale * (draws - mean) + self.shift * width)

    def preimage(self, theta: Array, draws: Array) -> Array:
        """Where the map takes to theta from, (B, D) and draws (n, B, D) -> (B, D)."""
        mean, width = _mean_and_width(draws)
        return np.asarray(mean + (theta - self.shift * width - mean) / self.scale)


def controls(draw: Draw) -> tuple[Control, ...]:
    """The three that every estimator is shown with."""
    narrowed, widened, shifted = draw.narrowed, draw.widened, draw.shifted
    return (
        Control(name="narrowed", scale=narrowed, words=f"narrowed to {narrowed:g} of their width"),
        Control(name="widened", scale=widened, words=f"widened to {widened:g} of their width"),
        Control(name="shifted", shift=shifted, words=f"shifted by {shifted:g} of their width"),
    )


def control_draws(draws: PosteriorDraws, control: Control) -> PosteriorDraws:
    """What a diagnostic sees of the control.

    Raises:
        InputError: Where the control's density at the truth was not stored.
    """
    if control.name not in draws.log_prob_controls:
        stored = ", ".join(draws.log_prob_controls) or "none"
        raise InputError(f"log_prob_controls: {control.name} is missing; stored: {stored}")
    return replace(
        draws,
        draws=control.apply(draws.draws),
        log_prob_truth=draws.log_prob_controls[control.name],
    )


def _mean_and_width(draws: Array) -> tuple[Array, Array]:
    draws = np.asarray(draws, np.float64)
    return draws.mean(0), draws.std(0)
