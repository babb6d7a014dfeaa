"""Neural posterior estimation.

A conditional density q learns the posterior itself by maximum likelihood (Papamakarios & Murray
2016, arXiv 1605.06376),

    max_q  E_{p(theta, x)} log q(u | x),   u = Phi^-1(F(theta)),

in the unbounded space where the prior is a standard normal, so nothing leaks out of its support:

    log p(theta | x) = log q(u | x) + log |du/dtheta|.

Which density is right is tried (`learning.portfolio`); what is trained to the end is an ensemble,
the mixture of its members, weighted by stacking. Each member learns what to read along with its
density: of long vectors a few features (`learning.compression`), of fields the embedding by a
residual network (`learning.networks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, ClassVar

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
from sbipipe.learning.compression import Choice, choose
from sbipipe.learning.ensembles import Ensemble
from sbipipe.learning.guide import DRAWS
from sbipipe.learning.networks import random_symmetry
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
from sbipipe.learning.training import Rows, merge, tensors
from sbipipe.progress import at_once, spend
from sbipipe.protocols import Conditioned, Posterior, Prior
from sbipipe.records import Positive, plugin
from sbipipe.seeds import stream
from sbipipe.storage import check_same

OF_FIELD = 16
"""The length of a field's embedding, where nothing is said."""


@plugin
class Npe:
    """A conditional density of theta given x.

    Attributes:
        density: "auto", which tries several, or one of `densities.DENSITIES`.
        effort: How many `auto` tries.
        hidden: The units in each hidden layer of a density that is named; None takes 64.
        transforms: The number of transforms of a flow that is named; None takes 5.
        ensemble: The number of members of the mixture, for each shape that is trained to the end.
        features: The length of the embedding of a field (None: 16), or the number of learned
            features that stand for a vector; 0 takes a vector itself; None decides: one or two for
            each parameter, where x has more than 8 components, and twice as many as there are
            parameters.
        width: The first width of the network that embeds a field.
        symmetric: Whether fields are turned and mirrored at random during training, and shifted
            where they are periodic.
        optimisation: How the members are trained.
    """

    density: DensityName = "auto"
    effort: Effort = "standard"
    hidden: Positive | None = None
    transforms: Positive | None = None
    ensemble: Positive = 3
    features: Annotated[int, Field(ge=0)] | None = None
    width: Positive = 16
    symmetric: bool = True
    optimisation: Annealed = Field(default_factory=Annealed)

    learns: ClassVar[bool] = True
    moved: ClassVar[dict[str, str]] = MOVED

    def __post_init__(self) -> None:
        require_one(self.density, self.hidden, self.transforms)

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {
            "density": "zuko_nsf",
            "hidden": 8,
            "transforms": 2,
            "ensemble": 2,
            "width": 4,
            "optimisation": {"steps": 10},
        }

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Choose and train on `train`; stop and stack on `valid`."""
        u, x = tensors(prior.to_unbounded(train.theta), train.x)
        held_out = tensors(prior.to_unbounded(valid.theta), valid.x)
        choice, first = choose((u, x), held_out, self.features, self.optimisation, run)
        grid = train.data.geometry if isinstance(train.data, Fields) else None
        periodic = grid is not None and grid.periodic
        tried = shapes(self.density, self.hidden, self.transforms, self.effort, u.shape[1])
        fitted = fit(
            candidates(
                tried,
                u,
                x,
                halves=halves(self.density, self.effort),
                **self._embedding(x, choice, periodic),
            ),
            (u, x),
            held_out,
            finalists=FINALISTS[self.effort],
            members=self.ensemble,
            settings=self.optimisation,
            run=run,
            augment=partial(_augment, periodic) if self.symmetric and grid else None,
        )
        ensemble = Ensemble.stacked(fitted.networks, *held_out)
        meta = {
            "config": self._config,
            "x": list(x.shape[1:]),
            "periodic": periodic,
            "features": choice.features if choice else 0,
            "squares": choice is not None and choice.squares,
            "members": list(fitted.names),
        }
        last = fitted.with_weights(ensemble.weights)
        posterior = _NpePosterior(prior=prior, ensemble=ensemble, meta=meta)
        return posterior, replace(merge([*first, last]), notes=last.notes)

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
        u, x = torch.zeros(2, len(prior.names)), torch.zeros(2, *weights.meta["x"])
        features, squares = weights.meta["features"], weights.meta["squares"]
        choice = Choice(features, squares=squares) if features else None
        embedding = self._embedding(x, choice, weights.meta["periodic"])
        ensemble = restored(weights, u, x, device, **embedding)
        return _NpePosterior(prior=prior, ensemble=ensemble, meta=weights.meta)

    def _embedding(self, x: Tensor, choice: Choice | None, periodic: bool) -> dict[str, Any]:
        """What `build_density` is told of rows x: what features vectors have, or of fields."""
        if choice:
            return {"reads": partial(choice.map, x)}
        return {"features": self.features or OF_FIELD, "width": self.width, "periodic": periodic}

    @property
    def _config(self) -> dict[str, Any]:
        names = ("density", "effort", "hidden", "transforms", "ensemble", "features", "width")
        return {name: getattr(self, name) for name in names}


def _augment(periodic: bool, u: Tensor, x: Tensor) -> Rows:
    return u, random_symmetry(x, periodic=periodic)


@dataclass(frozen=True, kw_only=True)
class _NpePosterior:
    prior: Prior
    ensemble: Ensemble
    meta: Mapping[str, Any]

    proposes_itself: ClassVar[bool] = True

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
        conditioned = _NpeConditioned(
            prior=self.prior,
            ensemble=self.ensemble,
            embedded=self._embedded(digest),
            failed=failed,
        )
        return conditioned.log_prob(theta) - self.prior.log_prob(theta)

    def log_ratios(self, theta: Array, digest: Array) -> Array:
        """`log_ratio` twice: the density that proposes is that of the posterior."""
        ratio = self.log_ratio(theta, digest)
        return np.stack([ratio, ratio])

    def propose(self, n: int, digest: Array, rng: Generator) -> Array:
        """n draws u (n, B, D)."""
        return self.ensemble.sample(n, self._embedded(digest), rng)

    def near(self, digest: Array) -> Array:
        """As many as a search begins with, (n, B, D)."""
        return self.propose(DRAWS, digest, stream(0, "near"))

    def _embedded(self, digest: Array) -> list[Tensor]:
        """The embeddings that a digest holds, zero where there is none."""
        (known,) = tensors(np.where(np.isnan(digest).any(1, keepdims=True), 0.0, digest))
        return list(known.to(self.ensemble.device).chunk(len(self.ensemble.members), 1))

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
        with at_once(len(self.failed), "drawing", each=2 * n):
            theta = self.prior.from_unbounded(self.ensemble.sample(n, self.embedded, rng))
            log_prob = self.log_prob(theta)
            spend(n * len(self.failed))
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
