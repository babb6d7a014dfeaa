"""The posterior of a new observation, from an estimator that has been trained and judged.

The observation goes through the same summary as the training set. An estimator whose verdict does
not let it out is refused, unless the caller insists; then the file says so.

Estimators of one simulator read few sets between them, and reading and measuring training rows
takes longer than drawing. So the page of an observation, which shows every published estimator,
and a study, which is asked again and again, keep what they have found around it (`Surroundings`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from sbipipe import paths, plugins, project, storage
from sbipipe.config import Params
from sbipipe.evenly import evenly
from sbipipe.gate import uniformity
from sbipipe.gate.verdict import Verdict
from sbipipe.interfaces import Array, Dataset
from sbipipe.posteriors import file as posterior_file
from sbipipe.posteriors.chosen import diagnosis_of, known, recommended, unchanged
from sbipipe.posteriors.content import PosteriorFile
from sbipipe.posteriors.nearby import Nearby, nearby
from sbipipe.posteriors.novelty import Neighbourhood, among, features, neighbourhood
from sbipipe.posteriors.portrait import Portrait
from sbipipe.posteriors.remarks import remarks
from sbipipe.records import InputError
from sbipipe.seeds import stream
from sbipipe.sets.observation import read_observations

PRIOR_DRAWS = 1000

ROWS = 5_000
"""Training rows that observations are set beside, at most."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The sets of a run, as far as they were asked for.

    Attributes:
        params: The parameters of the run.
    """

    params: Params
    _found: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def observe(self, of: str, fields: Array) -> Array:
        """What a set would hold of observations (B, ...) of its simulator; those asked for last are
        kept."""
        asked = posterior_file.observation_hash(fields)
        kept, x = self._found.get(("observed", of), (None, None))
        if kept != asked:
            x = project.observe(self.params, of, fields)
            self._found["observed", of] = asked, x
        return cast(Array, x)

    def test_rows(self, of: str) -> Dataset:
        """The test simulations of a set."""
        return self._once(("test", of), lambda: project.test_rows(self.params, of))

    def places(self, of: str, fields: Array) -> dict[str, Array]:
        """Where each observation lies among the rows that an estimator was trained on, and, where
        it reads a summary, as a whole among those of its simulator (`novelty.among`).

        Args:
            of: The training set.
            fields: With shape (B, L) or (B, C, *space).
        """
        simulator = self.params.simulator_of(of)
        own = of if self._has_training_rows(of) else simulator
        read = self.observe(own, fields)
        return among(partial(self._measured, own), partial(self._measured, simulator), read, fields)

    def _has_training_rows(self, of: str) -> bool:
        made = self.params.emulate.get(of)
        return made is None or {"train", "valid"} <= set(made.score)

    def _measured(self, of: str) -> Neighbourhood:
        return self._once(("rows", of), lambda: _measure(self.params, of))

    def _once(self, key: Hashable, find: Callable[[], T]) -> T:
        if key not in self._found:
            self._found[key] = find()
        return cast(T, self._found[key])


def _measure(params: Params, of: str) -> Neighbourhood:
    """The training rows of a set, of which no more than `ROWS` are read."""
    held_out = project.rows(params, of, "valid").one_per_group(stream(params.seed, "novelty", of))
    train: Any = storage.open_split(paths.SETS / of, "train")["x"]
    some = np.asarray(train.oindex[evenly(train.shape[0], ROWS)])
    return neighbourhood(some, held_out.x)


def infer(
    params: Params,
    name: str,
    files: Sequence[Path],
    draws: int,
    row: int | None,
    uncalibrated: bool,
    around: Surroundings | None = None,
) -> PosteriorFile:
    """Draws from the posterior of what files hold.

    Args:
        name: The estimator's name.
        files: What `read_observations` reads.
        draws: For each observation.
        row: Which of several observations, or all.
        uncalibrated: Use the estimator whatever its verdict.
        around: The sets of the run, as far as they were read before.

    Raises:
        InputError: If there is no such estimator, its verdict does not let it out, or the
            observation is none that it can take.
    """
    known(params, name)
    diagnosis = diagnosis_of(name)
    published = diagnosis is not None and diagnosis.published
    if not (published or uncalibrated):
        raise InputError(
            f"train.{posterior_file.refusal(name, diagnosis)}; --uncalibrated uses it all the same",
            *posterior_file.advised(name, diagnosis),
        )
    simulator = params.simulator_of(params.set_of(name))
    shape = storage.open_set(paths.SETS / simulator).data.shape
    fields, names = read_observations(files, shape, row)
    around = around or Surroundings(params=params)
    return _inferred(around, name, fields, names, draws, diagnosis)


def _inferred(
    around: Surroundings,
    name: str,
    fields: Array,
    names: Sequence[str],
    draws: int,
    diagnosis: Verdict | None,
) -> PosteriorFile:
    """Draws of one estimator for observations (B, ...) of its simulator."""
    params = around.params
    of = params.set_of(name)
    simulator = params.simulator_of(of)
    x = around.observe(of, fields)
    refuse_unscored(names, x)
    found = around.places(of, fields)
    rng = stream(params.seed, "infer", name, posterior_file.observation_hash(fields))
    samples = project.posterior(params, name).at(x).sample(draws, rng)
    prior = plugins.prior_of(params, simulator)
    published = diagnosis is not None and diagnosis.published
    return PosteriorFile(
        parameters=prior.names,
        samples=samples,
        x=x,
        fields=None if of == simulator else fields,
        prior=prior.sample(PRIOR_DRAWS, stream(params.seed, "prior", simulator)),
        nuisance=prior.nuisance,
        fixed=prior.fixed,
        novelty=found,
        diagnosis=diagnosis,
        attributes={
            **posterior_file.attributes(params, name, diagnosis, fields),
            "uncalibrated": int(not published),
            "observation": ", ".join(names),
            "observations": list(names),
        },
    )


def portrait(
    params: Params, content: PosteriorFile, around: Surroundings | None = None
) -> Portrait:
    """What a page shows of the observations of a posterior file that `infer` has made.

    Args:
        around: The sets of the run, as far as they were read before.
    """
    around = around or Surroundings(params=params)
    names = content.attributes["observations"]
    asked = str(content.attributes["estimator"])
    simulator = params.simulator_of(params.set_of(asked))
    fields = content.x if content.fields is None else content.fields
    files, same = {asked: content}, unchanged(params)
    for name in params.tested_on[simulator]:
        diagnosis = diagnosis_of(name)
        if name not in (asked, *same) and diagnosis is not None and diagnosis.published:
            draws = len(content.samples.draws)
            files[name] = _inferred(around, name, fields, names, draws, diagnosis)
    return Portrait(
        estimator=asked,
        recommended=recommended(params, simulator),
        estimators=tuple(params.estimators),
        exact=params.exact,
        names=tuple(names),
        prior=plugins.prior_of(params, simulator),
        files=files,
        nearby={name: _nearby(around, name, file) for name, file in files.items()},
        same={name: of for name, of in same.items() if name in params.tested_on[simulator]},
        remarks=tuple(remarks(content)),
    )


def _nearby(around: Surroundings, name: str, file: PosteriorFile) -> tuple[Nearby, ...]:
    """What the test simulations near each observation say of an estimator."""
    params = around.params
    tested = storage.load_draws(paths.DRAWS / f"{name}.safetensors")
    x, observed = around.test_rows(params.set_of(name)).x, file.x
    if x.ndim > 2:
        x, observed = features(x), features(observed)
    rng = stream(params.seed, "nearby", name)
    judged = uniformity.fail_few(tested, params.gate.fewest_draws)
    return nearby(judged, x, observed, file.samples.draws, rng)


def refuse_unscored(names: Sequence[str], x: Array) -> None:
    """Raise InputError for observations that an emulator could not score."""
    lost = np.flatnonzero(~np.isfinite(x).reshape(len(x), -1).all(1))
    if len(lost):
        lines = (f"{names[int(b)]}: too sharp for the emulator's polynomials" for b in lost)
        raise InputError(*lines)
