"""A study in a notebook: posteriors that were learned and judged, in memory or in a run's files.

What a study gives are arrays with names. Other libraries take them as they are:

    drawn = study.posterior("npe").at(x_observed).sample(4000)
    drawn.plot()                                             # the triangle of this posterior
    drawn.to_arviz()                                         # arviz.InferenceData
    corner.corner(drawn.draws, labels=drawn.parameters)
    getdist.MCSamples(samples=drawn.draws, names=drawn.parameters)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sbipipe.figures import triangle
from sbipipe.figures.style import Drawing, Look, looks
from sbipipe.gate.verdict import Verdict
from sbipipe.interfaces import Array, Generator, Samples
from sbipipe.posteriors import file as posterior_file
from sbipipe.posteriors.content import PosteriorFile
from sbipipe.posteriors.file import observation_hash, refusal
from sbipipe.posteriors.intervals import Summary, summary
from sbipipe.protocols import Conditioned, Posterior, Prior
from sbipipe.records import InputError
from sbipipe.seeds import stream
from sbipipe.sets.observation import finite, shaped

PRIOR_DRAWS = 1000

Places = Callable[[str, Array], Mapping[str, Array]]
"""`(estimator, x) -> ` where observations lie among its training rows (`novelty.places`)."""

Simulate = Callable[[Array, Generator], Array]
"""`(theta (N, D), rng) -> ` one independent observation at each, with shape (N, *shape)."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Study:
    """Posteriors with their verdicts.

    Attributes:
        prior: The prior of the parameters.
        shape: The shape of one observation.
        verdicts: The verdict on each estimator, by name.
        attributes: What a posterior file says of each estimator, by name.
        restore: The posterior of observations (B, *shape), by the name of its estimator.
        places: Where observations lie among the training rows of an estimator.
        simulate: The simulator, where it can be asked for more.
        seed: The root of the random streams of draws.
        remarks: What is worth a look in the simulations, a sentence each.
        estimators: All estimators of the run, by which each has its look; those of `verdicts` where
            they are not given.
        exact: Those of them that are exact.
    """

    prior: Prior
    shape: tuple[int, ...]
    verdicts: Mapping[str, Verdict | None]
    attributes: Mapping[str, Mapping[str, Any]]
    restore: Callable[[str], Posterior]
    places: Places
    simulate: Simulate | None = None
    seed: int = 0
    remarks: tuple[str, ...] = ()
    estimators: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()

    @property
    def looks(self) -> Mapping[str, Look]:
        """How figures show each estimator, as the pages of the run do."""
        return looks(self.estimators or tuple(self.verdicts), self.exact)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return self.prior.names

    @property
    def published(self) -> tuple[str, ...]:
        """The names of the estimators whose posteriors may be used."""
        return tuple(n for n, verdict in self.verdicts.items() if verdict and verdict.published)

    def posterior(self, name: str, *, uncalibrated: bool = False) -> Judged:
        """The posterior of an estimator.

        Args:
            name: The estimator's name.
            uncalibrated: Use it whatever its verdict; what is drawn from it says so.

        Raises:
            InputError: If there is no such estimator, or its verdict does not let it out.
        """
        if name not in self.verdicts:
            raise InputError(f"posterior: given {name!r}; allowed: {', '.join(self.verdicts)}")
        verdict = self.verdicts[name]
        if not (uncalibrated or (verdict and verdict.published)):
            raise InputError(f"{refusal(name, verdict)}; uncalibrated=True uses it all the same")
        return Judged(study=self, name=name, verdict=verdict)

    def plot(self, x: ArrayLike, *, n: int = 4000, truth: ArrayLike | None = None) -> Drawing:
        """The posteriors of one observation by every published estimator, over each other.

        Args:
            x: With shape `shape`.
            n: Draws of each.
            truth: The true parameters, with shape (D,), where they are known.

        Raises:
            InputError: If no estimator is published, or x is no observation.
        """
        if not self.published:
            raise InputError("plot: no estimator is published; look at `verdicts`")
        drawn = {name: self.posterior(name).at(x).sample(n) for name in self.published}
        one = next(iter(drawn.values()))
        if not one.single:
            raise InputError(f"x: given {len(one.file.x)} observations; allowed: one")
        found = triangle.Overlaid(
            draws={n: _sampled(n, each.file.samples.draws[:, 0]) for n, each in drawn.items()},
            prior=self.prior,
            truth=None if truth is None else np.asarray(truth, np.float64),
        )
        return triangle.draw(found, self.looks, "posteriors", "observation")

    def __repr__(self) -> str:
        lines = (
            f"  {name}: {verdict.verdict if verdict else 'untested'}"
            + (f": {verdict.reasons[0]}" if verdict else "")
            for name, verdict in self.verdicts.items()
        )
        return "\n".join([f"Study of {', '.join(self.parameters)}", *lines])


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An estimator's posterior, with its verdict.

    Attributes:
        study: The study that it belongs to.
        name: The estimator's name.
        verdict: The verdict on it; None where it has none.
    """

    study: Study = field(repr=False)
    name: str
    verdict: Verdict | None = field(repr=False)

    def at(self, x: ArrayLike) -> Given:
        """The posterior of one observation, or of several along a first axis.

        Raises:
            InputError: If x has another shape, or is not finite.
        """
        values = np.asarray(x, np.float64)
        observed = finite(shaped(values, self.study.shape, "x"), "x")
        return Given(
            judged=self,
            x=observed,
            single=values.ndim < len(self.study.shape) + 1 and len(observed) == 1,
            conditioned=self.study.restore(self.name).at(observed),
        )


@dataclass(frozen=True, kw_only=True)
class Given:
    """A posterior given one observation or several.

    Attributes:
        judged: The posterior of any observation.
        x: The observations, with shape (B, *shape).
        single: Whether it was given one observation, without an axis for several.
        conditioned: What draws from it.
    """

    judged: Judged
    x: Array = field(repr=False)
    single: bool
    conditioned: Conditioned = field(repr=False)

    def sample(self, n: int = 4000, *, seed: int | None = None) -> Drawn:
        """n draws for each observation, shuffled.

        Args:
            seed: The root of the random stream; that of the study where it is not given.
        """
        study, name = self.judged.study, self.judged.name
        root, observed = study.seed if seed is None else seed, observation_hash(self.x)
        samples: Samples = self.conditioned.sample(n, stream(root, "infer", name, observed))
        prior = study.prior.sample(PRIOR_DRAWS, stream(study.seed, "prior"))
        file = PosteriorFile(
            parameters=study.parameters,
            samples=samples,
            x=self.x,
            prior=prior,
            nuisance=study.prior.nuisance,
            fixed=study.prior.fixed,
            novelty=study.places(name, self.x),
            diagnosis=self.judged.verdict,
            attributes={**study.attributes[name], "observation_hash": observed},
        )
        return Drawn(file=file, prior=study.prior, look=study.looks[name], single=self.single)

    def log_prob(self, theta: ArrayLike) -> Array:
        """Normalised log density of all parameters together in nats.

        Args:
            theta: With shape (n, D), the same for all observations, or (n, B, D).

        Returns:
            With shape (n,) for one observation, else (n, B).
        """
        points = np.asarray(theta, np.float64)
        if points.ndim == 2:
            points = np.repeat(points[:, None], len(self.x), 1)
        found = self.conditioned.log_prob(points)
        return found[:, 0] if self.single else found


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Draws from the posterior of one observation or several; `numpy.asarray` takes it.

    Parameters that are a nuisance are marginalised over; `file.samples` has them all.

    Attributes:
        file: The draws with all that belongs to them, as a posterior file has them.
        prior: The prior of the parameters.
        look: How figures show the estimator.
        single: Whether it is of one observation, without an axis for several.
    """

    file: PosteriorFile = field(repr=False)
    prior: Prior = field(repr=False)
    look: Look = field(repr=False)
    single: bool

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the d parameters that are no nuisance."""
        return self.file.shown

    @property
    def draws(self) -> Array:
        """Of one observation with shape (n, d), of several (n, B, d)."""
        draws = self.file.marginal
        return draws[:, 0] if self.single else draws

    @property
    def log_prob(self) -> Array:
        """Normalised log densities of all parameters together at the draws, those that are a
        nuisance among them, in nats, with shape (n,) or (n, B)."""
        log_prob = self.file.samples.log_prob
        return log_prob[:, 0] if self.single else log_prob

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the estimator."""
        return self.file.diagnosis

    @property
    def outside(self) -> bool | tuple[bool, ...]:
        """Whether the observation, or each of them, lies outside the training rows."""
        found = tuple(bool(one) for one in self.file.novelty["outside"])
        return found[0] if self.single else found

    def summary(self, observation: int = 0) -> tuple[Summary, ...]:
        """Median and 68 and 95 % intervals of each parameter."""
        return summary(self.parameters, self.file.marginal[:, observation])

    def plot(self, *, truth: ArrayLike | None = None, observation: int = 0) -> Drawing:
        """The triangle of one observation.

        Args:
            truth: The true parameters, with shape (D,), where they are known.
            observation: Which of several, from 0.
        """
        name = str(self.file.attributes["estimator"])
        found = triangle.Overlaid(
            draws={name: _sampled(name, self.file.samples.draws[:, observation])},
            prior=self.prior,
            truth=None if truth is None else np.asarray(truth, np.float64),
        )
        title = "observation" if self.single else f"observation {observation}"
        return triangle.draw(found, {name: self.look}, f"posterior_{observation}", title)

    def to_arviz(self) -> Any:
        """An `arviz.InferenceData` with the groups of a posterior file."""
        import arviz

        groups: dict[str, Any] = dict(posterior_file.groups(self.file))
        return arviz.InferenceData(**groups)

    def save(self, path: str | Path) -> None:
        """Write a posterior file (netCDF), as `sbipipe infer` does."""
        posterior_file.save(Path(path), self.file)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.draws, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.draws)


def _sampled(name: str, draws: Array) -> Array:
    """The draws, which must be there to be shown."""
    if not np.isfinite(draws).all():
        raise InputError(f"plot: {name} could not sample the observation")
    return draws


__all__ = ["Drawn", "Given", "Judged", "Simulate", "Study"]
