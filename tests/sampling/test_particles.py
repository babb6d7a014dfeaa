"""Laws of weighted particles."""

import numpy as np
from linear_posteriors import rng

from sbipipe.sampling.particles import resample


def test_systematic_resampling_keeps_proportions():
    weights = rng().random((40, 3))
    index = resample(weights, 10_000, rng(1))
    counts = np.stack([np.bincount(column, minlength=40) for column in index.T], 1)
    assert np.abs(counts - 10_000 * weights / weights.sum(0)).max() <= 1
