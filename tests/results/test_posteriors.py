"""Single posteriors and recoveries are those of the stored draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sbipipe import storage
from sbipipe.results import posteriors
from sbipipe.results.run import Results


def test_examples_are_the_first_test_simulations(run_folder: Path, run_results: Results) -> None:
    draws = storage.load_draws(run_folder / "data/draws/npe.safetensors")
    assert [e.number for e in run_results.examples] == list(range(posteriors.EXAMPLES))
    for example in run_results.examples:
        np.testing.assert_array_equal(example.truth, draws.theta[example.number])
        np.testing.assert_array_equal(example.draws["npe"], draws.draws[:, example.number])


def test_recovery_standardises_by_the_posterior_width(run_results: Results) -> None:
    one = next(
        r for r in run_results.recoveries if (r.estimator, r.parameter) == ("npe", "sigma_8")
    )
    np.testing.assert_allclose(one.mean - one.z * one.width, one.truth)
    # 80 values of |z| with mean 0.80 and standard deviation 0.60
    assert abs(np.abs(one.z).mean() - np.sqrt(2 / np.pi)) < 4 * 0.6 / np.sqrt(80)


def test_failed_observations_are_in_no_figure(run_folder: Path) -> None:
    draws = storage.load_draws(run_folder / "data/draws/npe.safetensors")
    log_prob = draws.log_prob.copy()
    log_prob[:, :3] = np.nan
    broken = replace(draws, log_prob=log_prob)
    assert all(len(r.truth) == 77 for r in posteriors.recoveries("npe", broken))
    assert not list(posteriors.recoveries("npe", replace(draws, log_prob=log_prob * np.nan)))
