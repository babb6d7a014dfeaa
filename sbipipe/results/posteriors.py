"""Posteriors of single test simulations, and of all of them against the truth."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace

from sbipipe import plugins
from sbipipe.config import Params
from sbipipe.interfaces import Array, PosteriorDraws
from sbipipe.protocols import Prior

EXAMPLES = 6
"""Number of test simulations whose posteriors are shown."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """The posteriors of one test simulation.

    Attributes:
        simulator: The entry of `simulate:`.
        number: The place of the simulation among those tested.
        parameters: The names of the D parameters.
        prior: The prior of the simulator.
        truth: The true parameters, with shape (D,).
        draws: The draws of each estimator, with shape (n, D).
    """

    simulator: str
    number: int
    parameters: tuple[str, ...]
    prior: Prior
    truth: Array
    draws: Mapping[str, Array]

    def of(self, estimators: Container[str]) -> Example:
        """The posteriors of some of them."""
        kept = {name: one for name, one in self.draws.items() if name in estimators}
        return replace(self, draws=kept)


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """One parameter's posteriors against the truth.

    Attributes:
        estimator: The name of the estimator.
        parameter: The name of the parameter.
        truth: The true values, with shape (B,).
        mean: The posterior means, with shape (B,).
        width: The posterior standard deviations, with shape (B,).
    """

    estimator: str
    parameter: str
    truth: Array
    mean: Array
    width: Array

    @property
    def z(self) -> Array:
        """Distance of the mean from the truth in posterior widths."""
        return (self.mean - self.truth) / self.width


def examples(
    params: Params, of: str, names: tuple[str, ...], draws: Mapping[str, PosteriorDraws]
) -> Iterator[Example]:
    """The first test simulations, which chance has drawn from the prior; nobody chose them."""
    prior = plugins.prior_of(params, of)
    first = draws[names[0]]
    for number in range(min(EXAMPLES, len(first.theta))):
        sampled = {n: draws[n].draws[:, number] for n in names if not draws[n].failed[number]}
        if sampled:
            yield Example(
                simulator=of,
                number=number,
                parameters=first.parameters,
                prior=prior,
                truth=first.theta[number],
                draws=sampled,
            )


def recoveries(name: str, draws: PosteriorDraws) -> Iterator[Recovery]:
    """One for each parameter, of the observations that could be sampled."""
    kept = ~draws.failed
    if not kept.any():
        return
    for i, parameter in enumerate(draws.parameters):
        values = draws.draws[:, kept, i]
        yield Recovery(
            estimator=name,
            parameter=parameter,
            truth=draws.theta[kept, i],
            mean=values.mean(0),
            width=values.std(0),
        )
