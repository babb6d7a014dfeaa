r"""The prior that parameters were drawn from, where nobody can write it down.

A posterior is relative to the prior behind the simulations it was learned from. Where that is a
design, or the outcome of an earlier analysis, its density is estimated from theta on `train`. With
u = Phi^-1(F(theta)) under the independent parameters of `within`, which bound the support,

    p(theta) = sum_k w_k N(u; m_k, C_k) |du/dtheta|,

a mixture of normals (`mixtures`). More components are taken while they raise the log density of
`valid` by more than its standard error: theta drawn from `within` itself needs one, correlated
parameters in a rotated frame one, curved designs more.

**Limits.** The mixture is smooth: edges inside `within`, gaps, and detail that needs more than
eight components are blurred. No component is narrower than 0.03 of the spread, so that the points
of a grid do not become spikes. Where parameters depend on each other, the quantile of one is that
given those before it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, cast

import numpy as np
from pydantic import BeforeValidator, TypeAdapter
from scipy import stats

from sbipipe.interfaces import Array, Mask
from sbipipe.mixtures import Mixture
from sbipipe.priors import Normal, PriorField, ProductPrior, ThroughCube
from sbipipe.protocols import Prior, UnknownPrior
from sbipipe.records import plugin

COMPONENTS = (1, 2, 4, 8)
"""Numbers of components that are tried."""

SHARPEST = 0.03
"""The smallest deviation of a component, in standard deviations of u."""

EACH = 10
"""The simulations that a mixture must have for each of its numbers."""

_EDGE = np.finfo(np.float64).eps


@plugin
class AsDrawn:
    """The declaration `{kind: as_drawn}`, before anything is known of theta.

    Attributes:
        within: The support, as a prior of each parameter, by name. Where it is not given,
            parameters are unbounded and called theta_0, theta_1 and so on.
    """

    kind: Literal["as_drawn"]
    within: PriorField | None = None

    def fit(self, train: Array, valid: Array, seed: int) -> DrawnPrior:
        """The prior of these parameters.

        Args:
            train: One row for each simulation, with shape (N, D).
            valid: Other simulations, which choose the number of components, with shape (M, D).
            seed: The seed of the first guesses at the components.
        """
        within = self.within or _around(train)
        u, held_out = within.to_unbounded(train), within.to_unbounded(valid)
        return DrawnPrior(within=within, mixture=_mixture(u, held_out, seed), variance=train.var(0))

    def read(self, values: Mapping[str, Any]) -> DrawnPrior:
        """The estimate that `written` wrote."""
        within: ProductPrior = TypeAdapter(PriorField).validate_python(values["within"])
        mixture = Mixture(**{name: np.array(values[name]) for name in _ARRAYS})
        return DrawnPrior(within=within, mixture=mixture, variance=np.array(values["variance"]))


@dataclass(frozen=True, kw_only=True)
class DrawnPrior(ThroughCube):
    """An estimate of the density that theta was drawn from; satisfies `protocols.Prior`.

    Attributes:
        within: Independent parameters that have its support.
        mixture: Its density in the space where `within` is a standard normal.
        variance: The variance of each parameter on `train`, with shape (D,).
    """

    within: ProductPrior
    mixture: Mixture
    variance: Array

    @property
    def names(self) -> tuple[str, ...]:
        return self.within.names

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Those of `within`."""
        return self.within.bounds

    def log_prob(self, theta: Array) -> Array:
        u = self.within.to_unbounded(theta)
        density = self.mixture.log_prob(u) + self.within.log_det_unbounded(theta)
        return np.where(self.inside(theta), density, -np.inf)

    def inside(self, theta: Array) -> Mask:
        return self.within.inside(theta)

    def from_unit(self, q: Array) -> Array:
        q = np.clip(np.asarray(q, np.float64), _EDGE, 1 - _EDGE)
        return self.within.from_unbounded(self.mixture.from_unit(q))

    def to_unit(self, theta: Array) -> Array:
        q = self.mixture.to_unit(self.within.to_unbounded(theta))
        return np.asarray(np.clip(q, _EDGE, 1 - _EDGE))


def written(prior: ProductPrior | DrawnPrior) -> dict[str, Any]:
    """A prior as plain values: what `AsDrawn.read` reads, or what `params.yaml` has."""
    if isinstance(prior, ProductPrior):
        return {name: asdict(marginal) for name, marginal in prior.marginals.items()}
    return {
        "kind": "as_drawn",
        "within": written(prior.within),
        **{name: array.tolist() for name, array in vars(prior.mixture).items() if name in _ARRAYS},
        "variance": prior.variance.tolist(),
    }


_ARRAYS = ("weights", "means", "covariances")


def _around(theta: Array) -> ProductPrior:
    """Normal parameters with the mean and deviation of (N, D)."""
    moments = zip(theta.mean(0), theta.std(0), strict=True)
    return ProductPrior(
        {
            name: Normal(kind="normal", loc=float(mean), scale=float(deviation))
            for name, (mean, deviation) in zip(unnamed(theta.shape[1]), moments, strict=True)
        }
    )


def _mixture(u: Array, held_out: Array, seed: int) -> Mixture:
    """The mixture of (N, D), with as many components as the others ask for."""
    numbers = (u.shape[1] + 1) * (u.shape[1] + 2) // 2
    best = _fitted(u, 1, seed)
    for components in COMPONENTS[1:]:
        if len(u) < EACH * components * numbers:
            break
        more = _fitted(u, components, seed)
        gain = more.log_prob(held_out) - best.log_prob(held_out)
        if len(gain) > 1 and gain.mean() > stats.sem(gain):
            best = more
    return best


def _fitted(u: Array, components: int, seed: int) -> Mixture:
    """By expectation maximisation, in units of the spread of each coordinate."""
    from sklearn.mixture import GaussianMixture

    middle, spread = u.mean(0), u.std(0)
    found = GaussianMixture(
        components, reg_covar=SHARPEST**2, max_iter=500, random_state=seed % 2**32
    ).fit((u - middle) / spread)
    return Mixture(
        weights=found.weights_,
        means=middle + spread * found.means_,
        covariances=found.covariances_ * np.outer(spread, spread),
    )


def _declared(values: Any) -> Any:
    """What a prior is declared to be, from plain values."""
    if isinstance(values, Mapping) and isinstance(values.get("kind"), str):
        adapter = TypeAdapter(AsDrawn)
        return adapter.validate_json(json.dumps(values), strict=True)
    if isinstance(values, AsDrawn):
        return values
    return TypeAdapter(PriorField).validate_python(values)


DeclaredPrior = Annotated[ProductPrior | AsDrawn, BeforeValidator(_declared)]
"""The type of a reader's field that is written as a prior, or as `{kind: as_drawn}`."""


def unnamed(dimension: int) -> tuple[str, ...]:
    """What parameters are called of which nothing is declared."""
    return tuple(f"theta_{i}" for i in range(dimension))


def support(declared: Prior | UnknownPrior) -> Prior | None:
    """Independent parameters with the support of a declared prior; None where it is unbounded."""
    return declared.within if isinstance(declared, AsDrawn) else cast(Prior, declared)


__all__ = ["AsDrawn", "DeclaredPrior", "DrawnPrior", "support", "unnamed", "written"]
