"""What is said of estimators side by side (`compare`), as records: the content of
`comparison.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sbipipe.gate.verdict import Estimate
from sbipipe.interfaces import Real
from sbipipe.records import record

MEAN_ABS_Z = math.sqrt(2 / math.pi)
"""Expected |z| of a truth under a calibrated Gaussian posterior: 0.80."""


@record
class Performance:
    """One estimator on its own.

    Attributes:
        log_prob_truth: The log posterior density at the truth, in nats.
        kl_from_exact: The divergence from the exact posterior in nats, where that is known.
        mean_abs_z: The mean of |truth - posterior mean| / posterior width, of each parameter.
        mean_abs_z_se: The standard error of that mean.
        train_seconds: The wall time of training, where known.
        seconds_per_posterior: The wall time of drawing, for one observation.
    """

    log_prob_truth: Estimate
    kl_from_exact: Estimate | None = None
    mean_abs_z: Mapping[str, Real]
    mean_abs_z_se: Mapping[str, Real]
    train_seconds: Real | None = None
    seconds_per_posterior: Real


@record
class Difference:
    """Two posteriors' means and widths of one parameter, averaged over observations.

    Attributes:
        shift_sigma: The distance of the means in widths.
        shift_sigma_se: The standard error of that distance.
        signed_shift_sigma: The mean of a minus that of b, in widths.
        signed_shift_sigma_se: The standard error of that difference.
        width_ratio: The width of a over that of b.
        width_ratio_se: The standard error of that ratio.
    """

    shift_sigma: Real
    shift_sigma_se: Real
    signed_shift_sigma: Real
    signed_shift_sigma_se: Real
    width_ratio: Real
    width_ratio_se: Real


@record
class Pair:
    """Two estimators' posteriors of the same observations.

    Attributes:
        a, b: The names of the two.
        c2st: The accuracy of a classifier between their draws.
        c2st_se: The standard error of that accuracy.
        shift_sigma: The distance of the means in widths, averaged over parameters.
        shift_sigma_se: The error of that distance, as if all parameters erred together.
        width_ratio: The width of a over that of b, averaged over parameters.
        width_ratio_se: The error of that ratio, as if all parameters erred together.
        by_parameter: The difference in each parameter.
        nats: The mean over observations of the log posterior density at the truth of a minus that
            of b, with the error of that mean: both see the same truths, so most of their scatter
            cancels; None in older files.
        observations: The number of observations that both could sample.
        c2st_observations: The number of those that the accuracy is averaged over.
    """

    a: str
    b: str
    c2st: Real
    c2st_se: Real
    shift_sigma: Real
    shift_sigma_se: Real
    width_ratio: Real
    width_ratio_se: Real
    by_parameter: Mapping[str, Difference]
    nats: Estimate | None = None
    observations: int
    c2st_observations: int

    def ahead(self, name: str) -> tuple[str, Estimate | None]:
        """The other one of the two, and the nats by which the one of this name is ahead of it."""
        if name == self.a:
            return self.b, self.nats
        return self.a, self.nats and self.nats.negative


@record
class Tested:
    """The test simulations that estimators share.

    Attributes:
        n_test: The number of simulations.
        parameters: The names of their parameters.
    """

    n_test: int
    parameters: tuple[str, ...]


@record
class Comparison:
    """The content of `comparison.json`.

    Attributes:
        estimators: The performance of each estimator.
        pairs: The pairs of estimators that share their test simulations.
        simulators: The test simulations, by simulator.
        mean_abs_z_expected: The mean |z| of a calibrated Gaussian posterior.
    """

    estimators: Mapping[str, Performance]
    pairs: tuple[Pair, ...] = ()
    simulators: Mapping[str, Tested]
    mean_abs_z_expected: float = MEAN_ABS_Z
