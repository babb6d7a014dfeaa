"""Contenders are given the same rows, and scored by distances that know what is equal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from contenders import CONTENDERS, Pipeline, Task
from contenders.sbi_package import in_torch
from contenders.score import CLASSIFIERS, score, two_samples
from problems import PROBLEMS
from sbipipe import plugins
from sbipipe.seeds import stream

QUICK = '{"density": "zuko_maf", "hidden": 8, "optimisation": {"steps": 10}}'


def task(folder: Path, tests: int = 0) -> Task:
    return Task(name="gaussian_mixture", size=200, tests=tests, calibrate=30, references=folder)


def test_every_recalibration_of_every_estimator_is_a_contender() -> None:
    for mended in plugins.kinds("recalibrations"):
        assert {f"{kind}+{mended}" for kind in ("npe", "nle", "nre")} <= set(CONTENDERS)


def test_a_tenth_of_the_simulations_stops_training(tmp_path: Path) -> None:
    one = task(tmp_path)
    train, valid = one.split("train"), one.split("valid")
    assert (len(train), len(valid), len(one.split("calibrate"))) == (180, 20, 30)
    both = np.concatenate([valid.theta, train.theta])
    np.testing.assert_array_equal(both, one.simulations.theta)


def test_reference_is_kept_and_read_again(tmp_path: Path) -> None:
    first, again = task(tmp_path).reference, task(tmp_path).reference
    assert (tmp_path / "gaussian_mixture.npz").exists()
    np.testing.assert_array_equal(first.draws, again.draws)
    assert first.draws.shape == (2000, 5, 2)


def test_reference_of_other_observations_is_refused(tmp_path: Path) -> None:
    reference = task(tmp_path).reference
    x = np.zeros((5, 2))
    path = tmp_path / "gaussian_mixture.npz"
    np.savez(path, x=x, draws=reference.draws, log_prob=reference.log_prob)
    with pytest.raises(ValueError, match="holds other observations; delete it"):
        _ = task(tmp_path).reference


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_classifiers_know_equal_from_shifted(classifier: str) -> None:
    a, b = stream(3, "draws").standard_normal((2, 500, 2))
    assert abs(two_samples(a, b, classifier, 0) - 0.5) < 4 * 0.5 / np.sqrt(1000)
    assert two_samples(a, b + 2, classifier, 0) > 0.8
    assert two_samples(a, np.full_like(b, np.nan), classifier, 0) == 1


def test_a_contender_is_scored(tmp_path: Path) -> None:
    found = score(task(tmp_path, tests=50), "npe", Pipeline(kind="npe", config=QUICK), "smooth")
    assert 0.5 < found.c2st_median <= 1
    assert np.mean(found.kl) > 0
    assert found.judged is not None
    assert np.isfinite(found.judged.nats)
    assert found.training.cpu > 0


@pytest.mark.parametrize("name", PROBLEMS)
def test_priors_are_the_same_in_torch(name: str) -> None:
    prior = PROBLEMS[name].prior
    theta = prior.sample(20, stream(3, name))
    found = in_torch(prior).log_prob(torch.as_tensor(theta, dtype=torch.float32))
    np.testing.assert_allclose(found.numpy(), prior.log_prob(theta), rtol=1e-4, atol=1e-4)
