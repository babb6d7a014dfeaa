r"""The gate for posteriors made elsewhere: by sbi, by dingo, by a chain for each simulation.

The tests are put to draws, and to log densities at the draws, at the truth and at the truth's image
under each negative control (`gate.controls`). How they come by these depends on what is given:

- `log_prob` as a function gives all of them;
- as an array it gives those at the draws, and `log_prob_truth` the one at the truth. A control's
  density at the truth is then that of the draws which has the rank of the truth's image under a
  normal with the draws' moments: whether the control is found rests on an approximation, and
  nothing that is said of the posterior itself;
- without it, a normal is fitted to the first half of the draws of each simulation (`normals`), and
  the second half is judged. Every p-value is as exact as before, since the second half and the
  truth are exchangeable given the first. What is called a highest-density region is then one of
  that normal, and the gain over the prior that of the normal, which is less.

The prior's density, for the gain, and its variances are those of `prior`, or of a mixture fitted to
theta, which are its draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sbipipe import storage
from sbipipe.config import Draw, Gate
from sbipipe.gate.controls import controls
from sbipipe.gate.judge import judge as put_through_the_gate
from sbipipe.gate.verdict import Verdict, Verdicts
from sbipipe.interfaces import Array, PosteriorDraws
from sbipipe.pages.judged import write
from sbipipe.posteriors.given import given
from sbipipe.records import InputError, dump, parse
from sbipipe.seeds import number, stream
from sbipipe.sets.tables import dataset
from sbipipe.studies.diagnosing import diagnostics
from sbipipe.studies.normals import Normals
from sbipipe.studies.priors import Given, known

Density = Callable[[Array], Array]
"""Log densities of the N posteriors, (k, N, D) -> (k, N) in nats."""

FEWEST = 40
"""Draws of each simulation where no density is given, of which half are judged."""


def judge(
    theta: ArrayLike,
    draws: ArrayLike,
    log_prob: ArrayLike | Density | None = None,
    log_prob_truth: ArrayLike | None = None,
    prior: Given = None,
    *,
    x: ArrayLike | None = None,
    effective_sample_size: ArrayLike | None = None,
    gate: Mapping[str, Any] | None = None,
    seed: int = 0,
    name: str = "posterior",
    folder: str | Path | None = None,
) -> Verdict:
    """Put posteriors made elsewhere through every test of the pipeline, and say what follows.

    Args:
        theta: The true parameters of N independent simulations that nothing was fitted to, drawn
            from the prior, with shape (N, D).
        draws: Draws from the posterior of each, in random order, with shape (n, N, D); NaN where a
            simulation could not be sampled.
        log_prob: Log densities at the draws in nats, normalised, with shape (n, N); or a function
            that gives them, (k, N, D) -> (k, N).
        log_prob_truth: The same at the truth, with shape (N,); not beside a function.
        prior: The prior of theta; estimated from theta where it is not given.
        x: What the posteriors are conditioned on, with shape (N, ...): errors are then looked for
            by region of x as well.
        effective_sample_size: Independent draws that those of each simulation are worth, with shape
            (N,); n where it is not given.
        gate: What differs from the defaults of the section `gate` of `params.yaml`.
        seed: The root of the tests' random streams.
        name: What the posterior is called on the page.
        folder: Where to write a page (`index.html`) and the verdict (`coverage.json`), or None.

    Raises:
        InputError: With every problem of the arguments.
    """
    theta, draws = (np.asarray(values, np.float64) for values in (theta, draws))
    _check(theta, draws, log_prob, log_prob_truth, effective_sample_size)
    settings, given_density = parse(Gate, dict(gate or {}), "gate"), log_prob
    found = known(prior, theta, number(seed, "judge", "prior"))
    if len(found.names) != theta.shape[1]:
        raise InputError(
            f"prior: given {len(found.names)} parameters ({', '.join(found.names)}); allowed: "
            f"{theta.shape[1]}, as theta has columns"
        )
    size = np.full(len(theta), float(len(draws)))
    size = size if effective_sample_size is None else np.asarray(effective_sample_size, np.float64)
    if log_prob is None:
        normals = Normals.of(draws[: len(draws) // 2])
        draws, log_prob = draws[len(draws) // 2 :], normals.log_prob
        size = np.minimum(size / 2, len(draws))
    judged = PosteriorDraws(
        parameters=found.names,
        theta=theta,
        draws=draws,
        log_prior_truth=found.log_prob(theta),
        effective_sample_size=size,
        prior_variance=found.variance,
        seconds=np.nan,
        given={} if x is None else given(dataset(theta, np.asarray(x))),
        **_densities(theta, draws, log_prob, log_prob_truth),
    )
    verdict = put_through_the_gate(
        judged, diagnostics(), settings, controls(Draw()), stream(seed, "judge", name)
    )
    if folder is not None:
        write(Path(folder), {name: verdict}, {name: judged}, settings, _notes(given_density, prior))
        storage.save_json(
            Path(folder) / "coverage.json", dump(Verdicts(estimators={name: verdict}))
        )
    return verdict


def _densities(
    theta: Array, draws: Array, log_prob: ArrayLike | Density, log_prob_truth: ArrayLike | None
) -> dict[str, Any]:
    """Log densities at the draws, at the truth and at its image under each control."""
    images = {one.name: one.preimage(theta, draws) for one in controls(Draw())}
    if callable(log_prob):
        points = np.stack([theta, *images.values()])
        at_draws, at_points = (np.asarray(log_prob(one), np.float64) for one in (draws, points))
        truth, at_images = at_points[0], dict(zip(images, at_points[1:], strict=True))
    else:
        at_draws, truth = (np.asarray(one, np.float64) for one in (log_prob, log_prob_truth))
        at_images = _matched(draws, at_draws, images)
    return {"log_prob": at_draws, "log_prob_truth": truth, "log_prob_controls": at_images}


def _matched(draws: Array, log_prob: Array, images: Mapping[str, Array]) -> dict[str, Array]:
    """For each image (N, D), the log density of the draws that has its rank under a normal."""
    normals, ordered = Normals.of(draws), np.sort(log_prob, 0)
    above = np.full_like(ordered[:1], np.inf)
    steps = np.concatenate([-above, (ordered[1:] + ordered[:-1]) / 2, above])
    own = normals.log_prob(draws)
    return {
        name: np.take_along_axis(steps, (own < normals.log_prob(image[None])).sum(0)[None], 0)[0]
        for name, image in images.items()
    }


def _notes(log_prob: ArrayLike | Density | None, prior: Given) -> tuple[str, ...]:
    """What a reader must know of what was judged."""
    lines = []
    if log_prob is None:
        lines.append(
            "No log densities were given: regions, and the gain over the prior, are those of a "
            "normal fitted to half of the draws of each simulation; the other half was judged"
        )
    elif not callable(log_prob):
        lines.append(
            "Log densities were given at the draws and the truths alone: those of the negative "
            "controls are by the rank under a normal"
        )
    if prior is None:
        lines.append("The prior is an estimate from the true parameters")
    return tuple(lines)


def _check(
    theta: Array,
    draws: Array,
    log_prob: ArrayLike | Density | None,
    log_prob_truth: ArrayLike | None,
    effective_sample_size: ArrayLike | None,
) -> None:
    """Raise InputError with every problem of the arrays."""
    if theta.ndim != 2 or not theta.size:
        raise InputError(f"theta: given shape {theta.shape}; allowed: (N, D)")
    rows, dimension = theta.shape
    shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
        "log_prob_truth": (log_prob_truth, (rows,)),
        "effective_sample_size": (effective_sample_size, (rows,)),
    }
    if not callable(log_prob):
        shapes["log_prob"] = (log_prob, (len(draws), rows))
    problems = [
        f"{name}: given shape {np.shape(values)}; allowed: {allowed}"
        for name, (values, allowed) in shapes.items()
        if values is not None and np.shape(values) != allowed
    ]
    if draws.ndim != 3 or draws.shape[1:] != theta.shape:
        problems.append(f"draws: given shape {draws.shape}; allowed: (n, {rows}, {dimension})")
    fewest = FEWEST if log_prob is None else FEWEST // 2
    if len(draws) < fewest:
        problems.append(f"draws: given {len(draws)} of each simulation; allowed: {fewest} or more")
    if not np.isfinite(theta).all():
        problems.append("theta: given NaN or infinity; allowed: finite values")
    if (log_prob_truth is None) != (log_prob is None or callable(log_prob)):
        problems.append(
            "log_prob_truth: allowed beside an array log_prob, and nowhere else; given "
            f"{'nothing' if log_prob_truth is None else 'an array'}"
        )
    if problems:
        raise InputError(*problems)


__all__ = ["judge"]
