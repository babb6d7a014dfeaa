"""The posterior of a new observation, from an estimator that has been trained and judged.

The observation goes through the same summary as the training set. An estimator whose verdict does
not let it out is refused, unless the caller insists; then the file says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sbipipe import paths, plugins, project, storage
from sbipipe.config import Params
from sbipipe.evenly import evenly
from sbipipe.gate import uniformity
from sbipipe.gate.verdict import Verdict, Verdicts
from sbipipe.interfaces import Array
from sbipipe.posteriors import file as posterior_file
from sbipipe.posteriors.content import PosteriorFile
from sbipipe.posteriors.nearby import Nearby, nearby
from sbipipe.posteriors.novelty import either, features, places
from sbipipe.posteriors.portrait import Portrait
from sbipipe.posteriors.remarks import remarks
from sbipipe.records import InputError, load
from sbipipe.seeds import stream
from sbipipe.sets.observation import read_observations

PRIOR_DRAWS = 1000

ROWS = 5_000
"""Training rows that observations are set beside, at most."""


def infer(
    params: Params,
    name: str,
    files: Sequence[Path],
    draws: int,
    row: int | None,
    uncalibrated: bool,
) -> PosteriorFile:
    """Draws from the posterior of what files hold.

    Args:
        name: The estimator's name.
        files: What `read_observations` reads.
        draws: For each observation.
        row: Which of several observations, or all.
        uncalibrated: Use the estimator whatever its verdict.

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
    return _inferred(params, name, fields, names, draws, diagnosis)


def _inferred(
    params: Params,
    name: str,
    fields: Array,
    names: Sequence[str],
    draws: int,
    diagnosis: Verdict | None,
) -> PosteriorFile:
    """Draws of one estimator for observations (B, ...) of its simulator."""
    of = params.set_of(name)
    simulator = params.simulator_of(of)
    x = project.observe(params, of, fields)
    refuse_unscored(names, x)
    found = novelty(params, of, fields, x)
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


def portrait(params: Params, content: PosteriorFile) -> Portrait:
    """What a page shows of the observations of a posterior file that `infer` has made."""
    names = content.attributes["observations"]
    asked = str(content.attributes["estimator"])
    simulator = params.simulator_of(params.set_of(asked))
    fields = content.x if content.fields is None else content.fields
    files = {asked: content}
    for name in params.tested_on[simulator]:
        diagnosis = diagnosis_of(name)
        if name != asked and diagnosis is not None and diagnosis.published:
            draws = len(content.samples.draws)
            files[name] = _inferred(params, name, fields, names, draws, diagnosis)
    return Portrait(
        estimator=asked,
        names=tuple(names),
        prior=plugins.prior_of(params, simulator),
        files=files,
        nearby={name: _nearby(params, name, file) for name, file in files.items()},
        remarks=tuple(remarks(content)),
    )


def _nearby(params: Params, name: str, file: PosteriorFile) -> tuple[Nearby, ...]:
    """What the test simulations near each observation say of an estimator."""
    tested = storage.load_draws(paths.DRAWS / f"{name}.safetensors")
    x, observed = project.test_rows(params, params.set_of(name)).x, file.x
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


def beside(params: Params, of: str, fields: Array, x: Array) -> tuple[str, Array]:
    """The set beside whose training rows an observation is looked at, and the observation as that
    set holds it: the estimator's own, or its simulator's where that has no training rows."""
    made = params.emulate.get(of)
    scored = made is None or {"train", "valid"} <= set(made.score)
    return (of, x) if scored else (params.simulator_of(of), fields)


def known(params: Params, name: str) -> None:
    """Refuse an estimator that does not exist or is not trained; raises InputError."""
    if name in params.emulate:
        raise InputError(
            f"--estimator: given {name!r}, an emulator; allowed: an estimator, "
            f"{', '.join(params.estimators)} (of kind surface for an emulator that can score)"
        )
    if name not in params.estimators:
        raise InputError(f"--estimator: given {name!r}; allowed: {', '.join(params.estimators)}")
    if not (paths.ESTIMATORS / f"{name}.safetensors").exists():
        raise InputError(f"train.{name}: it is not trained yet; run dvc repro first")


def diagnosis_of(name: str) -> Verdict | None:
    """The verdict on a trained estimator, from `coverage.json`.

    One that was trained again since it was judged has none, as one never judged.
    """
    if not paths.COVERAGE.exists():
        return None
    verdicts = load(Verdicts, storage.load_json(paths.COVERAGE), paths.COVERAGE)
    diagnosis = verdicts.estimators.get(name)
    weights = paths.ESTIMATORS / f"{name}.safetensors"
    if diagnosis is None or diagnosis.estimator_hash != storage.file_hash(weights):
        return None
    return diagnosis


def novelty(params: Params, of: str, fields: Array, x: Array) -> dict[str, Array]:
    """Where each observation lies among the rows that an estimator was trained on (`places`), and,
    where it reads a summary, as a whole among those of its simulator: a summary may be blind.

    Args:
        of: The training set.
        fields: With shape (B, L) or (B, C, *space).
        x: What the estimator reads of them, with shape (B, M) or (B, C, *space).
    """
    own, given = beside(params, of, fields, x)
    found = _places(params, own, given)
    simulator = params.simulator_of(of)
    if own == simulator or np.array_equal(given, fields):
        return found
    return either(found, _places(params, simulator, fields))


def _places(params: Params, of: str, x: Array) -> dict[str, Array]:
    """Where observations lie among rows of a set, of which no more than `ROWS` are read."""
    held_out = project.rows(params, of, "valid").one_per_group(stream(params.seed, "novelty", of))
    train: Any = storage.open_split(paths.SETS / of, "train")["x"]
    some = np.asarray(train.oindex[evenly(train.shape[0], ROWS)])
    return places(some, held_out.x, x)
