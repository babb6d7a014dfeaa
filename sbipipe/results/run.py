"""What a run left behind, as frozen records that figures and the page take.

Only entries of `params.yaml` are read: what removed entries have left on disk is no part of the
run. Example fields, spectra and components are those of `valid`, one row of each simulation: the
page spends none of `test` beyond what the diagnostics have already looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sbipipe import plugins, project, provenance, storage
from sbipipe.config import Params, read_params
from sbipipe.interfaces import (
    SPLITS,
    Array,
    Dataset,
    Fields,
    PosteriorDraws,
    Prior,
    Vectors,
)
from sbipipe.physics import fields
from sbipipe.results import emulation as emulation_results
from sbipipe.results.emulation import Emulation
from sbipipe.seeds import stream

EXAMPLES = 6
"""Test simulations whose posteriors are shown."""

SPECTRA = 120
"""Fields whose spectra are shown."""

GRID = 3
"""Example fields along each of the first two parameters."""

COMPONENTS = 6
"""Components of a vector that are shown."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """A mean over test simulations, in nats. None where it is not finite.

    Attributes:
        infinite: How many simulations make it so.
        finite_mean: Over the others.
    """

    mean: float | None
    se: float | None
    finite_mean: float | None = None
    infinite: int = 0


@dataclass(frozen=True, kw_only=True)
class TestResult:
    """One test of one estimator.

    Attributes:
        curve: "x", "y", "ideal", "lower" and "upper".
    """

    __test__ = False

    statistic: float | None
    p_value: float
    p_adjusted: float
    passed: bool
    why: str
    numbers: Mapping[str, float | None]
    curve: Mapping[str, Array]
    x_label: str
    y_label: str


@dataclass(frozen=True, kw_only=True)
class TestCurves:
    """One test of all estimators, by their names."""

    __test__ = False

    key: str
    diagnostic: str
    test: str
    results: Mapping[str, TestResult]


@dataclass(frozen=True, kw_only=True)
class Control:
    """A negative control and the tests that found it."""

    name: str
    found: bool
    by: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Diagnosed:
    """An estimator and what is known about it.

    Attributes:
        file: Of its posteriors, relative to the page.
        width_error: The smallest that its test would find nine times in ten; None where beyond
            what was looked at.
        coverage_68: Share of truths in regions of 68 %.
        effective_sample_size: "min" and "median" over simulations.
        mean_abs_z: Of each parameter; 0.80 for a calibrated Gaussian.
    """

    name: str
    kind: str
    of: str
    exact: bool
    verdict: str
    published: bool
    file: str
    reasons: tuple[str, ...]
    level: float | None
    n_test: int
    n_draws: int | None
    failed: int
    width_error: float | None
    coverage_68: float | None
    tests: Mapping[str, TestResult]
    controls: tuple[Control, ...]
    log_prob_truth: Score
    contraction: Mapping[str, float | None]
    effective_sample_size: Mapping[str, float | None]
    kl_from_exact: Score | None
    mean_abs_z: Mapping[str, float]
    train_seconds: float | None
    seconds_per_posterior: float | None

    @property
    def min_p_adjusted(self) -> float:
        return min(test.p_adjusted for test in self.tests.values())


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two estimators on the same observations; ratios are of a to b."""

    a: str
    b: str
    c2st: float | None
    c2st_se: float | None
    shift_sigma: float | None
    width_ratio: float | None
    by_parameter: Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True, kw_only=True)
class Example:
    """The posteriors of one test simulation.

    Attributes:
        number: Of the simulation among those tested.
        truth: With shape (D,).
        draws: By estimator, with shape (n, D).
    """

    simulator: str
    number: int
    parameters: tuple[str, ...]
    prior: Prior
    truth: Array
    draws: Mapping[str, Array]


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Posterior mean and width of one parameter against the truth, each with shape (B,)."""

    estimator: str
    parameter: str
    truth: Array
    mean: Array
    width: Array

    @property
    def z(self) -> Array:
        """Distance of the mean from the truth in posterior widths."""
        return (self.mean - self.truth) / self.width


@dataclass(frozen=True, kw_only=True)
class ExampleFields:
    """Fields over the prior, with shape (rows, columns, *space), space having one dimension or two.

    Attributes:
        theta: With shape (rows, columns, D).
        quantity: What a pixel holds.
        shown: What was done to show them, where anything was.
    """

    simulator: str
    parameters: tuple[str, ...]
    fields: Array
    theta: Array
    quantity: str
    shown: str


@dataclass(frozen=True, kw_only=True)
class Spectra:
    """Power spectra with shape (S, K) of fields with parameters (S, D)."""

    simulator: str
    parameters: tuple[str, ...]
    k: Array
    power: Array
    theta: Array
    k_unit: str
    power_unit: str


@dataclass(frozen=True, kw_only=True)
class Components:
    """Vectors (S, L) with parameters (S, D); the first components where there are many."""

    set: str
    parameters: tuple[str, ...]
    names: tuple[str, ...]
    x: Array
    theta: Array
    total: int


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A set of simulations: `set.json`, and what one sees of them."""

    name: str
    kind: str
    about: Mapping[str, Any]
    example_fields: ExampleFields | None
    spectra: Spectra | None

    @property
    def reasons(self) -> Mapping[str, int]:
        """Why simulations failed, and how many of them."""
        reasons = list(self.about.get("reasons", {}).values())
        return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}


