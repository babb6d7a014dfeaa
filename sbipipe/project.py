"""What the files of a run hold (`paths`), as the objects that they were written from."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import cast

import numpy as np

from sbipipe import as_drawn, plugins, runtime, storage
from sbipipe.as_drawn import AsDrawn
from sbipipe.config import Params
from sbipipe.interfaces import Array, Dataset, LogLikelihood, Weights
from sbipipe.paths import EMULATORS, ESTIMATORS, SETS
from sbipipe.protocols import Emulator, HasLikelihood, Posterior, Prior, Scores, Summariser
from sbipipe.records import InputError
from sbipipe.seeds import stream
from sbipipe.sets import fingerprint


def log_likelihood(params: Params, of: str) -> LogLikelihood | None:
    """The exact log-likelihood of a set of fields, where its simulator offers one."""
    if of not in params.simulate:
        return None
    simulator = plugins.simulator(params, of)
    return simulator.log_likelihood if isinstance(simulator, HasLikelihood) else None


def rows(params: Params, of: str, split: str) -> Dataset:
    """A split of a set.

    Raises:
        InputError: If the set was made without it.
    """
    found = storage.open_set(SETS / of)
    if "unscored" in found.about:
        raise InputError(f"{SETS / of}: {cannot_score(of, params.emulate[of].kind)}")
    return replace(found.split(split), log_likelihood=log_likelihood(params, of))


def cannot_score(emulator: str, kind: str) -> str:
    """The line for an estimator of an emulator that only draws, after the key."""
    return (
        f"given {emulator!r}, an emulator of kind {kind}, which cannot score fields; "
        "allowed: an emulator that can, a summary or a simulator"
    )


def test_rows(params: Params, of: str) -> Dataset:
    """One randomly chosen row of every test simulation; the same for every set made of it."""
    simulator = params.simulator_of(of)
    return rows(params, of, "test").one_per_group(stream(params.seed, "test row", simulator))


def calibrate_rows(params: Params, name: str) -> Dataset:
    """What the entry `recalibrate.<name>` is fitted to.

    Raises:
        InputError: If no simulation is kept for that.
    """
    of = params.set_of(name)
    found = rows(params, of, "calibrate")
    if not len(found):
        raise InputError(needs_calibrate(name, params.simulator_of(of)))
    return found


def needs_calibrate(name: str, simulator: str) -> str:
    """The line for an estimator that is to be recalibrated on nothing."""
    return (
        f"simulate.{simulator}.simulations.calibrate: given 0; allowed with recalibrate.{name}: "
        "more"
    )


def prior_of(params: Params, of: str) -> Prior:
    """The prior behind a set: what is declared, or was estimated when its simulations were read.

    Raises:
        InputError: If its names have changed order since the set was made.
    """
    simulator = params.simulator_of(of)
    declared = plugins.simulator(params, simulator).prior
    prior = _estimated(simulator) if isinstance(declared, AsDrawn) else cast(Prior, declared)
    made = tuple(storage.open_set(SETS / of).about["parameters"])
    if prior.names != made:
        raise InputError(
            f"simulate.{simulator}: given parameters {', '.join(prior.names)}; "
            f"{SETS / of} was made with {', '.join(made)}: delete that folder"
        )
    return prior


def _estimated(simulator: str) -> Prior:
    """The prior that was estimated when simulations were read."""
    about = storage.open_set(SETS / simulator).about
    if "prior" not in about:
        raise InputError(f"{SETS / simulator}: made with another prior; delete that folder")
    return as_drawn.read(about["prior"])


def stamped(weights: Weights, params: Params, name: str) -> Weights:
    """An estimator's weights with a hash of the rows and the code they were made from, so that the
    file changes with these, and all that depends on the file is made again."""
    kind = params.estimators[name].kind
    family = plugins.FAMILIES[params.section_of(name)]
    code = fingerprint.of_code(plugins.plugin_class(family, kind).__module__)
    made_from = storage.joint_hash(identity(params, params.set_of(name)), *code.values())
    return replace(weights, meta={**weights.meta, "made_from": made_from})


def identity(params: Params, of: str) -> str:
    """Equal for sets with equal rows."""
    about = storage.open_set(SETS / of).about
    return storage.joint_hash(
        about["fingerprint"], json.dumps(about["simulations"], sort_keys=True), str(params.seed)
    )


def posterior(params: Params, name: str) -> Posterior:
    """A fitted estimator.

    Raises:
        InputError: If it is not trained, the prior's names have changed order since, or there is
            no such device.
    """
    of = params.set_of(name)
    prior = prior_of(params, of)
    weights = storage.load_weights(ESTIMATORS / f"{name}.safetensors")
    if name in params.recalibrate:
        mended = posterior(params, params.recalibrate[name].of)
        return plugins.recalibration(params, name).restore(weights, mended, prior)
    return plugins.estimator(params, name).restore(
        weights, prior, log_likelihood(params, of), device=runtime.device(params.runtime)
    )


def summariser(params: Params, name: str) -> Summariser:
    """The fitted summary of the entry `summarise.<name>`."""
    weights = storage.load_weights(SETS / name / "summary.safetensors")
    device = runtime.device(params.runtime)
    return plugins.summary(params, name).restore(weights, device=device)


def emulator(params: Params, name: str) -> Emulator:
    """The fitted emulator of the entry `emulate.<name>`."""
    prior = prior_of(params, params.simulator_of(name))
    weights = storage.load_weights(EMULATORS / f"{name}.safetensors")
    return plugins.emulator(params, name).restore(
        weights, prior, device=runtime.device(params.runtime)
    )


def observe(params: Params, of: str, x: Array) -> Array:
    """What the set `of` would hold of rows x of its simulator, with shape (B, ...).

    Raises:
        InputError: If the set is of an emulator that cannot score.
    """
    if of in params.simulate:
        return x
    if of in params.summarise:
        return summariser(params, of)(x)
    if of in params.join:
        entry = params.join[of]
        return np.concatenate([observe(params, one, x) for one in (entry.of, entry.beside)], 1)
    found = emulator(params, of)
    if not isinstance(found, Scores):
        raise InputError(f"{SETS / of}: {cannot_score(of, params.emulate[of].kind)}")
    return found.surfaces(x)
