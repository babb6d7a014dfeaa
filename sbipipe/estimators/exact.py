"""The exact posterior of a simulator that offers its likelihood.

    log p(theta | x) = log p(x | theta) + log p(theta) - log p(x),

with the evidence p(x) and the draws from `sbipipe.sampling`. Nothing is learned: an estimator like
any other, and the one that every diagnostic must pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sbipipe.interfaces import Array, Dataset, History, LogLikelihood, Run, Weights
from sbipipe.protocols import Conditioned, Posterior, Prior
from sbipipe.records import InputError, plugin
from sbipipe.sampling.condition import condition


@plugin
class Exact:
    """Bayes' theorem with the simulator's own likelihood."""

    learns: ClassVar[bool] = False

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Learn nothing.

        Raises:
            InputError: If the simulator offers no likelihood.
        """
        return self.restore(Weights(), prior, train.log_likelihood), History()

    def restore(
        self,
        weights: Weights,
        prior: Prior,
        log_likelihood: LogLikelihood | None = None,
        *,
        device: str = "cpu",
    ) -> Posterior:
        """The posterior under a likelihood; without networks, so `device` changes nothing."""
        if log_likelihood is None:
            raise InputError(
                "kind: given 'exact' of a simulator without a likelihood; "
                "allowed: simulators whose likelihood is known"
            )
        return _ExactPosterior(prior=prior, log_likelihood=log_likelihood)


@dataclass(frozen=True, kw_only=True)
class _ExactPosterior:
    prior: Prior
    log_likelihood: LogLikelihood

    def digest(self, x: Array) -> Array:
        """The data themselves, (B, ...)."""
        return x

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        """log p(x | theta) in nats, (n, B, D) and (B, ...) -> (n, B)."""
        return self.log_likelihood(theta, digest)

    def at(self, x: Array) -> Conditioned:
        return condition(self.log_ratio, self.prior, self.digest(x))

    @property
    def weights(self) -> Weights:
        return Weights()


__all__ = ["Exact"]