@dataclass(frozen=True, kw_only=True)
class Learning:
    """The learning curves of one entry of `params.yaml`.

    Attributes:
        curves: By network: "epoch", "train" and "valid".
        chosen: The epoch whose weights were kept, by network.
    """

    entry: str
    curves: Mapping[str, Mapping[str, tuple[float, ...]]]
    chosen: Mapping[str, int]
    notes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How long a stage took."""

    stage: str
    entry: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything the page shows.

    Attributes:
        text: `params.yaml` as it was written.
        sharing: Names of the estimators, by the simulator they are tested on.
        emulations: Of the estimators that draw fields as well.
        unchecked: Those of them that could not be checked, with the reason.
    """

    params: Params
    text: str
    made: datetime
    commit: str
    versions: Mapping[str, str]
    estimators: tuple[Diagnosed, ...]
    sharing: Mapping[str, tuple[str, ...]]
    pairs: tuple[Pair, ...]
    examples: tuple[Example, ...]
    recoveries: tuple[Recovery, ...]
    suites: tuple[Suite, ...]
    components: tuple[Components, ...]
    learning: tuple[Learning, ...]
    stages: tuple[Stage, ...]
    emulations: tuple[Emulation, ...]
    unchecked: Mapping[str, str]

    @property
    def tests(self) -> tuple[TestCurves, ...]:
        """The tests, each with all its estimators."""
        keys = dict.fromkeys(key for estimator in self.estimators for key in estimator.tests)
        return tuple(_test_curves(key, self.estimators) for key in keys)

    @property
    def exact(self) -> tuple[str, ...]:
        """Names of the estimators that are exact."""
        return tuple(estimator.name for estimator in self.estimators if estimator.exact)


def read() -> Results:
    """The run in the working directory.

    Raises:
        InputError: Naming the file that is missing or broken.
    """
    params = read_params()
    coverage = storage.load_json(project.REPORTS / "coverage.json")["estimators"]
    comparison = storage.load_json(project.REPORTS / "comparison.json")
    draws = {n: storage.load_draws(project.DRAWS / f"{n}.safetensors") for n in params.train}
    histories = {key: storage.load_history(project.history_path(*key)) for key in _entries(params)}
    estimators = tuple(
        diagnosed(
            params, name, coverage[name], comparison["estimators"].get(name, {}),
            histories["train", name].seconds,
        )
        for name in params.train
    )  # fmt: skip
    sharing = _sharing(params)
    emulations, unchecked = emulation_results.read(params)
    return Results(
        params=params,
        text=Path("params.yaml").read_text(),
        made=datetime.now(UTC),
        commit=provenance.git_commit(),
        versions=provenance.versions(),
        estimators=estimators,
        sharing=sharing,
        pairs=tuple(_pair(entry) for entry in comparison.get("pairs", [])),
        examples=tuple(
            example
            for of, names in sharing.items()
            for example in _examples(params, of, names, draws)
        ),
        recoveries=tuple(r for name in params.train for r in recoveries(name, draws[name])),
        suites=tuple(suite(params, name) for name in params.simulate),
        components=tuple(_components(params)),
        learning=tuple(
            Learning(entry=name, curves=h.curves, chosen=h.chosen, notes=h.notes)
            for (section, name), h in histories.items()
            if h.curves
        ),
        stages=tuple(_stages(histories, draws)),
        emulations=emulations,
        unchecked=unchecked,
    )


def _entries(params: Params) -> list[tuple[str, str]]:
    return [
        (section, name)
        for section in ("simulate", "summarise", "train")
        for name in getattr(params, section)
    ]


