r"""How sharp posteriors are: the log density at the truth, and the contraction.

Of two calibrated posteriors the better one has more density at the truth. Its mean over
simulations,

    E log q(theta | x) = -E H[p(theta | x)] - E KL(p(. | x) || q(. | x)),

is largest for the exact posterior p. The contraction of a parameter is 1 - E var(theta | x) /
var(theta) (Betancourt 2018, arXiv:1803.08393): 0 where the data say nothing, 1 where they say all.

Errors are those of a bootstrap over observations in the limit of infinitely many replicates, which
for a mean is s / sqrt(n).
"""

from __future__ import annotations

import numpy as np

from sbipipe.gate import uniformity
from sbipipe.gate.verdict import Estimate, Sharpness
from sbipipe.interfaces import Array, PosteriorDraws


def sharpness(draws: PosteriorDraws) -> Sharpness:
    """The sharpness of the posteriors that could be sampled."""
    return Sharpness(log_prob_truth=log_prob_truth(draws), contraction=contraction(draws))


def log_prob_truth(draws: PosteriorDraws) -> Estimate:
    """Mean log posterior density at the truth, in nats."""
    return estimate(np.where(uniformity.failed(draws), np.nan, draws.log_prob_truth))


def contraction(draws: PosteriorDraws) -> dict[str, float]:
    """1 - mean posterior variance / prior variance of each parameter, where sampled."""
    kept = draws.draws[:, ~uniformity.failed(draws)]
    mean = kept.var(0).mean(0) if kept.shape[1] else np.full(len(draws.parameters), np.nan)
    values = 1 - mean / draws.prior_variance
    return dict(zip(draws.parameters, values.tolist(), strict=True))


def estimate(values: Array) -> Estimate:
    """Mean over observations, (B,); NaN where an observation has no value."""
    known = values[~np.isnan(values)]
    finite = known[np.isfinite(known)]
    whole = len(finite) == len(known) > 0
    return Estimate(
        mean=float(np.mean(known)) if len(known) else np.nan,
        se=float(np.std(known) / np.sqrt(len(known))) if whole else np.nan,
        median=float(np.median(known)) if len(known) else np.nan,
        finite_mean=float(np.mean(finite)) if len(finite) else np.nan,
        infinite=len(known) - len(finite),
        failed=len(values) - len(known),
        count=len(known),
    )
