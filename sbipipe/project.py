"""Where the files of a run lie, and how the objects behind them come back.

Paths are relative to the folder that holds `params.yaml`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sbipipe import plugins, storage
from sbipipe.config import Params
from sbipipe.interfaces import (
    Dataset,
    HasLikelihood,
    InputError,
    LogLikelihood,
    Posterior,
    Summariser,
)
from sbipipe.seeds import stream

SETS = Path("data/sets")
SET_ASIDE = Path("data/set_aside")
ESTIMATORS = Path("data/estimators")
DRAWS = Path("data/draws")
EMULATIONS = Path("data/emulations")
DIAGNOSES = Path("data/diagnoses")
HISTORIES = Path("data/histories")
CHECKPOINTS = Path("data/checkpoints")
REPORTS = Path("reports")
POSTERIORS = REPORTS / "posteriors"
WITHHELD = REPORTS / "withheld"
COVERAGE = REPORTS / "coverage.json"
EMULATION = REPORTS / "emulation.json"


def history_path(section: str, name: str) -> Path:
    """Where the stage of an entry records how its work went: apart from its results, so that a
    slower machine re-runs nothing."""
    return HISTORIES / f"{section}.{name}.json"


def posterior_path(name: str, published: bool) -> Path:
    """Where the posterior file of an estimator lies, which depends on its verdict."""
    return (POSTERIORS if published else WITHHELD) / f"{name}.nc"


def emulation_path(name: str) -> Path:
    """Where the fields that an estimator drew lie."""
    return EMULATIONS / f"{name}.safetensors"


def log_likelihood(params: Params, of: str) -> LogLikelihood | None:
    """The exact log-likelihood of a set of fields, where its simulator offers one."""
    if of not in params.simulate:
        return None
    simulator = plugins.simulator(params, of)
    return simulator.log_likelihood if isinstance(simulator, HasLikelihood) else None


def rows(params: Params, of: str, split: str) -> Dataset:
    """A split of a set."""
    found = storage.open_set(SETS / of).split(split)
    return replace(found, log_likelihood=log_likelihood(params, of))


def test_rows(params: Params, of: str) -> Dataset:
    """One randomly chosen row of every test simulation; the same for every set made of it."""
    simulator = params.simulator_of(of)
    return rows(params, of, "test").one_per_group(stream(params.seed, "test row", simulator))


def calibrate_rows(params: Params, name: str) -> Dataset:
    """What the estimator of the entry `train.<name>` is recalibrated on.

    Raises:
        InputError: If no simulation is kept for that.
    """
    of = params.train[name].of
    found = rows(params, of, "calibrate")
    if not len(found):
        raise InputError(needs_calibrate(name, params.simulator_of(of)))
    return found


def needs_calibrate(name: str, simulator: str) -> str:
    """The line for an entry that is to be recalibrated on nothing."""
    return (
        f"simulate.{simulator}.simulations.calibrate: given 0; "
        f"allowed with train.{name}.config.temper: more"
    )


def posterior(params: Params, name: str) -> Posterior:
    """The fitted estimator of the entry `train.<name>`.

    Raises:
        InputError: If it is not trained, or the prior's names have changed order since.
    """
    of = params.train[name].of
    prior = plugins.simulator(params, params.simulator_of(of)).prior
    trained = tuple(storage.open_set(SETS / of).about["parameters"])
    if prior.names != trained:
        raise InputError(
            f"simulate.{params.simulator_of(of)}: given parameters {', '.join(prior.names)}; "
            f"{SETS / of} was made with {', '.join(trained)}: delete that folder"
        )
    weights = storage.load_weights(ESTIMATORS / f"{name}.safetensors")
    return plugins.estimator(params, name).restore(weights, prior, log_likelihood(params, of))


def summariser(params: Params, name: str) -> Summariser:
    """The fitted summary of the entry `summarise.<name>`."""
    weights = storage.load_weights(SETS / name / "summary.safetensors")
    return plugins.summary(params, name).restore(weights)