def _sharing(params: Params) -> dict[str, tuple[str, ...]]:
    tested = {name: params.simulator_of(entry.of) for name, entry in params.train.items()}
    return {
        of: tuple(name for name, simulator in tested.items() if simulator == of)
        for of in dict.fromkeys(tested.values())
    }


def _stages(
    histories: Mapping[tuple[str, str], Any], draws: Mapping[str, PosteriorDraws]
) -> Iterator[Stage]:
    for (section, name), history in histories.items():
        yield Stage(stage=section, entry=name, seconds=history.seconds)
    for name, drawn in draws.items():
        yield Stage(stage="draw", entry=name, seconds=drawn.seconds * len(drawn.theta))


# What is known about each estimator


def diagnosed(
    params: Params,
    name: str,
    entry: Mapping[str, Any],
    compared: Mapping[str, Any],
    train_seconds: float,
) -> Diagnosed:
    """An estimator's entries of coverage.json and comparison.json as one record."""
    tests = {key: _test_result(test) for key, test in entry["tests"].items()}
    seconds = compared.get("seconds_per_posterior", entry.get("seconds_per_posterior"))
    kl = compared.get("kl_from_exact")
    folder = project.POSTERIORS if entry["published"] else project.WITHHELD
    return Diagnosed(
        name=name,
        kind=params.train[name].kind,
        of=params.train[name].of,
        exact=params.train[name].kind == "exact",
        verdict=entry["verdict"],
        published=entry["published"],
        file=f"{folder.name}/{name}.nc",
        reasons=tuple(entry["reasons"]),
        level=entry.get("level"),
        n_test=entry["n_test"],
        n_draws=entry.get("n_draws"),
        failed=entry.get("failed", 0),
        width_error=entry.get("power", {}).get("width_error"),
        coverage_68=_number(tests, "coverage_0.68"),
        tests=tests,
        controls=tuple(
            Control(name=key, found=found["found"], by=tuple(found.get("by", ())))
            for key, found in entry["controls"].items()
        ),
        log_prob_truth=_score(entry["sharpness"]["log_prob_truth"]),
        contraction=entry["sharpness"]["contraction"],
        effective_sample_size=entry.get("effective_sample_size", {}),
        kl_from_exact=_score(kl) if kl else None,
        mean_abs_z=compared.get("mean_abs_z") or {},
        train_seconds=train_seconds,
        seconds_per_posterior=seconds,
    )


def _score(entry: Mapping[str, Any]) -> Score:
    return Score(
        mean=entry["mean"],
        se=entry["se"],
        finite_mean=entry.get("finite_mean"),
        infinite=entry.get("infinite", 0),
    )


def _test_result(entry: Mapping[str, Any]) -> TestResult:
    curve = entry["curve"]
    lines = ("x", "y", "ideal", "lower", "upper")
    return TestResult(
        statistic=entry["statistic"],
        p_value=entry["p_value"],
        p_adjusted=entry["p_adjusted"],
        passed=entry["passed"],
        why=entry.get("why", ""),
        numbers=entry.get("numbers", {}),
        curve={line: np.array(curve[line], np.float64) for line in lines},
        x_label=curve.get("x_label", ""),
        y_label=curve.get("y_label", ""),
    )


def _number(tests: Mapping[str, TestResult], name: str) -> float | None:
    """A figure that one of the tests quotes."""
    return next((test.numbers[name] for test in tests.values() if name in test.numbers), None)


def _test_curves(key: str, estimators: tuple[Diagnosed, ...]) -> TestCurves:
    diagnostic, _, test = key.partition(".")
    results = {e.name: e.tests[key] for e in estimators if key in e.tests}
    return TestCurves(key=key, diagnostic=diagnostic, test=test or diagnostic, results=results)


def _pair(entry: Mapping[str, Any]) -> Pair:
    return Pair(
        a=entry["a"],
        b=entry["b"],
        c2st=entry["c2st"],
        c2st_se=entry.get("c2st_se"),
        shift_sigma=entry["shift_sigma"],
        width_ratio=entry["width_ratio"],
        by_parameter=entry.get("by_parameter", {}),
    )


# Posteriors


def _examples(
    params: Params, of: str, names: tuple[str, ...], draws: Mapping[str, PosteriorDraws]
) -> Iterator[Example]:
    """The first test simulations, which chance has drawn from the prior; nobody chose them."""
    prior = plugins.simulator(params, of).prior
    first = draws[names[0]]
    for number in range(min(EXAMPLES, len(first.theta))):
        sampled = {n: draws[n].draws[:, number] for n in names if not draws[n].failed[number]}
        if sampled:
            yield Example(
                simulator=of,
                number=number,
                parameters=first.parameters,
                prior=prior,
                truth=first.theta[number],
                draws=sampled,
            )


