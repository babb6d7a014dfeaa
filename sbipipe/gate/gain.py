r"""What a posterior knows that the prior does not, in nats.

The prior in the place of the posterior passes every test of calibration, as it must. What it lacks
is a gain,

    E [log q(theta | x) - log p(theta)] = I(theta; x) - E KL(p(. | x) || q(. | x)),

the mutual information of parameters and data less what the posterior q loses of it, estimated by
its mean over the test simulations, one row of each. A truth outside the support of q makes the mean
minus infinity. The test of a gain is therefore put to a posterior hedged with a small share of the
prior, (1 - e) q + e p with e = 1 / (N + 2), whose gain is

    log((1 - e) q / p + e) >= -log(N + 2):

a truth of no density counts as a loss of log(N + 2) nats. By Student's t test, one-sided, its mean
has to exceed `NEGLIGIBLE`.
"""

from __future__ import annotations

import numpy as np
import scipy

from sbipipe.gate import uniformity
from sbipipe.gate.sharpness import estimate
from sbipipe.gate.verdict import Estimate, Gain
from sbipipe.interfaces import PosteriorDraws

NEGLIGIBLE = 1e-3
"""Nats below which a gain is none, whatever its error: densities are no more accurate."""


def gain(draws: PosteriorDraws) -> Gain:
    """The gain of an estimator's posteriors over the prior."""
    with np.errstate(invalid="ignore"):
        each = draws.log_prob_truth - draws.log_prior_truth
    each = np.where(uniformity.failed(draws), np.nan, each)
    known = each[~np.isnan(each)]
    share = 1 / (len(known) + 2)
    hedged = estimate(np.logaddexp(known + np.log1p(-share), np.log(share)))
    return Gain(
        nats=estimate(each),
        hedged=hedged.mean,
        hedged_se=hedged.se,
        p_value=_p_value(hedged),
    )


def _p_value(found: Estimate) -> float:
    if found.count < 2:
        return 1.0
    excess = found.mean - NEGLIGIBLE
    if not found.se > 0:
        return float(excess <= 0)
    return float(scipy.stats.t.sf(excess / found.se, found.count - 1))
