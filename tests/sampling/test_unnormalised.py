"""An unnormalised density in parts."""

import numpy as np
import pytest
from linear_posteriors import gaussian, rng

from sbipipe.sampling.unnormalised import evaluate


def test_evaluation_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    simulator, x = gaussian(2, 0.5, 7)
    theta = rng().standard_normal((11, 7, 2))
    whole = simulator.log_likelihood(theta, x)
    for pairs in (1, 5, 16):
        monkeypatch.setattr("sbipipe.sampling.unnormalised.PAIRS", pairs)
        np.testing.assert_allclose(evaluate(simulator.log_likelihood, theta, x), whole)