def recoveries(name: str, draws: PosteriorDraws) -> Iterator[Recovery]:
    """One for each parameter, of the observations that could be sampled."""
    kept = ~draws.failed
    if not kept.any():
        return
    for i, parameter in enumerate(draws.parameters):
        values = draws.draws[:, kept, i]
        yield Recovery(
            estimator=name,
            parameter=parameter,
            truth=draws.theta[kept, i],
            mean=values.mean(0),
            width=values.std(0),
        )


# Simulations


def suite(params: Params, name: str) -> Suite:
    """A set of simulations; one of vectors has neither example fields nor spectra."""
    found = storage.open_set(project.SETS / name)
    prior = plugins.simulator(params, name).prior
    rows = _rows(params, name) if isinstance(found.data, Fields) else None
    return Suite(
        name=name,
        kind=params.simulate[name].kind,
        about=found.about,
        example_fields=_example_fields(name, rows, prior) if rows else None,
        spectra=_spectra(name, rows, prior) if rows else None,
    )


def _rows(params: Params, name: str) -> Dataset:
    """One row of every simulation in `valid`."""
    rows = project.rows(params, name, "valid")
    return rows.one_per_group(stream(params.seed, "report", params.simulator_of(name)))


def _example_fields(name: str, rows: Dataset, prior: Prior) -> ExampleFields:
    """Those nearest to a grid in the quantiles of the first two parameters."""
    data = _fields(rows)
    ticks = (np.arange(GRID) + 0.5) / GRID
    q = prior.to_unit(rows.theta)
    if len(prior.names) == 1:
        targets = ticks[None, :, None]
    else:
        targets = np.stack(np.meshgrid(ticks, ticks[::-1]), -1)
    distance = ((targets[..., None, :] - q[:, : targets.shape[-1]]) ** 2).sum(-1)
    nearest = distance.argmin(-1)
    images, shown = _images(rows.x[nearest])
    return ExampleFields(
        simulator=name,
        parameters=prior.names,
        fields=images,
        theta=rows.theta[nearest],
        quantity=data.quantity,
        shown=shown,
    )


def _images(x: Array) -> tuple[Array, str]:
    """Fields (rows, columns, C, *space) as images, and what was done to them, in words."""
    channels, space = x.shape[2], x.shape[3:]
    words = [f"the first of {channels} channels"] if channels > 1 else []
    images = x[:, :, 0]
    if len(space) == 3:
        words.append("the mean along one axis of the box")
        images = images.mean(-1)
    return images, ", ".join(words)


def _fields(rows: Dataset) -> Fields:
    """What rows known to be fields are."""
    assert isinstance(rows.data, Fields)
    return rows.data


def _spectra(name: str, rows: Dataset, prior: Prior) -> Spectra | None:
    """Spectra of the first channel, with k in h/Mpc where the size of the box is known.

    None where space has sides of unequal length.
    """
    geometry = _fields(rows).geometry
    if not geometry.square or geometry.pixels[0] < 4:
        return None
    box, dimensions = geometry.box, geometry.dimensions
    found = fields.power_spectrum(rows.x[:SPECTRA, 0], box or 1.0, dimensions=dimensions)
    return Spectra(
        simulator=name,
        parameters=prior.names,
        k=found.k if box else found.k / (2 * np.pi),
        power=found.power,
        theta=rows.theta[:SPECTRA],
        k_unit=geometry.k_unit,
        power_unit=geometry.volume_unit,
    )


def _components(params: Params) -> Iterator[Components]:
    """Of every set of vectors."""
    for name in (*params.simulate, *params.summarise):
        found = storage.open_set(project.SETS / name)
        if not isinstance(found.data, Vectors):
            continue
        rows = _rows(params, name)
        yield Components(
            set=name,
            parameters=tuple(found.about["parameters"]),
            names=found.data.components[:COMPONENTS],
            x=rows.x[:, :COMPONENTS],
            theta=rows.theta,
            total=len(found.data.components),
        )


__all__ = [
    "SPLITS",
    "Components",
    "Control",
    "Diagnosed",
    "Example",
    "ExampleFields",
    "Learning",
    "Pair",
    "Recovery",
    "Results",
    "Score",
    "Spectra",
    "Stage",
    "Suite",
    "TestCurves",
    "TestResult",
    "diagnosed",
    "read",
    "recoveries",
    "suite",
]
