r"""Several independent observations of one theta, and the posterior that they have together.

Given theta, independent observations x_1..x_k have the product of their likelihoods, so

    log p(theta | x_1..x_k) = sum_i log r(theta, x_i) + log p(theta) + const,
    r(theta, x) = p(theta | x) / p(theta) = p(x | theta) / p(x),

normalised and drawn from in `sbipipe.sampling`. NLE, NRE and surfaces learn log r up to a constant
of each x; NPE's is that of its density over the prior's, whose errors k observations add up where
the density of one is far from its middle (Geffner, Papamakarios & Mnih 2023, arXiv:2209.14249).
Errors add up for every estimator, so one that is calibrated for a single observation need not be
for k of them: the gate is put to sets of k, simulated at theta from the prior.

Independent they must be. Several maps of one simulated box are not, nor are patches of one sky:
they share phases, and the product would count the same information twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sbipipe.config import Draw, Gate
from sbipipe.gate.controls import controls
from sbipipe.gate.judge import judge
from sbipipe.gate.verdict import Verdict
from sbipipe.interfaces import Array, Dataset, Generator, Vectors, Weights
from sbipipe.posteriors import drawing
from sbipipe.posteriors import file as posterior_file
from sbipipe.protocols import Conditioned, Posterior, Prior
from sbipipe.records import InputError, parse
from sbipipe.sampling.condition import condition
from sbipipe.seeds import number, stream
from sbipipe.studies.diagnosing import diagnostics
from sbipipe.studies.study import Simulate, Study


@dataclass(frozen=True, kw_only=True)
class Together:
    """A `Posterior` of sets of independent observations.

    Attributes:
        posterior: The posterior of one observation.
        prior: The prior of the parameters.
        shape: The shape of a set, (k, ...); sets may come as rows of any shape with as many
            numbers.
    """

    posterior: Posterior
    prior: Prior
    shape: tuple[int, ...]

    def at(self, x: Array) -> Conditioned:
        return condition(self.log_ratio, self.prior, self.digest(x))

    def digest(self, x: Array) -> Array:
        """Those of the observations, with shape (B, k, ...)."""
        rows = np.reshape(x, (-1, *self.shape[1:]))
        digest = self.posterior.digest(rows)
        return digest.reshape(len(x), self.shape[0], *digest.shape[1:])

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        """The sum over observations, (n, B, D) and (B, k, ...) -> (n, B)."""
        parts = (self.posterior.log_ratio(theta, digest[:, i]) for i in range(self.shape[0]))
        total: Array = sum(parts, np.zeros(theta.shape[:2]))
        return total

    @property
    def weights(self) -> Weights:
        return self.posterior.weights


def combine(
    study: Study,
    size: int,
    simulate: Simulate | None = None,
    *,
    estimators: Sequence[str] | None = None,
    tests: int = 500,
    draw: Mapping[str, Any] | None = None,
    gate: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Study:
    """The study of sets of independent observations of one theta.

    Args:
        study: The study of one observation.
        size: The number k of observations in a set.
        simulate: One observation at each theta, `(theta (N, C), rng) -> (N, ...)`, for the test
            sets, with columns for fixed parameters. That of the run where it is not given; where
            there is none, nothing is judged and nothing published.
        estimators: Names; all of the study where they are not given.
        tests: The number of test sets.
        draw: What differs from the defaults of the section `draw`.
        gate: What differs from the defaults of the section `gate`.
        seed: The root of all random streams.

    Returns:
        A study whose observations have shape (k, *shape).

    Raises:
        InputError: If a name is unknown or a setting is wrong.
    """
    names = tuple(study.verdicts) if estimators is None else tuple(estimators)
    unknown = [name for name in names if name not in study.verdicts]
    problems = [f"estimators: given {n!r}; allowed: {', '.join(study.verdicts)}" for n in unknown]
    if size < 2:
        problems.append(f"size: given {size}; allowed: 2 or more")
    if problems:
        raise InputError(*problems)
    drawn, gated = parse(Draw, dict(draw or {}), "draw"), parse(Gate, dict(gate or {}), "gate")
    sets = {name: _together(study, name, size) for name in names}
    source = study.simulate if simulate is None else _completed(simulate, study.prior)
    verdicts: dict[str, Verdict | None] = dict.fromkeys(names)
    if source is not None:
        test = _test_sets(study, size, source, tests, stream(seed, "sets"))
        for name, posterior in sets.items():
            root = number(seed, "sets", name)
            draws = drawing.draw(posterior, test, study.prior, drawn, stream(root, "draw"))
            verdicts[name] = judge(
                draws, diagnostics(), gated, controls(drawn), stream(root, "diagnose")
            )
    return replace(
        study,
        shape=(size, *study.shape),
        verdicts=verdicts,
        attributes={n: _attributes(study.attributes[n], v, size) for n, v in verdicts.items()},
        restore=sets.__getitem__,
        places=_places(study, size),
        simulate=None,
        seed=seed,
    )


def _completed(simulate: Simulate, prior: Prior) -> Simulate:
    """The same, given parameters that are not fixed."""
    return lambda theta, rng: simulate(prior.complete(theta), rng)


def _together(study: Study, name: str, size: int) -> Together:
    shape = (size, *study.shape)
    return Together(posterior=study.restore(name), prior=study.prior, shape=shape)


def _test_sets(study: Study, size: int, simulate: Simulate, tests: int, rng: Generator) -> Dataset:
    """Sets of rows at theta from the prior, each as one long vector."""
    theta = study.prior.sample(tests, rng)
    x = np.asarray(simulate(np.repeat(theta, size, 0), rng), np.float32)
    if len(x) != tests * size:
        raise InputError(
            f"simulate: given {len(x)} rows for {tests * size} theta; allowed: one for each, since "
            "several of one simulation are not independent"
        )
    x = x.reshape(tests, -1)
    data = Vectors(components=tuple(f"x{i}" for i in range(x.shape[1])))
    return Dataset(data=data, theta=theta, x=x, group=np.arange(tests))


def _places(study: Study, size: int) -> Callable[[str, Array], Mapping[str, Array]]:
    """Where the farthest observation of each set lies."""

    def places(name: str, x: Array) -> Mapping[str, Array]:
        found = study.places(name, x.reshape(-1, *study.shape))
        return {key: values.reshape(-1, size).max(1) for key, values in found.items()}

    return places


def _attributes(of_one: Mapping[str, Any], verdict: Verdict | None, size: int) -> dict[str, Any]:
    published = verdict is not None and verdict.published
    return {
        **of_one,
        "verdict": posterior_file.outcome(verdict),
        "published": int(published),
        "uncalibrated": int(not published),
        "reasons": posterior_file.reasons(verdict),
        "observations_in_a_set": size,
    }


__all__ = ["Together", "combine"]
