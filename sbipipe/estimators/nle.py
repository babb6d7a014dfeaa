"""Neural likelihood estimation.

A conditional density q learns the likelihood (Papamakarios et al. 2019, arXiv 1805.07226),

    max_q  E_{p(theta, x)} log q(x | u),   u = Phi^-1(F(theta)),

on standardised x. Bayes' theorem then gives the posterior,

    log p(theta | x) = log q(x | u) + log p(theta) - log Z(x),

normalised and drawn from in `sbipipe.sampling`. An ensemble is the mixture of its members'
densities, weighted by stacking. x are vectors of a few components; for fields, take a summary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from sbipipe.interfaces import Array, Dataset, History, LogLikelihood, Run, Weights
from sbipipe.learning.densities import (
    ConditionalDensity,
    DensityName,
    Ensemble,
    build_density,
    check_varies,
    check_vectors,
    load_members,
    train_members,
)
from sbipipe.learning.training import Optimisation, tensors
from sbipipe.protocols import Conditioned, Posterior, Prior
from sbipipe.records import Positive, plugin
from sbipipe.sampling.condition import condition
from sbipipe.storage import check_same


@plugin
class Nle:
    """A conditional density of x given theta.

    Attributes:
        density: One of `densities.DENSITIES`.
        hidden: Units in each hidden layer.
        transforms: The number of transforms of a flow.
        ensemble: The number of members of the mixture.
        optimisation: How each member is trained.
    """

    density: DensityName = "zuko_maf"
    hidden: Positive = 64
    transforms: Positive = 3
    ensemble: Positive = 1
    optimisation: Optimisation = Field(
        default_factory=lambda: Optimisation(
            epochs=60, patience=10, batch=512, learning_rate=3e-3, ema=0.98
        )
    )

    learns: ClassVar[bool] = True

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {"hidden": 8, "ensemble": 2, "optimisation": {"epochs": 2}}

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Train every member on `train`; stop and stack on `valid`.

        Raises:
            InputError: If x are fields, or a component of x never varies.
        """
        check_vectors(train.data)
        check_varies(train.x)
        x, u = tensors(train.x, prior.to_unbounded(train.theta))
        held_out = tensors(valid.x, prior.to_unbounded(valid.theta))
        members, history = train_members(
            partial(self._network, x, u),
            (x, u),
            held_out,
            size=self.ensemble,
            settings=self.optimisation,
            run=run,
        )
        ensemble = Ensemble.stacked(members, *held_out)
        meta = {"config": self._config, "x": list(x.shape[1:])}
        posterior = _NlePosterior(prior=prior, ensemble=ensemble, meta=meta)
        return posterior, replace(history, notes={"weights": ensemble.weights.tolist()})

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
        build = partial(self._network, x, u)
        loaded = load_members(build, weights.arrays, self.ensemble)
        members = tuple(member.to(device) for member in loaded)
        ensemble = Ensemble(members=members, weights=np.asarray(weights.arrays["weights"]))
        return _NlePosterior(prior=prior, ensemble=ensemble, meta=weights.meta)

    def _network(self, x: Tensor, u: Tensor) -> ConditionalDensity:
        return build_density(
            density=self.density,
            hidden=self.hidden,
            transforms=self.transforms,
            inputs=x,
            conditions=u,
        )

    @property
    def _config(self) -> dict[str, Any]:
        names = ("density", "hidden", "transforms", "ensemble")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class _NlePosterior:
    prior: Prior
    ensemble: Ensemble
    meta: Mapping[str, Any]

    def digest(self, x: Array) -> Array:
        """The vectors themselves, (B, L)."""
        return x

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        """log q(x | theta) in nats, (n, B, D) and (B, L) -> (n, B)."""
        u, x_tensor = tensors(self.prior.to_unbounded(theta), digest)
        embedded = [member.embed_all(u) for member in self.ensemble.members]
        return self.ensemble.log_prob(x_tensor[None], embedded)

    def at(self, x: Array) -> Conditioned:
        return condition(self.log_ratio, self.prior, self.digest(x))

    @property
    def weights(self) -> Weights:
        return Weights(arrays=self.ensemble.arrays, meta=self.meta)


__all__ = ["Nle"]
