r"""The one answer of a run: which estimator to use, why, and what it says of each parameter.

Of the posteriors that are published, all calibrated, the one with the highest log density at the
truth says most (`gate.sharpness`). Whether another is as good is told by the paired difference over
the same test simulations, whose error is far smaller than those of the two (`posteriors.compare`).

The contraction of a parameter, 1 - var(theta | x) / var(theta) on average, makes its posterior
sqrt(1 - contraction) times as wide as its prior.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sbipipe.gate.choice import order
from sbipipe.gate.verdict import Estimate
from sbipipe.posteriors.comparison import Pair
from sbipipe.results.calibration import Judged, learned

ERRORS = 2.0
"""Standard errors of a paired difference within which two estimators are as good as each other."""

SHARPER = 0.8
"""The ratio of widths below which a withheld posterior is said to be narrower."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What is learned of one parameter.

    Attributes:
        name: The name of the parameter.
        widths: The width of each estimator's posterior over that of the prior, by estimator.
        learned: What the estimator to use has learned of it, in a word; empty where none is.
        nuisance: Whether it is a nuisance.
    """

    name: str
    widths: Mapping[str, float]
    learned: str
    nuisance: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What to use for the observations of one simulator.

    Attributes:
        simulator: The entry of `simulate:`.
        estimators: The estimators of its simulations.
        use: The one to use; None where none is published.
        ahead: By how many nats it is ahead of each of the others, by name, where that is known.
    """

    simulator: str
    estimators: tuple[Judged, ...]
    use: Judged | None
    ahead: Mapping[str, Estimate]

    @property
    def filled(self) -> tuple[str, ...]:
        """The two estimators that say most, those that are published first."""
        return tuple(e.name for e in sorted(self.estimators, key=_order)[:2])

    @property
    def shown(self) -> tuple[Judged, ...]:
        """The estimators whose widths are shown: the one to use, and those that are withheld."""
        used = () if self.use is None else (self.use,)
        return (*used, *(e for e in self.estimators if not e.verdict.published))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What is learned of each parameter."""
        first = self.use or self.estimators[0]
        return tuple(
            Parameter(
                name=name,
                widths={e.name: _width(e.verdict.sharpness.contraction[name]) for e in self.shown},
                learned=learned(contraction) if self.use else "",
                nuisance=name in first.nuisance,
            )
            for name, contraction in first.verdict.sharpness.contraction.items()
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """The answer in words."""
        return tuple(self._sentences())

    def _sentences(self) -> Iterator[str]:
        if self.use is None:
            yield "None of them, as they stand"
            yield from (_next(e) for e in self.estimators if e.verdict.advice)
            return
        yield self._why(self.use)
        looks = self.use.verdict.looks
        if looks and looks.rejected_at is not None:
            yield (
                f"It was rejected at level {looks.rejected_at:g}, then judged at "
                f"{self.use.verdict.level:g}"
            )
        as_good = [n for n in self._published if not self._behind(n)]
        if as_good:
            yield f"No worse, within {ERRORS:g} standard errors: " + ", ".join(
                f"{n} ({_nats(self.ahead[n])} nats behind)" for n in as_good
            )
        yield from self._unlearned(self.use)
        yield from (words for e in self.estimators for words in self._lost(e))

    @property
    def _published(self) -> list[str]:
        """The other published estimators whose difference is known."""
        return [e.name for e in self.estimators if e.verdict.published and e.name in self.ahead]

    def _behind(self, name: str) -> bool:
        one = self.ahead[name]
        return not one.mean <= ERRORS * one.se

    def _why(self, use: Judged) -> str:
        gained = f"it gains {_nats(use.verdict.gain.nats)} nats over the prior"
        behind = [n for n in self._published if self._behind(n)]
        others = ", ".join(f"{_nats(self.ahead[n])} more than {n}" for n in behind)
        most = (
            "and is the only one published"
            if not self._published
            else "the most of those published"
        )
        exact = "the exact posterior; " if use.exact else ""
        return f"Use {use.name}: {exact}{gained}, {others or most}"

    def _unlearned(self, use: Judged) -> Iterator[str]:
        nothing = use.learned_nothing_of
        if nothing:
            yield (
                f"It has learned nothing of {', '.join(nothing)}: calibrated, as the prior itself "
                "would be"
            )

    def _lost(self, withheld: Judged) -> Iterator[str]:
        """What is not had because an estimator is withheld."""
        if withheld.verdict.published or withheld.name not in self.ahead:
            return
        lost = self.ahead[withheld.name]
        widths = {p.name: p.widths for p in self.parameters}
        narrower = [
            f"{name} ({w[withheld.name] / w[self.use.name]:.2f} times as wide)"
            for name, w in widths.items()
            if self.use and w[withheld.name] < SHARPER * w[self.use.name]
        ]
        more = lost.mean < -ERRORS * lost.se
        if not (more or narrower):
            return
        words = []
        if more:
            words.append(f"would have {-lost.mean:.2f} ± {lost.se:.2g} nats more")
        if narrower:
            words.append(f"is narrower in {', '.join(narrower)}")
        yield (
            f"{withheld.name}, withheld as {withheld.verdict.verdict}, {' and '.join(words)}: "
            "not to be believed as it stands, but worth mending"
        )


def _next(withheld: Judged) -> str:
    """The most promising thing to do about a withheld estimator."""
    first = withheld.verdict.advice[0]
    return f"Try next for {withheld.name}: {first.do} ({first.found})"


def answers(
    sharing: Mapping[str, tuple[str, ...]], estimators: Sequence[Judged], pairs: Sequence[Pair]
) -> tuple[Answer, ...]:
    """The answer for each simulator.

    Args:
        sharing: The names of the estimators, by simulator.
    """
    return tuple(
        _answer(simulator, tuple(e for e in estimators if e.name in names), pairs)
        for simulator, names in sharing.items()
        if any(e.name in names for e in estimators)
    )


def _answer(simulator: str, estimators: tuple[Judged, ...], pairs: Sequence[Pair]) -> Answer:
    first = min(estimators, key=_order)
    use = first if first.verdict.published else None
    ahead = dict(_ahead(use.name, pairs)) if use else {}
    return Answer(simulator=simulator, estimators=estimators, use=use, ahead=ahead)


def _order(estimator: Judged) -> tuple[bool, bool, float]:
    return order(estimator.verdict, exact=estimator.exact)


def _ahead(name: str, pairs: Sequence[Pair]) -> Iterator[tuple[str, Estimate]]:
    """The nats by which one is ahead of the others, with the error of the paired difference."""
    for pair in pairs:
        if name in (pair.a, pair.b):
            other, nats = pair.ahead(name)
            if nats is not None and math.isfinite(nats.se):
                yield other, nats


def _width(contraction: float) -> float:
    """The posterior width over that of the prior."""
    return math.sqrt(max(0.0, 1 - contraction)) if math.isfinite(contraction) else math.nan


def _nats(one: Estimate) -> str:
    return f"{one.mean:.2f} ± {one.se:.2g}"


__all__ = ["Answer", "Parameter", "answers"]
