"""Neural likelihood estimation.

A conditional density q learns the likelihood (Papamakarios et al. 2019, arXiv 1805.07226),

    max_q  E_{p(theta, x)} log q(x | u),   u = Phi^-1(F(theta)),

on standardised x. Bayes' theorem then gives the posterior,

    log p(theta | x) = log q(x | u) + log p(theta) - log Z(x),

normalised and drawn from in `sbipipe.sampling`, whose search begins where a quick density of u says
(`learning.guide`). Which density is right is tried (`learning.portfolio`); what is trained to the
end is an ensemble, the mixture of its members' densities, weighted by stacking. x are vectors; for
fields, take a summary. In the place of long vectors stand a few learned features of them
(`learning.compression`). Counts are spread over the unit around them (`learning.lattice`), and
stand for themselves: features of what is spread know less, and those of counts have few values.
Components that never vary, which say nothing, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from sbipipe.interfaces import Array, Dataset, History, LogLikelihood, Run, Weights
from sbipipe.learning import compression, guide
from sbipipe.learning.compression import Short, shorten
from sbipipe.learning.densities import check_varies, check_vectors
from sbipipe.learning.ensembles import Ensemble
from sbipipe.learning.guide import Guide, fit_guide
from sbipipe.learning.lattice import spacings
from sbipipe.learning.portfolio import Effort, fit
from sbipipe.learning.schedules import MOVED, Annealed
from sbipipe.learning.shapes import (
    FINALISTS,
    DensityName,
    candidates,
    halves,
    require_one,
    restored,
    shapes,
)
from sbipipe.learning.training import merge, tensors
from sbipipe.protocols import Conditioned, Posterior, Prior
from sbipipe.records import Positive, plugin
from sbipipe.sampling.condition import condition
from sbipipe.seeds import number, torch_scope
from sbipipe.storage import check_same


@plugin
class Nle:
    """A conditional density of x given theta.

    Attributes:
        density: "auto", which tries several, or one of `densities.DENSITIES`.
        effort: How many `auto` tries.
        hidden: The units in each hidden layer of a density that is named; None takes 64.
        transforms: The number of transforms of a flow that is named; None takes 5.
        features: The number of learned features that stand for x; 0 takes x itself; None decides:
            one or two for each parameter, where x has more than 8 components, and twice as many
            as there are parameters, and none is a count.
        ensemble: The number of members of the mixture, for each shape that is trained to the end.
        optimisation: How the members are trained.
    """

    density: DensityName = "auto"
    effort: Effort = "standard"
    hidden: Positive | None = None
    transforms: Positive | None = None
    features: Annotated[int, Field(ge=0)] | None = None
    ensemble: Positive = 3
    optimisation: Annealed = Field(default_factory=Annealed)

    learns: ClassVar[bool] = True
    moved: ClassVar[dict[str, str]] = MOVED

    def __post_init__(self) -> None:
        require_one(self.density, self.hidden, self.transforms)

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {
            "density": "zuko_maf",
            "hidden": 8,
            "transforms": 2,
            "ensemble": 2,
            "optimisation": {"steps": 10},
        }

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Choose and train on `train`; stop and stack on `valid`.

        Raises:
            InputError: If x are fields, or no component of x varies.
        """
        check_vectors(train.data)
        varies = check_varies(train.x)
        (x, u), (y, v) = (
            tensors(rows.x[:, varies], prior.to_unbounded(rows.theta)) for rows in (train, valid)
        )
        spacing = torch.from_numpy(spacings(x.numpy())).float()
        with torch_scope(number(run.seed, "spread")):
            x, y = _spread(spacing, x), _spread(spacing, y)
        features = 0 if self.features is None and spacing.any() else self.features
        short, first = shorten((u, x), (v, y), features, self.optimisation, run)
        x, y = short.of(x), short.of(y)
        near, second = fit_guide((u, x), (v, y), self.optimisation, run)
        held_out = y, v
        tried = shapes(self.density, self.hidden, self.transforms, self.effort, x.shape[1])
        fitted = fit(
            candidates(tried, x, u, halves=halves(self.density, self.effort)),
            (x, u),
            held_out,
            finalists=FINALISTS[self.effort],
            members=self.ensemble,
            settings=self.optimisation,
            run=run,
        )
        ensemble = Ensemble.stacked(fitted.networks, *held_out)
        meta = {
            "config": self._config,
            "x": list(x.shape[1:]),
            "varies": varies.tolist(),
            "features": short.features,
            "members": list(fitted.names),
        }
        posterior = _NlePosterior(
            prior=prior, ensemble=ensemble, guide=near, short=short, meta=meta
        )
        last = fitted.with_weights(ensemble.weights)
        return posterior, replace(merge([*first, second, last]), notes=last.notes)

    def restore(
        self,
        weights: Weights,
        prior: Prior,
        log_likelihood: LogLikelihood | None = None,
        *,
        device: str = "cpu",
    ) -> Posterior:
        """The posterior that gave these weights."""
        check_same(weights, self._config)
        x, u = torch.zeros(2, *weights.meta["x"]), torch.zeros(2, len(prior.names))
        ensemble, meta = restored(weights, x, u, device), weights.meta
        short = compression.restored(weights.arrays, sum(meta["varies"]), meta["features"], device)
        near = guide.restored(weights.arrays, u, x, device)
        return _NlePosterior(prior=prior, ensemble=ensemble, guide=near, short=short, meta=meta)

    @property
    def _config(self) -> dict[str, Any]:
        names = ("density", "effort", "hidden", "transforms", "features", "ensemble")
        return {name: getattr(self, name) for name in names}


def _spread(spacing: Tensor, x: Tensor) -> Tensor:
    """Counts spread over the unit around them, from torch's generator."""
    return x + spacing * (torch.rand(x.shape) - 0.5)


@dataclass(frozen=True, kw_only=True)
class _NlePosterior:
    prior: Prior
    ensemble: Ensemble
    guide: Guide
    short: Short
    meta: Mapping[str, Any]

    def digest(self, x: Array) -> Array:
        """The components that varied in training, or their features, (B, L)."""
        return self.short.digest(x[:, self.meta["varies"]])

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        """log q(x | theta) in nats, up to a constant of x, (n, B, D) and (B, L) -> (n, B)."""
        u, x_tensor = tensors(self.prior.to_unbounded(theta), digest)
        embedded = [member.embed_all(u) for member in self.ensemble.members]
        return self.ensemble.log_prob(x_tensor[None], embedded)

    def at(self, x: Array) -> Conditioned:
        return condition(self.log_ratio, self.prior, self.digest(x), near=self.near)

    def near(self, digest: Array) -> Array:
        """Draws u (n, B, D) of the guide."""
        (given,) = tensors(digest)
        return self.guide.near(given)

    @property
    def weights(self) -> Weights:
        arrays = {**self.guide.arrays, **self.short.arrays, **self.ensemble.arrays}
        return Weights(arrays=arrays, meta=self.meta)


__all__ = ["Nle"]
