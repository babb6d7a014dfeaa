r"""What more simulations would gain: a learning curve, as a power law in their number.

The mean log posterior density at the truth, in nats, after learning from N simulations of which
there are N_0 in all, is taken to be

    m(N) = a - b (N / N_0)^(-c),   b >= 0,

so b is what infinitely many would gain over those that there are. Where a network learns a fixed
number of things c tends to 1 (Akaike 1974, IEEE Trans. Autom. Control 19, 716); learning curves of
networks are power laws, mostly slower ones (Hestness et al. 2017, arXiv:1712.00409).

Two or three points do not settle c. All values of `EXPONENTS` are held for equally likely before
the points are seen, as are all a and all b >= 0; given c, a and b follow from the points by
generalised least squares. What is said of a gain is its mean and standard deviation over all of
these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from sbipipe.interfaces import Array

EXPONENTS = np.linspace(0.25, 1.5, 26)
"""The values of c that are thought possible."""

RETRAINED = 0.01
"""Nats by which networks that are trained anew differ."""


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """The curves that the points allow.

    Attributes:
        weights: The probability of each of `EXPONENTS`, (K,).
        top: The mean of a for each, (K,).
        excess: The mean of b for each, (K,).
        spread: The standard deviation of b for each, (K,).
    """

    weights: Array
    top: Array
    excess: Array
    spread: Array

    def at(self, times: float) -> float:
        """The nats after learning from `times` as many simulations as there are."""
        return float(self.weights @ (self.top - self.excess * times**-EXPONENTS))

    def gain(self, times: float) -> tuple[float, float]:
        """The nats that `times` as many simulations would gain, and the standard deviation.

        Args:
            times: At least 1; infinite for all that could be gained.
        """
        share = 1 - times**-EXPONENTS
        mean = float(self.weights @ (share * self.excess))
        square = float(self.weights @ (share**2 * (self.excess**2 + self.spread**2)))
        return mean, float(np.sqrt(max(square - mean**2, 0.0)))

    def needed(self, left: float, most: float) -> float | None:
        """How many times as many simulations leave only so many nats to be gained; None where it
        takes more than `most` times."""
        times = np.geomspace(1, most, 200)
        remaining = (self.weights * self.excess) @ times ** -EXPONENTS[:, None]
        enough = np.flatnonzero(remaining <= left)
        return float(times[enough[0]]) if len(enough) else None


def fit(shares: Sequence[float], nats: Sequence[float], covariance: Array) -> PowerLaw:
    """The power law through some points.

    Args:
        shares: N / N_0 of each of S points, at least two different ones.
        nats: The mean log density at the truth of each.
        covariance: Of these means, with shape (S, S).
    """
    share, mean = np.asarray(shares, float), np.asarray(nats, float)
    precision = np.linalg.inv(covariance + RETRAINED**2 * np.eye(len(mean)))
    found = [_given(exponent, share, mean, precision) for exponent in EXPONENTS]
    log_evidence, top, excess, spread = np.array(found).T
    weights = np.exp(log_evidence - log_evidence.max())
    return PowerLaw(weights=weights / weights.sum(), top=top, excess=excess, spread=spread)


def _given(
    exponent: float, share: Array, mean: Array, precision: Array
) -> tuple[float, float, float, float]:
    """The log evidence of an exponent, the mean of a, and mean and standard deviation of b."""
    design = np.stack([np.ones_like(share), -(share**-exponent)], 1)
    cov = np.linalg.inv(design.T @ precision @ design)
    a, b = cov @ design.T @ precision @ mean
    left = mean - design @ [a, b]
    sd = np.sqrt(cov[1, 1])
    positive = scipy.stats.truncnorm(-b / sd, np.inf, loc=b, scale=sd)
    excess, spread = float(positive.mean()), float(positive.std())
    log_evidence = (
        -0.5 * left @ precision @ left
        + 0.5 * np.linalg.slogdet(cov)[1]
        + scipy.stats.norm.logsf(0, loc=b, scale=sd)
    )
    return float(log_evidence), float(a + cov[0, 1] / cov[1, 1] * (excess - b)), excess, spread


__all__ = ["PowerLaw", "fit"]
