"""Several observations of one universe, from the command line: their posterior by one estimator of
a finished run, judged on sets of as many simulations of the run's own simulator (`combining`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import sbipipe
from sbipipe.config import Params
from sbipipe.posteriors.portrait import Portrait
from sbipipe.posteriors.remarks import remarks
from sbipipe.records import InputError, dump
from sbipipe.sets.observation import read_observations

WARNING = (
    "the observations count as independent: maps of one box, or patches of one sky, are not, and "
    "their posterior would be too narrow"
)


def infer_together(
    params: Params,
    name: str,
    files: Sequence[Path],
    draws: int,
    row: int | None,
    uncalibrated: bool,
    tests: int,
) -> Portrait:
    """The one posterior of all observations that files hold.

    Args:
        name: The name of an estimator that is trained.
        files: What `read_observations` reads.
        draws: From the posterior.
        row: Which of several observations in each file, or all.
        uncalibrated: Use the estimator whatever the verdict on its sets.
        tests: The number of sets that are simulated for the gate.

    Raises:
        InputError: If there are fewer than two observations, no simulator to make sets with, or the
            verdict does not let the posterior out.
    """
    simulator = params.simulator_of(params.set_of(name))
    study = sbipipe.open(".", simulator)
    if study.simulate is None and not uncalibrated:
        raise InputError(
            f"--together: simulate.{simulator} makes no simulations to judge sets of observations "
            "with; sbipipe.combine(study, k, simulate) takes yours in Python, and --uncalibrated "
            "goes without a verdict"
        )
    fields, names = read_observations(files, study.shape, row)
    if len(fields) < 2:
        raise InputError("--together: given 1 observation; allowed: 2 or more")
    combined = sbipipe.combine(
        study,
        len(fields),
        estimators=[name],
        tests=tests,
        draw=dump(params.draw),
        gate=dump(params.gate),
        seed=params.seed,
    )
    posterior = combined.posterior(name, uncalibrated=uncalibrated)
    drawn = posterior.at(fields[None]).sample(draws).file
    called = f"{len(fields)} observations of one universe"
    about = {"observation": ", ".join(names), "observations": [called]}
    file = replace(drawn, attributes={**drawn.attributes, **about})
    return Portrait(
        estimator=name,
        recommended=None,
        estimators=tuple(params.estimators),
        exact=params.exact,
        names=(called,),
        prior=study.prior,
        files={name: file},
        nearby={name: ()},
        remarks=(*remarks(file), WARNING),
    )


__all__ = ["infer_together"]
