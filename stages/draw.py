"""Stage `draw`: a fitted estimator -> data/draws/<name>, its draws for the test simulations."""

import time

import numpy as np

from sbipipe import plugins, project, runtime, storage
from sbipipe.config import read_params
from sbipipe.gate.controls import controls
from sbipipe.interfaces import PosteriorDraws
from sbipipe.seeds import stream


def main(name: str) -> None:
    params = read_params()
    of = params.train[name].of
    test = project.test_rows(params, of)
    prior = plugins.simulator(params, params.simulator_of(of)).prior
    start = time.perf_counter()
    conditioned = project.posterior(params, name).at(test.x)
    samples = conditioned.sample(params.draw.draws, stream(params.seed, "draw", name))
    seconds = (time.perf_counter() - start) / len(test)

    preimages = {c.name: c.preimage(test.theta, samples.draws) for c in controls(params.draw)}
    log_prob = conditioned.log_prob(np.stack([test.theta, *preimages.values()]))
    draws = PosteriorDraws(
        parameters=prior.names,
        theta=test.theta,
        draws=samples.draws,
        log_prob=samples.log_prob,
        log_prob_truth=log_prob[0],
        log_prob_controls=dict(zip(preimages, log_prob[1:], strict=True)),
        effective_sample_size=samples.effective_sample_size,
        prior_variance=prior.variance,
        seconds=seconds,
    )
    storage.save_draws(project.DRAWS / f"{name}.safetensors", draws)


if __name__ == "__main__":
    runtime.main(main)
