"""`params.yaml` -> frozen, strict, typed objects.

A class here for every section and for every sort of entry; what stands below an entry's `config:`
are the fields of its kind. `records` says how values are checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from sbipipe.moved import KEYS
from sbipipe.names import EntryName, dangling
from sbipipe.records import InputError, Positive, parse, plugin, read_yaml


@plugin
class Simulations:
    """Simulations in each split; in every split their parameters come from the prior.

    For simulations made elsewhere, the shares of the groups that each split receives.

    Attributes:
        train: What everything learns from.
        valid: What stops training, and chooses.
        test: What the diagnostics judge.
        calibrate: What recalibrations are fitted to.
    """

    train: Annotated[float, Field(gt=0)]
    valid: Annotated[float, Field(gt=0)]
    test: Annotated[float, Field(gt=0)]
    calibrate: Annotated[float, Field(ge=0)] = 0

    def __getitem__(self, split: str) -> float:
        return float(getattr(self, split))


@plugin
class Simulate:
    """An entry of `simulate:`.

    Attributes:
        kind: The simulator, or what reads simulations made elsewhere.
        simulations: The simulations in each split, or their shares; for simulations made elsewhere
            those of `sets.shares` where it is left out.
        config: The settings of the kind.
    """

    kind: str
    simulations: Simulations | None = None
    config: dict[str, Any] = Field(default_factory=dict)


Share = Annotated[float, Field(gt=0, lt=1)]

Split = Literal["train", "valid", "calibrate", "test"]


@plugin
class Made:
    """An entry of `summarise:` or `train:`, made of another entry.

    Attributes:
        kind: The summary or the estimator.
        of: The set that it reads: for a summary, an entry of `simulate:` or of `imitate:`.
        config: The settings of the kind.
    """

    kind: str
    of: str
    config: dict[str, Any] = Field(default_factory=dict)


@plugin
class Recalibrate(Made):
    """An entry of `recalibrate:`.

    Attributes:
        of: An estimator of `train:`, or one of `recalibrate:` written above it.
        target: An estimator of `train:` beside it, for kinds that take one.
    """

    target: str | None = None


@plugin
class Budget:
    """An entry of `budget:`, the learning curve of an estimator in the number of simulations.

    Attributes:
        of: An estimator of `train:`, which is trained anew on each share.
        shares: The shares of the training simulations, each part of the next; all of them, with
            the estimator as it is, come last by themselves.
    """

    of: str
    shares: Annotated[tuple[Share, ...], Field(min_length=1)] = (0.25, 0.5)

    def __post_init__(self) -> None:
        if list(self.shares) != sorted(set(self.shares)):
            given = list(self.shares)
            raise ValueError(f"shares: given {given}; allowed: each larger than the one before")


@plugin
class Emulate:
    """An entry of `emulate:`.

    Attributes:
        of: A simulator, or an emulator of the same kind, written above it, with which it begins:
            one of coarser fields, or a teacher.
        kind: The emulator.
        config: The settings of the kind.
        score: The splits whose fields it scores, if it can: what estimators that are `of` it need.
    """

    kind: str
    of: str
    score: tuple[Split, ...] = ("train", "valid", "calibrate", "test")
    config: dict[str, Any] = Field(default_factory=dict)


@plugin
class Imitate:
    """An entry of `imitate:`, a set whose rows to learn from another forward model gives.

    Attributes:
        of: The simulator whose rows are imitated, and whose own mend and judge.
        by: An emulator of `emulate:`, or another entry of `simulate:`, which gives `train` and
            `valid`.
        train: The number of imitated simulations to learn from; None takes as many as `of` has.
        valid: The number of those that stop training; None takes as many as `of` has.
    """

    of: str
    by: str
    train: Positive | None = None
    valid: Positive | None = None


@plugin
class Join:
    """An entry of `join:`, two sets of vectors of one simulator, row beside row.

    Attributes:
        of: The set whose components come first.
        beside: The set whose components follow.
    """

    of: str
    beside: str


@plugin
class Entry:
    """An entry of `diagnose:`.

    Attributes:
        kind: The diagnostic.
        config: The settings of the kind.
    """

    kind: str
    config: dict[str, Any] = Field(default_factory=dict)


@plugin
class Draw:
    """What is drawn for the diagnostics to judge, and how the negative controls are spoiled.

    Attributes:
        draws: The number of draws from the posterior of each test simulation.
        narrowed: The factor on the width of the control that is too narrow.
        widened: The factor on the width of the control that is too wide.
        shifted: The displacement of the control that is biased, in posterior standard deviations.
    """

    draws: Annotated[int, Field(ge=20)] = 1000
    narrowed: Annotated[float, Field(gt=0, lt=1)] = 0.7
    widened: Annotated[float, Field(gt=1)] = 1.3
    shifted: Annotated[float, Field(gt=0)] = 0.5


@plugin
class Gate:
    """When a posterior is let out.

    Attributes:
        level: The probability with which a calibrated posterior is withheld.
        on_failure: What a failed posterior brings about: with "withhold" it goes to
            `reports/withheld/`, with "fail" the run fails as well.
        width_error: The error of any one parameter's width that the verdict "calibrated" must
            exclude, in widths.
        chance: The probability with which such an error must be found.
        fewest_draws: The effective draws below which an observation counts as not sampled. Draws
            that are resampled are copies of few points: tests at 5 % reject exact posteriors 6
            times in 100 where the effective size is 100, and 21 times where it is 50.
    """

    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    on_failure: Literal["withhold", "fail"] = "withhold"
    width_error: Annotated[float, Field(ge=0.01, le=0.5)] = 0.2
    chance: Annotated[float, Field(ge=0.5, lt=1)] = 0.9
    fewest_draws: Positive = 100


FEWEST_FIELDS = 50
"""Fields at one theta, below which no test of their distributions sees much."""


@plugin
class Judge:
    """How emulated fields are set beside true ones.

    Attributes:
        fields: The fields at one theta, in the middle of the prior, whose distributions are tested:
            so many that an emulator draws, and twice as many that its simulator makes; 0 leaves
            these tests out. Rounded up to whole simulations.
        posteriors: The test simulations at whose parameters an emulator draws a field, of which
            each published estimator then gives the posterior, as its simulator makes another one;
            0 leaves these out.
        birthday: The fields that an emulator draws at one theta for the birthday test, at most:
            its kind may set a bound, where drawing is slow; 0 leaves it out, and so does `fields`.
    """

    fields: Annotated[int, Field(ge=0)] = 200
    posteriors: Annotated[int, Field(ge=0)] = 200
    birthday: Annotated[int, Field(ge=0)] = 32_000

    def __post_init__(self) -> None:
        if 0 < self.fields < FEWEST_FIELDS:
            raise ValueError(
                f"fields: given {self.fields}; allowed: 0, or at least {FEWEST_FIELDS}"
            )


@plugin
class Runtime:
    """The machine. No stage but `settings` follows it, so changing it computes nothing again.

    Attributes:
        device: "auto" takes a GPU where there is one.
        devices: How many train one network together, each in a process of its own.
        workers: Local processes.
        scheduler: Address of a running Dask scheduler, instead of local processes.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: Positive = 1
    workers: Positive = 2
    scheduler: str | None = None


