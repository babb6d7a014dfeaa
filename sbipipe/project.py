"""What the files of a run hold (`paths`), as the objects that they were written from."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np

from sbipipe import plugins, runtime, storage
from sbipipe.config import Params
from sbipipe.interfaces import SPLITS, Array, Dataset, LogLikelihood, Weights
from sbipipe.paths import EMULATORS, SETS, weights_path
from sbipipe.posteriors.observed import Observed
from sbipipe.protocols import (
    Emulator,
    HasLikelihood,
    Posterior,
    Recalibration,
    Scores,
    Summariser,
    Targeted,
)
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
        raise InputError(f"{SETS / of}: {_unscored(params, of)}")
    return replace(found.split(split), log_likelihood=log_likelihood(params, of))


def _unscored(params: Params, of: str) -> str:
    """The line, after the folder, for an emulator that has scored nothing."""
    if not params.emulate[of].score:
        return f"emulate.{of}.score: given no split; allowed: {', '.join(SPLITS)}"
    return cannot_score(of, params.emulate[of].kind)


def cannot_score(emulator: str, kind: str) -> str:
    """The line for an estimator of an emulator that only draws, after the key."""
    return (
        f"given {emulator!r}, an emulator of kind {kind}, which cannot score fields; "
        f"allowed: an emulator that can ({_scoring()}), a summary or a simulator"
    )


def _scoring() -> str:
    """The kinds of emulators that score."""
    classes = {kind: plugins.plugin_class("emulators", kind) for kind in plugins.kinds("emulators")}
    return ", ".join(f"kind {kind}" for kind, cls in classes.items() if cls.scores)


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
        raise InputError(needs_calibrate(name, params.simulator_of(of), 0))
    return found


def needs_calibrate(name: str, simulator: str, given: int, fewest: int = 1) -> str:
    """The line for an estimator that is to be recalibrated on too few simulations."""
    allowed = "more" if fewest == 1 else f"at least {fewest}"
    return (
        f"simulate.{simulator}.simulations.calibrate: given {given}; allowed with "
        f"recalibrate.{name}: {allowed}"
    )


def stamped(weights: Weights, params: Params, name: str) -> Weights:
    """An estimator's weights with a hash of the rows, the code and the other weights they were made
    from, so that the file changes with these, and all that depends on the file is made again."""
    kind = params.estimators[name].kind
    family = plugins.FAMILIES[params.section_of(name)]
    code = fingerprint.of_code(plugins.plugin_class(family, kind).__module__)
    others = [storage.file_hash(weights_path(one)) for one in params.mends(name)]
    made_from = storage.joint_hash(identity(params, params.set_of(name)), *code.values(), *others)
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
    prior = plugins.prior_of(params, of)
    weights = storage.load_weights(weights_path(name))
    if name in params.recalibrate:
        raw = posterior_on(params, params.recalibrate[name].of, of)
        return recalibration(params, name).restore(weights, raw, prior)
    return plugins.estimator(params, name).restore(
        weights, prior, log_likelihood(params, of), device=runtime.device(params.runtime)
    )


def posterior_on(params: Params, name: str, of: str) -> Posterior:
    """A fitted estimator, as one of the rows of its own set or of its simulator's.

    Args:
        of: Either set.
    """
    own, found = params.set_of(name), posterior(params, name)
    return found if own == of else Observed(posterior=found, observe=partial(observe, params, own))


def recalibration(params: Params, name: str) -> Recalibration:
    """The recalibration of the entry `recalibrate.<name>`, towards its target where it has one.

    Raises:
        InputError: If it has a target and should have none, or the other way round.
    """
    kind, entry = plugins.recalibration(params, name), params.recalibrate[name]
    problem = targeted(params, name, kind)
    if problem:
        raise InputError(problem)
    if entry.target is None:
        return cast(Recalibration, kind)
    return cast(Targeted, kind).towards(posterior_on(params, entry.target, params.set_of(name)))


def targeted(params: Params, name: str, kind: Recalibration | Targeted) -> str | None:
    """The line for a target that is not there, or is none; or nothing."""
    entry, where = params.recalibrate[name], f"recalibrate.{name}.target"
    simulator = params.simulator_of(params.set_of(entry.of))
    others = [one for one in params.tested_on[simulator] if one in params.train and one != entry.of]
    if not isinstance(kind, Targeted):
        given = f"{where}: given {entry.target!r}; allowed for kind {entry.kind}: none"
        return given if entry.target is not None else None
    if entry.target in others:
        return None
    given = "missing" if entry.target is None else f"given {entry.target!r}"
    allowed = ", ".join(others) or f"another estimator of {simulator}, of which there is none"
    return f"{where}: {given}; allowed: {allowed}"


def summariser(params: Params, name: str) -> Summariser:
    """The fitted summary of the entry `summarise.<name>`."""
    weights = storage.load_weights(SETS / name / "summary.safetensors")
    device = runtime.device(params.runtime)
    return plugins.summary(params, name).restore(weights, device=device)


def emulator(params: Params, name: str) -> Emulator:
    """The fitted emulator of the entry `emulate.<name>`."""
    prior = plugins.prior_of(params, params.simulator_of(name))
    weights = storage.load_weights(EMULATORS / f"{name}.safetensors")
    return plugins.emulator(params, name).restore(
        weights, prior, device=runtime.device(params.runtime)
    )


def observe(params: Params, of: str, x: Array) -> Array:
    """What the set `of` would hold of rows x of its simulator, with shape (B, ...).

    Raises:
        InputError: If the set is of an emulator that cannot score.
    """
    if of in params.simulate or of in params.imitate:
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
