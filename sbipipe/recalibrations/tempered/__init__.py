r"""How far a posterior may be believed: a power, for all observations or by region.

A likelihood that misses correlations, a flow that has seen too few rows: such posteriors are too
sharp. With l = log p(theta | x) - log p(theta), raised to the power b, they become

    p_b(theta | x) = p(theta) exp(b l(theta, x)) / Z_b(x),

and the strength b is the one with the highest mean of log p_b at the true parameters of
`calibrate`. Where rows that are left out say that it pays, b depends on where the observation
lies (`powers`, `regions`). A power cannot mend a bias, nor an error of one parameter's width: the
gate judges.

Z_b is known for every b at once (`likelihoods`). The mended posterior is drawn and normalised by
`sbipipe.sampling`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from sbipipe.evenly import evenly
from sbipipe.interfaces import Array, Dataset, Generator, History, Index, Run, Weights
from sbipipe.posteriors.price import standard_error
from sbipipe.posteriors.where import Where, names
from sbipipe.progress import phase
from sbipipe.protocols import Conditioned, Guided, Posterior, Prior, Proposing
from sbipipe.recalibrations.tempered.likelihoods import Likelihoods, likelihoods
from sbipipe.recalibrations.tempered.powers import Powers
from sbipipe.recalibrations.tempered.regions import by_region
from sbipipe.records import Positive, plugin
from sbipipe.sampling.condition import condition
from sbipipe.sampling.near import Near, Proposal
from sbipipe.seeds import number, stream


@plugin
class Tempered:
    """A power, fitted on `calibrate`.

    Attributes:
        rows: Rows of `calibrate` that the power is fitted to, at most.
        points: Points drawn from the posterior, the prior and each mixture for each of them.
        least, most: The range in which the power is sought; one for all that lies at its end is an
            error.
        columns: On how many numbers of an observation the power may depend; 0 for one power.
    """

    rows: Positive = 600
    points: Annotated[int, Field(ge=32)] = 256
    least: Annotated[float, Field(gt=0, lt=1)] = 0.02
    most: Annotated[float, Field(gt=1)] = 3.0
    columns: Annotated[int, Field(ge=0, le=8)] = 3

    def fit(
        self, posterior: Posterior, calibrate: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Find the power.

        Raises:
            InputError: If there is no row to fit it to, or the best power is none in the range.
        """
        start = time.perf_counter()
        rows = calibrate.rows(evenly(len(calibrate), self.rows))
        with phase("strength"):
            found = likelihoods(posterior, rows, prior, self.points, run.seed)
            strength = found.strength(self.least, self.most)
        rows = rows.rows(found.row)
        where = Where.of(rows.x, found.draws)
        columns = where(rows.x, found.draws)
        one = Powers.one(strength, (self.least, self.most))
        with phase("regions"):
            powers, gains = by_region(
                found, columns, rows.group, one, self.columns, number(run.seed, "folds")
            )
        error = found.strength_error(strength)
        notes: dict[str, Any] = {
            "strength": strength,
            "strength_error": error,
            "worth_having": bool(abs(strength - 1) > error or len(powers.size)),
            "share_in_68_%_regions_without_it": found.coverage(1.0, 0.68),
            "share_with_it": found.coverage(powers.at(columns), 0.68),
        }
        mended = _TemperedPosterior(posterior=posterior, prior=prior, powers=powers)
        if len(powers.size):
            notes |= _told(found, columns, powers, names(rows, prior.names), gains, rows.group)
            shape = posterior.digest(rows.x[:1]).shape[1:]
            mended = replace(mended, where=where, points=self.points, shape=shape)
        return mended, History(seconds=time.perf_counter() - start, notes=notes)

    def restore(self, weights: Weights, posterior: Posterior, prior: Prior) -> Posterior:
        """The posterior with the powers that these weights hold."""
        powers = Powers.restored(weights.arrays)
        mended = _TemperedPosterior(posterior=posterior, prior=prior, powers=powers)
        if not len(powers.size):
            return mended
        return replace(
            mended,
            where=Where.restored(weights.arrays, len(prior.names)),
            points=weights.meta["points"],
            shape=tuple(weights.meta["digest"]),
        )


@dataclass(frozen=True, kw_only=True)
class _TemperedPosterior:
    """b l with one power b, or one for each observation.

    Attributes:
        powers: b.
        where: What the columns that b depends on are made of; None where b is one number.
        points: Draws from the raw posterior that a column is known by, if one is of them.
        shape: Of one row of what the raw posterior makes of observations; known where `where` is.
    """

    posterior: Posterior
    prior: Prior
    powers: Powers
    where: Where | None = None
    points: int = 0
    shape: tuple[int, ...] = ()

    def digest(self, x: Array) -> Array:
        """The raw posterior's, and behind it b where that is not one number, (B, E + 1)."""
        raw = self.posterior.digest(x)
        if self.where is None:
            return raw
        columns = self.where(x, self._draws(self.where, x))
        return np.concatenate([raw.reshape(len(x), -1), self.powers.at(columns)[:, None]], 1)

    def _draws(self, where: Where, x: Array) -> Array:
        """Of the raw posterior; any, where no column that b depends on is of them."""
        if not where.is_of_draws(self.powers.column).any():
            return np.zeros((1, len(x), len(self.prior.names)))
        return self.posterior.at(x).sample(self.points, stream(0, "tempered")).draws

    def _raw(self, digest: Array) -> Array:
        """What the raw posterior made of the observations."""
        return digest if self.where is None else digest[:, :-1].reshape(-1, *self.shape)

    def _power(self, digest: Array) -> float | Array:
        return self.powers.strength if self.where is None else digest[:, -1]

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        """b l, (n, B, D) and (B, ...) -> (n, B)."""
        found = self._power(digest) * self.posterior.log_ratio(theta, self._raw(digest))
        return np.asarray(found)

    def at(self, x: Array) -> Conditioned:
        own = self.posterior
        near = self._near(own) if isinstance(own, Guided) else None
        proposal = self._proposal(own) if isinstance(own, Proposing) else None
        return condition(self.log_ratio, self.prior, self.digest(x), near, proposal)

    def _near(self, own: Guided) -> Near:
        return lambda digest: own.near(self._raw(digest))

    def _proposal(self, own: Proposing) -> Proposal:
        def draws(n: int, digest: Array, rng: Generator) -> Array:
            return own.propose(n, self._raw(digest), rng)

        def log_ratios(theta: Array, digest: Array) -> Array:
            value, ratio = own.log_ratios(theta, self._raw(digest))
            return np.stack([self._power(digest) * value, ratio])

        return Proposal(draws=draws, log_ratios=log_ratios, covers=own.proposes_itself)

    @property
    def weights(self) -> Weights:
        arrays = self.powers.arrays
        if self.where is None:
            return Weights(arrays=arrays)
        meta = {"digest": list(self.shape), "points": self.points}
        return Weights(arrays={**arrays, **self.where.arrays}, meta=meta)


def _told(
    found: Likelihoods,
    columns: Array,
    powers: Powers,
    words: tuple[str, ...],
    gains: Array,
    group: Index,
) -> dict[str, Any]:
    """What the power depends on, and what that gains in rows left out."""
    b = powers.at(columns)
    return {
        "depends_on": "; ".join(words[column] for column in powers.column),
        "strength_from": float(b.min()),
        "strength_to": float(b.max()),
        "nats_gained_by_region": float(gains.mean()),
        "nats_gained_by_region_error": standard_error(gains, group),
    }


__all__ = ["Tempered"]
