"""Neural posterior estimation.

A conditional density q learns the posterior itself by maximum likelihood (Papamakarios & Murray
2016, arXiv 1605.06376),

    max_q  E_{p(theta, x)} log q(u | x),   u = Phi^-1(F(theta)),

in the unbounded space where the prior is a standard normal, so nothing leaks out of its support:

    log p(theta | x) = log q(u | x) + log |du/dtheta|.

An ensemble is the mixture of its members, weighted by stacking. Fields are embedded by a residual
network (`learning.networks`) that is trained along with the density.
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

from sbipipe.interfaces import (
    Array,
    Dataset,
    Fields,
    Generator,
    History,
    LogLikelihood,
    Mask,
    Run,
    Samples,
    Weights,
)
from sbipipe.learning.densities import (
    ConditionalDensity,
    DensityName,
    Ensemble,
    build_density,
    load_members,
    train_members,
)
from sbipipe.learning.networks import random_symmetry
from sbipipe.learning.training import Optimisation, Rows, tensors
from sbipipe.protocols import Conditioned, Posterior, Prior
from sbipipe.records import Positive, plugin
from sbipipe.storage import check_same


@plugin
class Npe:
    """A conditional density of theta given x.

    Attributes:
        density: One of `densities.DENSITIES`.
        hidden: Units in each hidden layer.
        transforms: The number of transforms of a flow.
        ensemble: The number of members of the mixture.
        features: The length of the embedding of a field.
        width: The first width of the network that embeds a field.
        symmetric: Whether fields are turned and mirrored at random during training, and shifted
            where they are periodic.
        optimisation: How each member is trained.
    """

    density: DensityName = "zuko_nsf"
    hidden: Positive = 64
    transforms: Positive = 2
    ensemble: Positive = 1
    features: Positive = 16
    width: Positive = 16
    symmetric: bool = True
    optimisation: Optimisation = Field(
        default_factory=lambda: Optimisation(
            epochs=40, patience=8, batch=512, learning_rate=3e-3, ema=0.98
        )
    )

    learns: ClassVar[bool] = True

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {"hidden": 8, "ensemble": 2, "width": 4, "optimisation": {"epochs": 2}}

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Train every member on `train`; stop and stack on `valid`."""
        u, x = tensors(prior.to_unbounded(train.theta), train.x)
        held_out = tensors(prior.to_unbounded(valid.theta), valid.x)
        grid = train.data.geometry if isinstance(train.data, Fields) else None
        periodic = grid is not None and grid.periodic
        members, history = train_members(
            partial(self._network, u, x, periodic),
            (u, x),
            held_out,
            size=self.ensemble,
            settings=self.optimisation,
            run=run,
            augment=partial(_augment, periodic) if self.symmetric and grid else None,
        )
        ensemble = Ensemble.stacked(members, *held_out)
        meta = {"config": self._config, "x": list(x.shape[1:]), "periodic": periodic}
        posterior = _NpePosterior(prior=prior, ensemble=ensemble, meta=meta)
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
        u = torch.zeros(2, len(prior.names))
        x = torch.zeros(2, *weights.meta["x"])
        build = partial(self._network, u, x, weights.meta["periodic"])
        loaded = load_members(build, weights.arrays, self.ensemble)
        members = tuple(member.to(device) for member in loaded)
        ensemble = Ensemble(members=members, weights=np.asarray(weights.arrays["weights"]))
        return _NpePosterior(prior=prior, ensemble=ensemble, meta=weights.meta)

    def _network(self, u: Tensor, x: Tensor, periodic: bool) -> ConditionalDensity:
        return build_density(
            density=self.density,
            hidden=self.hidden,
            transforms=self.transforms,
            inputs=u,
            conditions=x,
            features=self.features,
            width=self.width,
            periodic=periodic,
        )

    @property
    def _config(self) -> dict[str, Any]:
        names = ("density", "hidden", "transforms", "ensemble", "features", "width")
        return {name: getattr(self, name) for name in names}


def _augment(periodic: bool, u: Tensor, x: Tensor) -> Rows:
    return u, random_symmetry(x, periodic=periodic)


@dataclass(frozen=True, kw_only=True)
class _NpePosterior:
    prior: Prior
    ensemble: Ensemble
    meta: Mapping[str, Any]

    def at(self, x: Array) -> Conditioned:
        return self._given(x)

    def _given(self, x: Array) -> _NpeConditioned:
        failed = np.asarray(~np.isfinite(x).all(tuple(range(1, x.ndim))))
        (known,) = tensors(np.where(failed.reshape(-1, *[1] * (x.ndim - 1)), 0.0, x))
        return _NpeConditioned(
            prior=self.prior,
            ensemble=self.ensemble,
            embedded=self.ensemble.embed(known),
            failed=failed,
        )

    def digest(self, x: Array) -> Array:
        """The members' embeddings behind each other, with shape (B, K E); NaN where x is."""
        conditioned = self._given(x)
        embedded = torch.cat(conditioned.embedded, 1).cpu().double().numpy()
        return np.where(conditioned.failed[:, None], np.nan, embedded)

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        """log q(theta | x) - log p(theta), (n, B, D) and (B, K E) -> (n, B)."""
        failed = np.asarray(np.isnan(digest).any(1))
        (known,) = tensors(np.where(failed[:, None], 0.0, digest))
        parts = known.to(self.ensemble.device).chunk(len(self.ensemble.members), 1)
        conditioned = _NpeConditioned(
            prior=self.prior, ensemble=self.ensemble, embedded=list(parts), failed=failed
        )
        return conditioned.log_prob(theta) - self.prior.log_prob(theta)

    @property
    def weights(self) -> Weights:
        return Weights(arrays=self.ensemble.arrays, meta=self.meta)


@dataclass(frozen=True, kw_only=True)
class _NpeConditioned:
    """The mixture at B observations.

    Attributes:
        embedded: Each member's embedding (B, E) of the observations.
        failed: Observations that are not finite, with shape (B,).
    """

    prior: Prior
    ensemble: Ensemble
    embedded: list[Tensor]
    failed: Mask

    def sample(self, n: int, rng: Generator) -> Samples:
        """Independent draws, so the effective sample size is n."""
        theta = self.prior.from_unbounded(self.ensemble.sample(n, self.embedded, rng))
        log_prob = self.log_prob(theta)
        failed = ~np.isfinite(log_prob).all(0)
        theta[:, failed], log_prob[:, failed] = np.nan, np.nan
        return Samples(
            draws=theta,
            log_prob=log_prob,
            effective_sample_size=np.where(failed, 0.0, float(n)),
        )

    def log_prob(self, theta: Array) -> Array:
        """Of the mixture, (n, B, D) -> (n, B)."""
        inside = self.prior.inside(theta)
        middle = self.prior.from_unit(np.full(theta.shape[-1], 0.5))
        safe = np.where(inside[..., None], theta, middle)
        (u,) = tensors(self.prior.to_unbounded(safe))
        log_prob = self.ensemble.log_prob(u, self.embedded) + self.prior.log_det_unbounded(safe)
        return np.where(self.failed, np.nan, np.where(inside, log_prob, -np.inf))


__all__ = ["Npe"]
