"""The verdicts, as the page shows them: by estimator."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sbipipe import paths, storage
from sbipipe.config import Made, Params
from sbipipe.gate.verdict import Verdict, Verdicts
from sbipipe.posteriors.comparison import Comparison, Performance
from sbipipe.records import InputError, load

NOTHING, LITTLE, MUCH = 0.1, 0.4, 0.9
"""Contractions below which a posterior has learned nothing of a parameter (it is at least 0.95
times as wide as the prior), little of it, and above which it has learned much (0.32 times)."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An estimator and what is known about it.

    Attributes:
        name: The name of its entry.
        entry: The entry `train.<name>`.
        verdict: The verdict of the gate.
        performance: The figures by which estimators are compared.
        nuisance: The names of the parameters that are a nuisance.
    """

    name: str
    entry: Made
    verdict: Verdict
    performance: Performance
    nuisance: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether its posteriors are exact."""
        return self.entry.kind == "exact"

    @property
    def file(self) -> str:
        """The file of its posteriors, relative to the page."""
        path = paths.posterior_path(self.name, self.verdict.published)
        return path.relative_to(paths.REPORTS).as_posix()

    @property
    def coverage_68(self) -> float | None:
        """The share of truths in regions of 68 %, where a test quotes it."""
        return self.verdict.coverage_68

    @property
    def learned_nothing_of(self) -> tuple[str, ...]:
        """The parameters whose posteriors are hardly narrower than the prior, and matter."""
        contraction = self.verdict.sharpness.contraction
        return tuple(
            name
            for name, value in contraction.items()
            if value < NOTHING and name not in self.nuisance
        )

    @property
    def min_p_adjusted(self) -> float:
        """The smallest adjusted p-value of its tests."""
        return min(test.p_adjusted for test in self.verdict.tests.values())


def learned(contraction: float) -> str:
    """How much a posterior has learned of a parameter, in a word."""
    words = {NOTHING: "nothing", LITTLE: "little", MUCH: "some", math.inf: "much"}
    return next((word for limit, word in words.items() if contraction < limit), "")


def judged(params: Params, comparison: Comparison) -> tuple[Judged, ...]:
    """The estimators of a run, in the order of `params.yaml`.

    Raises:
        InputError: Naming the file that is missing, or lacks an estimator.
    """
    verdicts = load(Verdicts, storage.load_json(paths.COVERAGE), paths.COVERAGE)
    known = {paths.COVERAGE: verdicts.estimators, paths.COMPARISON: comparison.estimators}
    lines = [
        f"{file}: estimators.{name}: missing"
        for file, estimators in known.items()
        for name in params.estimators
        if name not in estimators
    ]
    if lines:
        raise InputError(*lines)
    return tuple(
        Judged(
            name=name,
            entry=entry,
            verdict=verdicts.estimators[name],
            performance=comparison.estimators[name],
            nuisance=_nuisance(params, name),
        )
        for name, entry in params.estimators.items()
    )


def _nuisance(params: Params, name: str) -> tuple[str, ...]:
    """The parameters that are a nuisance, of the simulations that an estimator is of."""
    about = storage.open_set(paths.SETS / params.simulator_of(params.set_of(name))).about
    return tuple(about.get("nuisance", ()))
