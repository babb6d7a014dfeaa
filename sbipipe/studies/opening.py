"""A finished run, opened where it lies.

Files of a run are named relative to the folder that holds `params.yaml`, so each time one of them
is read, that folder is the working directory of the process for as long: not something to do from
several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from sbipipe import paths, plugins, project, storage
from sbipipe.config import Params, read_params
from sbipipe.interfaces import Array, Weights
from sbipipe.posteriors import file as posterior_file
from sbipipe.posteriors.chosen import NOBODY, diagnosis_of
from sbipipe.posteriors.infer import Surroundings
from sbipipe.protocols import Conditioned, Posterior, Reader, Simulator
from sbipipe.records import InputError
from sbipipe.studies.study import Simulate, Study

P = ParamSpec("P")
T = TypeVar("T")


def open_run(folder: str | Path, simulator: str | None = None) -> Study:
    """The estimators of a finished run.

    Args:
        folder: What holds `params.yaml`.
        simulator: The entry of `simulate:` whose estimators are meant, where there are several.

    Raises:
        InputError: If there is no finished run, or its simulators are several and none is named.
    """
    where = Path(folder).resolve()
    if not (where / "params.yaml").exists():
        raise InputError(f"{folder}: holds no params.yaml")
    return _inside(where, _open)(where, simulator)


def _open(where: Path, simulator: str | None) -> Study:
    params = read_params()
    of = _simulator(params, simulator)
    names = params.tested_on[of]
    untrained = [name for name in names if not paths.weights_path(name).exists()]
    if untrained:
        raise InputError(*(f"train.{n}: it is not trained yet; run dvc repro" for n in untrained))
    verdicts = {name: diagnosis_of(name) for name in names}
    observed, around = storage.open_set(paths.SETS / of), Surroundings(params=params)

    def posterior(name: str) -> Posterior:
        return _There(posterior=project.posterior_on(params, name, of), where=where)

    def places(name: str, x: Array) -> Mapping[str, Array]:
        return around.places(params.set_of(name), x)

    return Study(
        prior=plugins.prior_of(params, of),
        shape=observed.data.shape,
        verdicts=verdicts,
        attributes={
            name: {
                **posterior_file.of_estimator(params, name, verdict),
                "uncalibrated": int(not (verdict and verdict.published)),
            }
            for name, verdict in verdicts.items()
        },
        restore=_inside(where, posterior),
        places=_inside(where, places),
        simulate=_simulate(plugins.simulator(params, of)),
        seed=params.seed,
        remarks=tuple(observed.about.get("remarks", ())),
        estimators=tuple(params.estimators),
        exact=params.exact,
    )


def _simulate(simulator: Simulator | Reader) -> Simulate | None:
    """The first map of a simulation at each theta, where there is a simulator to ask."""
    if not isinstance(simulator, Simulator):
        return None
    return lambda theta, rng: simulator.simulate(theta, rng)[:: simulator.maps]


def _simulator(params: Params, given: str | None) -> str:
    allowed = tuple(params.tested_on)
    if not allowed:
        raise InputError(NOBODY)
    if given is None and len(allowed) == 1:
        return allowed[0]
    if given not in allowed:
        raise InputError(f"simulator: given {given}; allowed: {', '.join(allowed)}")
    return given


def _inside(where: Path, call: Callable[P, T]) -> Callable[P, T]:
    """The same call, made with the run's folder as the working directory."""

    def called(*args: P.args, **named: P.kwargs) -> T:
        with chdir(where):
            return call(*args, **named)

    return called


@dataclass(frozen=True, kw_only=True)
class _There:
    """A posterior that may read files of its run when it is given observations."""

    posterior: Posterior
    where: Path

    def at(self, x: Array) -> Conditioned:
        return _inside(self.where, self.posterior.at)(x)

    def digest(self, x: Array) -> Array:
        return _inside(self.where, self.posterior.digest)(x)

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        return self.posterior.log_ratio(theta, digest)

    @property
    def weights(self) -> Weights:
        return self.posterior.weights


__all__ = ["open_run"]
