"""Neural ratio estimation.

A classifier f(u, x) tells the theta that made x from others. With one theta_0 of p(theta | x) among
K drawn from the prior, the contrastive loss (Durkan et al. 2020, arXiv 2002.03712)

    L_B = -E log[ exp f(u_0, x) / sum_{k=0..K} exp f(u_k, x) ]

is least for f = log p(x | theta) / p(x) + c(x). In u = Phi^-1(F(theta)) the prior is a standard
normal, so the K contrasting parameters are drawn from it afresh for every row: none can be the
row's own, however many rows share one simulation. The free c(x) is fixed where the posterior is
normalised, in `sbipipe.sampling`,

    log p(theta | x) = f(u, x) + log p(theta) - log Z(x).

Among the losses of Miller et al. (2022, arXiv 2210.06170) this is NRE-C in the limit of large
gamma; it spends no capacity on c(x), which a normalised posterior does not need.

An ensemble is the mixture of its members' posteriors with equal weights: each is normalised by its
own Z(x), also from `sbipipe.sampling`, so that a member's free c(x) carries no weight. Unlike the
mean of the log-ratios, the mixture is wide where members disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from sbi.neural_nets import classifier_nn
from torch import Tensor, nn

from sbipipe.interfaces import Array, Dataset, History, LogLikelihood, Run, Weights
from sbipipe.learning.densities import (
    PAIRS,
    Standardise,
    check_vectors,
    load_members,
    member_arrays,
    mixture_log_prob,
    pieces,
    train_members,
)
from sbipipe.learning.training import Optimisation, tensors
from sbipipe.protocols import Conditioned, Posterior, Prior
from sbipipe.records import Positive, plugin
from sbipipe.sampling.condition import condition
from sbipipe.storage import check_same


@plugin
class Nre:
    """A classifier of pairs (theta, x).

    Attributes:
        classifier: sbi's network: residual blocks, a perceptron, or linear.
        hidden: Units in each hidden layer.
        contrasts: The number K of parameters from the prior beside each true one.
        ensemble: The number of members.
        optimisation: How each member is trained.
    """

    classifier: Literal["resnet", "mlp", "linear"] = "resnet"
    hidden: Positive = 64
    contrasts: Positive = 16
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
        return {"hidden": 8, "ensemble": 2, "contrasts": 4, "optimisation": {"epochs": 2}}

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Train every member on `train`; stop on `valid`.

        Raises:
            InputError: If x are fields.
        """
        check_vectors(train.data)
        u, x = tensors(prior.to_unbounded(train.theta), train.x)
        members, history = train_members(
            partial(self._network, u, x),
            (u, x),
            tensors(prior.to_unbounded(valid.theta), valid.x),
            size=self.ensemble,
            settings=self.optimisation,
            run=run,
        )
        meta = {"config": self._config, "x": list(x.shape[1:])}
        weights = [1 / self.ensemble] * self.ensemble
        posterior = _NrePosterior(prior=prior, members=members, meta=meta)
        return posterior, replace(history, notes={"weights": weights})

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
        build = partial(self._network, u, x)
        loaded = load_members(build, weights.arrays, self.ensemble)
        members = tuple(member.to(device) for member in loaded)
        return _NrePosterior(prior=prior, members=members, meta=weights.meta)

    def _network(self, u: Tensor, x: Tensor) -> _Ratio:
        builder = classifier_nn(
            self.classifier,
            hidden_features=self.hidden,
            z_score_theta="none",
            z_score_x="none",
        )
        return _Ratio(builder(u[:2], x[:2]), Standardise(x), self.contrasts)

    @property
    def _config(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("classifier", "hidden", "ensemble")}


class _Ratio(nn.Module):
    """f(u, x) and its loss.

    Args:
        net: sbi's ratio estimator of u and standardised x.
        standardise: The map of x to zero mean and unit variance.
        contrasts: The number K of parameters from the prior.
    """

    def __init__(self, net: nn.Module, standardise: Standardise, contrasts: int) -> None:
        super().__init__()
        self.net = net
        self.standardise = standardise
        self.contrasts = contrasts

    def forward(self, u: Tensor, x: Tensor) -> Tensor:
        """f of u (..., D) and x (..., L), broadcast against each other."""
        x = self.standardise(x).expand(*u.shape[:-1], -1)
        ratio: Tensor = self.net.unnormalized_log_ratio(u, x)  # type: ignore[operator]
        return ratio

    def loss(self, u: Tensor, x: Tensor) -> Tensor:
        """L_B of each row."""
        others = torch.randn(len(u), self.contrasts, u.shape[1], device=u.device)
        logits = self(torch.cat([u[:, None], others], 1), x[:, None])
        losses: Tensor = torch.logsumexp(logits, 1) - logits[:, 0]
        return losses

    @torch.no_grad()
    def log_ratio(self, u: Tensor, x: Tensor) -> Tensor:
        """f, (n, B, D) and (B, L) -> (n, B), in float64."""
        pairs = u.shape[:2]
        device = self.standardise.loc.device
        rows = pieces(u.flatten(0, 1).to(device), PAIRS)
        given = pieces(x.to(device).expand(*pairs, -1).flatten(0, 1), PAIRS)
        parts = [self(a, b) for a, b in zip(rows, given, strict=True)]
        ratios: Tensor = torch.cat(parts).double().reshape(pairs).cpu()
        return ratios


@dataclass(frozen=True, kw_only=True)
class _NrePosterior:
    prior: Prior
    members: tuple[_Ratio, ...]
    meta: Mapping[str, Any]

    def at(self, x: Array) -> Conditioned:
        return condition(self.log_ratio, self.prior, self.digest(x))

    def digest(self, x: Array) -> Array:
        """The vectors and behind them the members' log Z, with shape (B, L + K)."""
        return np.concatenate([x, self._log_evidence(x)], 1)

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        """log p(x | theta) / p(x) + c(x), (n, B, D) and (B, L + K) -> (n, B)."""
        u, x_tensor = tensors(self.prior.to_unbounded(theta), digest)
        members = len(self.members)
        given = x_tensor[:, :-members]
        parts = np.stack([member.log_ratio(u, given).numpy() for member in self.members])
        equal = np.full(members, 1 / members)
        return mixture_log_prob(parts - digest[:, -members:].T[:, None], equal)

    def _log_evidence(self, x: Array) -> Array:
        """log E_prior[exp f] of each observation and member, with shape (B, K); NaN where one
        cannot be normalised. Of a single member, which needs none, zero."""
        if len(self.members) == 1:
            return np.zeros((len(x), 1))
        found = [
            condition(partial(self._ratio, k), self.prior, x) for k in range(len(self.members))
        ]
        return np.stack([one.log_evidence for one in found], 1)

    def _ratio(self, k: int, theta: Array, x: Array) -> Array:
        """f of one member, (n, B, D) and (B, L) -> (n, B)."""
        u, given = tensors(self.prior.to_unbounded(theta), x)
        return np.asarray(self.members[k].log_ratio(u, given).numpy())

    @property
    def weights(self) -> Weights:
        return Weights(arrays=member_arrays(self.members), meta=self.meta)


__all__ = ["Nre"]
