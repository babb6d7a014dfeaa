"""What a run left behind, as frozen records that figures and the page take.

Only entries of `params.yaml` are read: what removed entries have left on disk is no part of the
run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sbipipe import paths, plugins, provenance, storage
from sbipipe.budgets.curve import Budget
from sbipipe.budgets.curve import read as read_budget
from sbipipe.config import Params, read_params
from sbipipe.posteriors.comparison import Comparison, Pair
from sbipipe.posteriors.price import idle
from sbipipe.records import load
from sbipipe.results import asked as asked_results
from sbipipe.results import emulation as emulation_results
from sbipipe.results.asked import Hearing
from sbipipe.results.calibration import Judged, judged
from sbipipe.results.emulation import Emulation
from sbipipe.results.ladder import Ladder, ladders
from sbipipe.results.learning import Learning, Stage, histories, learning, stages
from sbipipe.results.mended import Recalibrated, recalibrated
from sbipipe.results.posteriors import Example, Recovery, examples, recoveries
from sbipipe.results.regions import LocalCalibration, local_calibration
from sbipipe.results.simulations import Components, Suite, components, suite
from sbipipe.results.tests import TestCurves, by_test


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything the page shows.

    Attributes:
        params: The parameters of the run.
        text: `params.yaml` as it was written.
        made: The time of reading.
        commit: The commit of the code.
        versions: The versions of the libraries, by name.
        estimators: The estimators with their verdicts.
        sharing: The names of the estimators, by the simulator they are tested on.
        pairs: The pairs of estimators that share their test simulations.
        examples: The posteriors of single test simulations.
        recoveries: The posteriors of all test simulations against the truth.
        local: The calibration of each estimator in cells of its parameters.
        suites: The sets of simulations.
        components: The sets of vectors.
        learning: The learning curves.
        recalibrated: The figures of the recalibrations.
        budgets: The learning curves in the number of simulations, by their entry.
        stages: The times of the stages.
        emulations: The emulators, beside the truth.
        unchecked: Those of them that could not be checked, with the reason.
        asked: The emulators before the published estimators, by name.
        sources: The law that each diagnostic tests, with its source, by the name of its entry.
    """

    params: Params
    text: str
    made: datetime
    commit: str
    versions: Mapping[str, str]
    estimators: tuple[Judged, ...]
    sharing: Mapping[str, tuple[str, ...]]
    pairs: tuple[Pair, ...]
    examples: tuple[Example, ...]
    recoveries: tuple[Recovery, ...]
    local: tuple[LocalCalibration, ...]
    suites: tuple[Suite, ...]
    components: tuple[Components, ...]
    learning: tuple[Learning, ...]
    recalibrated: tuple[Recalibrated, ...]
    budgets: Mapping[str, Budget]
    stages: tuple[Stage, ...]
    emulations: tuple[Emulation, ...]
    unchecked: Mapping[str, str]
    asked: Mapping[str, Hearing]
    sources: Mapping[str, str]

    @property
    def tests(self) -> tuple[TestCurves, ...]:
        """The tests, each with all its estimators."""
        return by_test({one.name: one.verdict for one in self.estimators})

    @property
    def ladders(self) -> tuple[Ladder, ...]:
        """The information ladder of each simulator."""
        verdicts = {e.name: e.verdict for e in self.estimators}
        reads = {name: self.params.set_of(name) for name in verdicts}
        distinct = [e.name for e in self.distinct]
        shown = {of: tuple(n for n in names if n in distinct) for of, names in self.sharing.items()}
        return ladders(shown, reads, verdicts, self.exact, self.pairs)

    @property
    def idle(self) -> Mapping[str, str]:
        """The recalibrations that changed nothing worth having, with what they mend."""
        mends = {one.entry: one.of for one in self.recalibrated}
        notes = {one.entry: one.notes for one in self.recalibrated}
        return idle(mends, notes, {e.name: e.verdict.published for e in self.estimators})

    @property
    def distinct(self) -> tuple[Judged, ...]:
        """The estimators without those."""
        return tuple(one for one in self.estimators if one.name not in self.idle)

    @property
    def exact(self) -> tuple[str, ...]:
        """The names of the estimators that are exact."""
        return tuple(estimator.name for estimator in self.estimators if estimator.exact)


def read() -> Results:
    """The run in the working directory.

    Raises:
        InputError: Naming the file that is missing or broken.
    """
    params = read_params()
    comparison = load(Comparison, storage.load_json(paths.COMPARISON), paths.COMPARISON)
    draws = {n: storage.load_draws(paths.DRAWS / f"{n}.safetensors") for n in params.estimators}
    fits, tested = histories(params), params.tested_on
    asked = asked_results.read(params)
    masses = {name: one.asked.masses for name, one in asked.items()}
    emulations, unchecked = emulation_results.read(params, masses)
    return Results(
        params=params,
        text=Path("params.yaml").read_text(),
        made=datetime.now(UTC),
        commit=provenance.git_commit(),
        versions=provenance.versions(),
        estimators=judged(params, comparison),
        sharing=tested,
        pairs=comparison.pairs,
        examples=tuple(
            example
            for of, names in tested.items()
            for example in examples(params, of, names, draws)
        ),
        recoveries=tuple(
            one for name in params.estimators for one in recoveries(name, draws[name])
        ),
        local=tuple(
            one for name in params.estimators for one in local_calibration(name, draws[name])
        ),
        suites=tuple(suite(params, name) for name in params.simulate),
        components=tuple(components(params)),
        learning=learning(fits),
        recalibrated=recalibrated(params, fits),
        budgets={name: read_budget(paths.budget_path(name)) for name in params.budget},
        stages=tuple(stages(fits, draws)),
        emulations=emulations,
        unchecked=unchecked,
        asked=asked,
        sources={
            name: plugins.description("diagnostics", entry.kind)
            for name, entry in params.diagnose.items()
        },
    )
