r"""The prior that parameters were drawn from, where nobody can write it down.

A posterior is relative to the prior behind the simulations it was learned from. Where that is a
design, or the outcome of an earlier analysis, its density is estimated from theta on `train`. With
u = Phi^-1(F(theta)) under the parameters of `within`, which bound the support,

    p(theta) = sum_k w_k N(u; m_k, C_k) |du/dtheta|,

a mixture of normals (`mixtures`). The number of its components is chosen on `valid`: theta drawn
from `within` itself needs one, correlated parameters in a rotated frame one, curved designs more.

**Limits.** The mixture is smooth: edges inside `within`, gaps, and detail that needs more than
eight components are blurred. Where parameters depend on each other, the quantile of one is that
given those before it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, TypeAdapter

from sbipipe.interfaces import Array
from sbipipe.names import unnamed
from sbipipe.priors.mixtures import Mixture, chosen
from sbipipe.priors.prior import Declared, DrawnPrior, Normal, PriorField, ProductPrior, plain
from sbipipe.records import plugin

_ARRAYS = ("weights", "means", "covariances")


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
        return DrawnPrior(within=within, mixture=chosen(u, held_out, seed), variance=train.var(0))

    def read(self, values: Mapping[str, Any]) -> DrawnPrior:
        """The estimate that `written` wrote."""
        within: Declared = TypeAdapter(PriorField).validate_python(values["within"])
        mixture = Mixture(**{name: np.array(values[name]) for name in _ARRAYS})
        return DrawnPrior(within=within, mixture=mixture, variance=np.array(values["variance"]))

    def written(self, prior: DrawnPrior) -> dict[str, Any]:
        """An estimate as plain values, which `read` reads."""
        arrays = {name: getattr(prior.mixture, name).tolist() for name in _ARRAYS}
        variance = prior.variance.tolist()
        return {"kind": self.kind, "within": plain(prior.within), **arrays, "variance": variance}


def _around(theta: Array) -> ProductPrior:
    """Normal parameters with the mean and deviation of (N, D)."""
    moments = zip(unnamed(theta.shape[1]), theta.mean(0), theta.std(0), strict=True)
    return ProductPrior(
        {
            name: Normal(kind="normal", loc=float(mean), scale=float(deviation))
            for name, mean, deviation in moments
        }
    )


def _declared(values: Any) -> Any:
    """What a prior is declared to be, from plain values."""
    if isinstance(values, Mapping) and isinstance(values.get("kind"), str):
        adapter = TypeAdapter(AsDrawn)
        return adapter.validate_json(json.dumps(values), strict=True)
    if isinstance(values, AsDrawn):
        return values
    return TypeAdapter(PriorField).validate_python(values)


DeclaredPrior = Annotated[Declared | AsDrawn, BeforeValidator(_declared)]
"""The type of a reader's field that is written as a prior, or as `{kind: as_drawn}`."""


__all__ = ["AsDrawn", "DeclaredPrior"]
