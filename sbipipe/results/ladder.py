r"""The information ladder: what one observation says of the parameters, and where it is lost.

The mean over simulations of the log posterior less the log prior at the truth,

    E [log q(theta | s) - log p(theta)] = I(theta; s) - E KL(p(. | s) || q(. | s)),

is the information in s = s(x), what the estimator reads, less what the estimator loses of it
(Barber & Agakov 2003, NIPS 16, 201), and no summary holds more than the data do: I(theta; s(x)) <=
I(theta; x) (data processing; Cover & Thomas 2006, section 2.8). The prior is the lowest rung, the
exact posterior of the data, where it is known, the highest. On average nothing has more than that,
calibrated or not, so a posterior that is withheld has its place as well.

What a rung lacks of the highest one has two parts. One is lost by what it reads: the best estimator
of that set lacks it, too. The other is its own: what the best estimator of the same set has and it
has not. Since the best one may lose something itself, the first part is at most what the set has
lost. Differences are paired, over the same test simulations.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sbipipe.gate.verdict import Estimate, Verdict
from sbipipe.posteriors.comparison import Pair

ERRORS = 2.0
"""Standard errors beyond which a loss is told from none."""

FINE = 0.01
"""Nats below which an error is written to one digit."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One estimator on the ladder of its simulator.

    Attributes:
        name: The name of the estimator.
        reads: The set that it reads.
        published: Whether it is published.
        gain: The nats gained over the prior.
        best: The name of the best estimator of the same set.
        behind: The nats that the top rung has more; None where that is not known.
        by_set: The nats that the top rung has more than the best estimator of the same set; None
            where that is not known.
        own: The nats that this best one has more than it; None where that is not known.
    """

    name: str
    reads: str
    published: bool
    gain: Estimate
    best: str
    behind: Estimate | None
    by_set: Estimate | None
    own: Estimate | None


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The estimators of one simulator, in the order of what they say.

    Attributes:
        simulator: The entry of `simulate:`.
        rungs: The estimators, the top one first.
        exact: Whether the top rung is the exact posterior.
    """

    simulator: str
    rungs: tuple[Rung, ...]
    exact: bool

    @property
    def top(self) -> Rung:
        """The exact posterior where there is one, or else the estimator with most nats."""
        return self.rungs[0]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is lost where, in words."""
        return tuple(self._sentences())

    def _sentences(self) -> Iterator[str]:
        gain = _nats(self.top.gain)
        if self.exact:
            yield f"The exact posterior gains {gain} nats over the prior: all that the data say"
        else:
            yield (
                f"The most, {gain} nats over the prior, has {self.top.name}; how much more the "
                "data say is not known without an exact posterior that no test condemns"
            )
        firsts = {rung.reads: rung for rung in self.rungs if rung.name == rung.best}
        yield from (self._set(one) for one in firsts.values() if one.reads != self.top.reads)
        for rung in self.rungs:
            if rung.name != rung.best and _seen(rung.own):
                yield f"{rung.name} itself loses {_nats(rung.own)} nats: {rung.best} has them"

    def _set(self, first: Rung) -> str:
        """What a set has lost, by the best estimator of it."""
        if first.by_set is None:
            return f"What {first.reads} loses is not known"
        if not _seen(first.by_set):
            size = replace(first.by_set, mean=abs(first.by_set.mean))
            return (
                f"What {first.reads} loses does not show: {first.name}, which reads it, differs "
                f"from {self.top.name} by {_nats(size)} nats"
            )
        most = "at most" if self.exact else "about"
        return (
            f"{first.reads} loses {most} {_nats(first.by_set)} nats, by which its best estimator, "
            f"{first.name}, is behind {self.top.name}"
        )


def ladders(
    sharing: Mapping[str, tuple[str, ...]],
    reads: Mapping[str, str],
    verdicts: Mapping[str, Verdict],
    exact: Container[str],
    pairs: Sequence[Pair],
) -> tuple[Ladder, ...]:
    """The ladder of each simulator.

    Args:
        sharing: The names of the estimators, by simulator.
        reads: The set that each estimator reads.
        verdicts: The verdict on each estimator.
        exact: The names of those whose posterior is exact; one that a test condemns is no limit.
    """
    limits = {name for name, one in verdicts.items() if name in exact and not one.cause}
    return tuple(
        _ladder(simulator, reads, {name: verdicts[name] for name in names}, limits, pairs)
        for simulator, names in sharing.items()
        if names
    )


def _ladder(
    simulator: str,
    reads: Mapping[str, str],
    verdicts: Mapping[str, Verdict],
    limits: Container[str],
    pairs: Sequence[Pair],
) -> Ladder:
    order = sorted(verdicts, key=lambda name: (name not in limits, -_worth(verdicts[name])))
    best: dict[str, str] = {}
    for name in order:
        best.setdefault(reads[name], name)
    rungs = tuple(
        Rung(
            name=name,
            reads=reads[name],
            published=verdicts[name].published,
            gain=verdicts[name].gain.nats,
            best=best[reads[name]],
            behind=ahead(pairs, order[0], name),
            by_set=ahead(pairs, order[0], best[reads[name]]),
            own=ahead(pairs, best[reads[name]], name),
        )
        for name in order
    )
    return Ladder(simulator=simulator, rungs=rungs, exact=order[0] in limits)


def _worth(verdict: Verdict) -> float:
    nats = verdict.gain.nats.mean
    return -math.inf if math.isnan(nats) else nats


def ahead(pairs: Sequence[Pair], one: str, other: str) -> Estimate | None:
    """The nats that one estimator has more than another, over the same simulations; None where
    that is not known, or they are the same."""
    return dict(pair.ahead(one) for pair in pairs if one in (pair.a, pair.b)).get(other)


def _seen(lost: Estimate | None) -> bool:
    """Whether a loss is told from none."""
    return lost is not None and not lost.mean <= ERRORS * lost.se


def _nats(one: Estimate | None) -> str:
    if one is None:
        return "an unknown number of"
    error = f"{one.se:.2f}" if one.se >= FINE else f"{one.se:.1g}"
    return f"{one.mean:.2f} ± {error}" if math.isfinite(one.se) else f"{one.mean:.2f}"


__all__ = ["Ladder", "Rung", "ahead", "ladders"]
