"""The posterior of a new observation, from an estimator that has been trained and judged.

The observation goes through the same summary as the training set. An estimator whose verdict does
not let it out is refused, unless the caller insists; then the file says so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sbipipe import paths, plugins, project, storage
from sbipipe.config import Params
from sbipipe.gate.verdict import Verdict, Verdicts
from sbipipe.interfaces import Array, Index
from sbipipe.posteriors import file as posterior_file
from sbipipe.posteriors.file import PosteriorFile
from sbipipe.posteriors.novelty import Novelty
from sbipipe.records import InputError, load
from sbipipe.seeds import stream
from sbipipe.sets.observation import read_observation

PRIOR_DRAWS = 1000

_TINY = float(np.finfo(np.float32).tiny)


def infer(
    params: Params, name: str, path: Path, draws: int, row: int | None, uncalibrated: bool
) -> PosteriorFile:
    """Draws from the posterior of what a file holds.

    Args:
        name: The estimator's name.
        path: What `read_observation` reads.
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
        raise InputError(refusal(name, diagnosis), *posterior_file.advised(name, diagnosis))
    of = params.set_of(name)
    simulator = params.simulator_of(of)
    shape = storage.open_set(paths.SETS / simulator).data.shape
    fields = read_observation(path, shape, row)
    x = project.observe(params, of, fields)
    refuse_unscored(path, x)

    found = novelty(params, *beside(params, of, fields, x))
    rng = stream(params.seed, "infer", name, posterior_file.observation_hash(fields))
    samples = project.posterior(params, name).at(x).sample(draws, rng)
    prior = plugins.prior_of(params, simulator)
    attributes = posterior_file.attributes(params, name, diagnosis, fields)
    return PosteriorFile(
        parameters=prior.names,
        samples=samples,
        x=x,
        fields=None if of == simulator else fields,
        prior=prior.sample(PRIOR_DRAWS, stream(params.seed, "prior", simulator)),
        novelty=found,
        diagnosis=diagnosis,
        attributes={
            **attributes,
            "uncalibrated": int(not published),
            "observation": str(path),
        },
    )


def refuse_unscored(path: Path, x: Array) -> None:
    """Raise InputError for observations that an emulator could not score."""
    lost = np.flatnonzero(~np.isfinite(x).reshape(len(x), -1).all(1))
    if len(lost):
        raise InputError(f"{path}: {_numbered(lost)} are too sharp for the emulator's polynomials")


def beside(params: Params, of: str, fields: Array, x: Array) -> tuple[str, Array]:
    """The set beside whose training rows an observation is looked at, and the observation as that
    set holds it: the estimator's own, or its simulator's where that has no training rows."""
    made = params.emulate.get(of)
    scored = made is None or {"train", "valid"} <= set(made.score)
    return (of, x) if scored else (params.simulator_of(of), fields)


def known(params: Params, name: str) -> None:
    """Refuse an estimator that does not exist or is not trained; raises InputError."""
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


def refusal(name: str, diagnosis: Verdict | None) -> str:
    """Why an estimator may not be used, and how to use it all the same."""
    return (
        f"train.{name}: its posteriors are not published, for the verdict is "
        f"{posterior_file.outcome(diagnosis)} ({posterior_file.reasons(diagnosis)}); "
        f"--uncalibrated uses it all the same"
    )


def novelty(params: Params, of: str, x: Array) -> dict[str, Array]:
    """Where each observation lies among the rows that an estimator was trained on.

    Fields are compared by their `features`.

    Args:
        of: The training set.
        x: With shape (B, L) or (B, C, *space).

    Returns:
        For each observation the percentile of its distances among held-out simulations, and
        `outside`, 1 or 0; each with shape (B,).
    """
    rng = stream(params.seed, "novelty", of)
    train = project.rows(params, of, "train").x
    valid = project.rows(params, of, "valid").one_per_group(rng).x
    if x.ndim > 2:
        train, valid, x = features(train), features(valid), features(x)
    neighbourhood = Novelty(train).fit(valid)
    reports = [neighbourhood.report(row) for row in x]
    return {
        "mahalanobis_percentile": np.array([r["mahalanobis"]["percentile"] for r in reports]),
        "mmd_percentile": np.array([r["mmd"]["percentile"] for r in reports]),
        "outside": np.array([float(r["where"] == "outside") for r in reports]),
    }


def features(fields: Array) -> Array:
    """Moments of each channel and of its step to the next cell along each axis.

    For every channel, these are mean, log standard deviation, skewness and kurtosis of its values,
    and the log standard deviation of the steps, which knows the scale of its structure.

    Args:
        fields: With shape (N, C, *space).

    Returns:
        With shape (N, C * (4 + number of axes)).
    """
    channels = np.asarray(fields, np.float64).reshape(*fields.shape[:2], -1)
    centred = channels - channels.mean(-1, keepdims=True)
    width = centred.std(-1) + _TINY
    scaled = centred / width[..., None]
    steps = [
        np.diff(fields, axis=axis).reshape(*fields.shape[:2], -1).std(-1) + _TINY
        for axis in range(2, fields.ndim)
        if fields.shape[axis] > 1
    ]
    found = [channels.mean(-1), np.log(width), (scaled**3).mean(-1), (scaled**4).mean(-1)]
    return np.concatenate([*found, *map(np.log, steps)], axis=1)


def remarks(content: PosteriorFile) -> list[str]:
    """What a person should know before believing the posterior."""
    total = len(content.x)
    lost = np.flatnonzero(~np.isfinite(content.samples.log_prob).all(0))
    outside = np.flatnonzero(content.novelty["outside"])
    lines = []
    if content.attributes["uncalibrated"]:
        lines.append(
            f"UNCALIBRATED: the verdict on {content.attributes['estimator']} is "
            f"{content.attributes['verdict']} ({content.attributes['reasons']})"
        )
    if len(lost):
        lines.append(f"{_numbered(lost)} could not be sampled; the draws are NaN")
    if len(outside):
        lines.append(
            f"{_numbered(outside)} of {total} lie outside the training set: farther from it than "
            "99 % of held-out simulations; the verdict says nothing about them"
        )
    else:
        farthest = max(content.novelty[key].max() for key in content.novelty if key != "outside")
        lines.append(
            f"inside the training set: none is farther from it than {farthest:.1f} % of "
            "held-out simulations"
        )
    return lines


def _numbered(index: Index) -> str:
    more = ", ..." if len(index) > 10 else ""
    return f"observations {', '.join(map(str, index[:10]))}{more}"


def moments(content: PosteriorFile) -> tuple[Array, Array]:
    """Posterior means and standard deviations, each with shape (B, D)."""
    draws = np.asarray(content.samples.draws, np.float64)
    return draws.mean(0), draws.std(0, ddof=1)
