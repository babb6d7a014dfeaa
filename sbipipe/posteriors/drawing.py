"""Draws from the posteriors of the test simulations: what the diagnostics judge."""

from __future__ import annotations

import time

import numpy as np

from sbipipe.config import Draw
from sbipipe.gate.controls import controls
from sbipipe.interfaces import Dataset, Generator, PosteriorDraws
from sbipipe.posteriors.given import given
from sbipipe.progress import phase
from sbipipe.protocols import Posterior, Prior


def draw(
    posterior: Posterior, test: Dataset, prior: Prior, settings: Draw, rng: Generator
) -> PosteriorDraws:
    """Draws for each row of `test`, with the densities that the gate needs."""
    start = time.perf_counter()
    conditioned = posterior.at(test.x)
    samples = conditioned.sample(settings.draws, rng)
    seconds = (time.perf_counter() - start) / len(test)
    preimages = {c.name: c.preimage(test.theta, samples.draws) for c in controls(settings)}
    with phase("truth and controls"):
        log_prob = conditioned.log_prob(np.stack([test.theta, *preimages.values()]))
    return PosteriorDraws(
        parameters=prior.names,
        theta=test.theta,
        draws=samples.draws,
        log_prob=samples.log_prob,
        log_prob_truth=log_prob[0],
        log_prior_truth=prior.log_prob(test.theta),
        log_prob_controls=dict(zip(preimages, log_prob[1:], strict=True)),
        effective_sample_size=samples.effective_sample_size,
        prior_variance=prior.variance,
        seconds=seconds,
        figures=samples.figures,
        given=given(test),
    )