MANDATORY = ("sbc", "coverage", "tarp", "regions")
"""The kinds of diagnostic without which no posterior is published."""


@plugin
class Params:
    """All of `params.yaml`, of which `simulate` has to be there, and `train` or `emulate`.

    Attributes:
        seed: The root of every random stream.
        simulate: Sets of rows, simulated or read.
        summarise: Sets of vectors, made of rows.
        emulate: Emulators of fields; one that can score them makes a set of surfaces as well.
        imitate: Sets whose rows to learn from another forward model gives.
        join: Sets made of two others, row beside row.
        train: Estimators.
        recalibrate: Estimators that mend another one.
        budget: Learning curves of estimators in the number of simulations.
        draw: What is drawn for the diagnostics.
        diagnose: Diagnostics; the four mandatory ones where the section is left out.
        gate: When a posterior is let out.
        judge: How emulated fields are set beside true ones.
        runtime: The machine.
    """

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    simulate: dict[EntryName, Simulate] = Field(min_length=1)
    summarise: dict[EntryName, Made] = Field(default_factory=dict)
    emulate: dict[EntryName, Emulate] = Field(default_factory=dict)
    imitate: dict[EntryName, Imitate] = Field(default_factory=dict)
    join: dict[EntryName, Join] = Field(default_factory=dict)
    train: dict[EntryName, Made] = Field(default_factory=dict)
    recalibrate: dict[EntryName, Recalibrate] = Field(default_factory=dict)
    budget: dict[EntryName, Budget] = Field(default_factory=dict)
    draw: Draw = Field(default_factory=Draw)
    diagnose: dict[EntryName, Entry] = Field(
        default_factory=lambda: {kind: Entry(kind=kind) for kind in MANDATORY}, min_length=1
    )
    gate: Gate = Field(default_factory=Gate)
    judge: Judge = Field(default_factory=Judge)
    runtime: Runtime = Field(default_factory=Runtime)

    moved: ClassVar[dict[str, str]] = KEYS

    def simulator_of(self, name: str) -> str:
        """The entry of `simulate:` that a set rests on."""
        if name in self.simulate:
            return name
        made: Mapping[str, Made | Emulate | Imitate | Join] = {
            **self.summarise, **self.emulate, **self.imitate, **self.join,
        }  # fmt: skip
        return self.simulator_of(made[name].of)

    @property
    def estimators(self) -> dict[str, Made]:
        """All estimators, those that mend another one last."""
        return {**self.train, **self.recalibrate}

    @property
    def recorded(self) -> dict[str, tuple[str, ...]]:
        """The entries whose stages record how their work went, by stage, in the order of these."""
        sections = ("simulate", "summarise", "emulate", "score", "train", "recalibrate", "budget")
        return {
            section: tuple(self.emulate if section == "score" else getattr(self, section))
            for section in sections
        }

    @property
    def tested_on(self) -> dict[str, tuple[str, ...]]:
        """The estimators whose posteriors are of the same simulations, by simulator."""
        of = {name: self.simulator_of(self.set_of(name)) for name in self.estimators}
        return {
            simulator: tuple(name for name, own in of.items() if own == simulator)
            for simulator in dict.fromkeys(of.values())
        }

    @property
    def exact(self) -> tuple[str, ...]:
        """The estimators whose posteriors are exact."""
        return tuple(name for name, entry in self.estimators.items() if entry.kind == "exact")

    def emulates(self, name: str) -> bool:
        """Whether an entry is an emulator."""
        return name in self.emulate

    def mends(self, estimator: str) -> tuple[str, ...]:
        """The estimators that one is made of: none, the one it mends, or that and its target."""
        entry = self.recalibrate.get(estimator)
        return tuple(filter(None, [entry.of, entry.target])) if entry else ()

    def section_of(self, estimator: str) -> str:
        """The section that an estimator is an entry of."""
        return "train" if estimator in self.train else "recalibrate"

    def set_of(self, estimator: str) -> str:
        """The set that an estimator reads: its simulator, where it is made of two that read
        different sets."""
        if estimator in self.train:
            return self.train[estimator].of
        entry = self.recalibrate[estimator]
        of = self.set_of(entry.of)
        if entry.target is None or self.set_of(entry.target) == of:
            return of
        return self.simulator_of(of)


def read_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check `params.yaml` as far as it can be checked without its plugins.

    Raises:
        InputError: With every problem found.
    """
    values = read_yaml(path)
    params = parse(Params, values, "")
    problems = dangling(values)
    if not params.train and not params.emulate:
        problems.append("train: given no entry; allowed: at least 1, here or in emulate")
    if problems:
        raise InputError(*problems)
    return params


__all__ = [
    "MANDATORY",
    "Budget",
    "Draw",
    "Emulate",
    "Entry",
    "Gate",
    "Imitate",
    "Join",
    "Judge",
    "Made",
    "Params",
    "Recalibrate",
    "Runtime",
    "Simulate",
    "Simulations",
    "Split",
    "read_params",
]
