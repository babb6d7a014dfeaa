"""What is wrong with `params.yaml` and its data, all at once, and what a run will cost.

The cost of a simulation is measured on all workers at a time, and each worker's second one counts,
since the first may compile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from sbipipe import plugins, project
from sbipipe.budgets.curve import learns_nothing
from sbipipe.config import Params, Simulate, Simulations
from sbipipe.costs.cost import Cost
from sbipipe.costs.timing import timed
from sbipipe.gate.planning import outlook
from sbipipe.interfaces import SPLITS, Array, Dataset, Index
from sbipipe.names import dangling, entries, unnamed
from sbipipe.protocols import GoesOn, HasLikelihood, Reader, Simulator
from sbipipe.records import InputError, parse, read_yaml
from sbipipe.seeds import number, stream
from sbipipe.sets import brought
from sbipipe.sets.shares import default_shares
from sbipipe.sets.splits import assign, counts
from sbipipe.sets.support import support
from sbipipe.sets.trivial import Trivial, known

T = TypeVar("T")

BYTES = 4
"""Of a number in a set."""

READ = 60e6
"""The bytes that are read, looked at and written in a second: what 3.9 GB of maps took."""

TIMES, LONG = 3, 10.0
"""How often a simulation is timed, unless that takes so many seconds; the shortest counts."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found.

    Attributes:
        problems: One line each, with the dotted key or the file; empty where nothing is wrong.
        params: The parameters, where they could be read.
        data: Simulations made elsewhere, by the name of their entry.
        remarks: What is worth a look, but not wrong, a line each.
    """

    problems: tuple[str, ...]
    params: Params | None
    data: Mapping[str, Dataset]
    remarks: tuple[str, ...] = ()


def check(path: Path = Path("params.yaml")) -> Checked:
    """Read the parameters, every plugin's settings, and the data they name."""
    problems: list[str] = []
    values = _attempt(problems, read_yaml, path)
    if values is None:
        return Checked(problems=tuple(problems), params=None, data={})
    params = _attempt(problems, parse, Params, values, "")
    broken = dangling(values)
    problems += broken
    made = {section: _plugins(section, values, problems) for section in plugins.FAMILIES}
    data: dict[str, Dataset] = {}
    remarks: list[str] = []
    for name, entry in entries(values, "simulate").items():
        sizes = _attempt(problems, _split_sizes, entry, name)
        reader = made["simulate"].get(name)
        if isinstance(reader, Reader):
            rows = _attempt(problems, _read, reader, sizes, name, values.get("seed", 0))
            if rows is not None:
                data[name] = rows
                found = _attempt(problems, brought.look, rows, reader, f"simulate.{name}")
                remarks += found or ()
    problems += _impossible(values, made["simulate"])
    if params and not broken:
        problems += [*_contradicting(params), *_unmendable(params, made["recalibrate"])]
        problems += [*_unlearned(params, made["train"])]
        problems += [*_ill_begun(params, made["emulate"])]
        problems += [*_unscored(params, made["emulate"], made["train"])]
    return Checked(
        problems=tuple(dict.fromkeys(problems)),
        params=params,
        data=data,
        remarks=tuple(remarks),
    )


def _attempt(problems: list[str], work: Callable[..., T], *given: Any) -> T | None:
    """What `work` returns, or None with its problems added."""
    try:
        return work(*given)
    except InputError as error:
        problems += error.problems
        return None


def _plugins(section: str, values: Any, problems: list[str]) -> dict[str, Any]:
    """Every plugin of a section whose kind and config are right, by name."""
    made: dict[str, Any] = {}
    for name, entry in entries(values, section).items():
        kind, config = entry.get("kind"), entry.get("config", {})
        if isinstance(kind, str) and isinstance(config, Mapping):
            where = f"{section}.{name}"
            plugin = _attempt(problems, plugins.make, section, kind, config, where)
            made |= {name: plugin} if plugin is not None else {}
    return made


def _split_sizes(entry: Mapping[str, Any], name: str) -> Simulations | None:
    """The entry's `simulations`; raises InputError where a simulator has no whole numbers."""
    where, given = f"simulate.{name}.simulations", entry.get("simulations")
    sizes = None if given is None else parse(Simulations, given, where)
    if _simulates(entry.get("kind")):
        counts(sizes, where)
    return sizes


def _simulates(kind: Any) -> bool:
    """Whether a kind runs simulations, rather than reading those made elsewhere."""
    family = plugins.FAMILIES["simulate"]
    return kind in plugins.kinds(family) and hasattr(plugins.plugin_class(family, kind), "simulate")


def _read(reader: Reader, sizes: Simulations | None, name: str, seed: Any) -> Dataset:
    """The rows of a reader.

    Raises:
        InputError: With its problems under their dotted key, or the splits that are empty.
    """
    where = f"simulate.{name}"
    try:
        rows = reader.read()
    except InputError as error:
        key = f"{where}.config.path" if hasattr(reader, "path") else f"{where}.config"
        lines = [p if p.startswith(where) else f"{key}: {p}" for p in error.problems]
        raise InputError(*lines) from error
    if isinstance(seed, int):
        group = rows.group[rows.finite]
        chosen = _assigned(group, sizes, name, seed)
        empty = [split for split in SPLITS if not len(chosen[split]) and split != "calibrate"]
        if empty:
            few = f"{len(np.unique(group))} simulations are too few"
            raise InputError(f"{where}: the split {', '.join(empty)} is empty ({few})")
    return rows


def _assigned(group: Index, sizes: Simulations | None, name: str, seed: int) -> dict[str, Index]:
    """The rows of each split, of simulations made elsewhere."""
    shares = sizes or default_shares(len(np.unique(group)))
    return assign(group, shares, number(seed, "simulate", name))


def _impossible(values: Any, simulators: Mapping[str, Any]) -> list[str]:
    """Exact posteriors of simulators that are there but have no likelihood."""
    known = [name for name, plugin in simulators.items() if isinstance(plugin, HasLikelihood)]
    return [
        f"train.{name}.of: given {entry['of']!r}, whose likelihood is not known; "
        f"allowed: {', '.join(known) or 'none of the simulators here'}"
        for name, entry in entries(values, "train").items()
        if entry.get("kind") == "exact"
        and entry.get("of") not in known
        and entry.get("of") in {*simulators, *entries(values, "summarise")}
    ]


def _contradicting(params: Params) -> Iterator[str]:
    """Settings of different sections that cannot both hold."""
    if params.gate.fewest_draws > params.draw.draws:
        yield (
            f"gate.fewest_draws: given {params.gate.fewest_draws}; allowed with draw.draws "
            f"{params.draw.draws}: at most as many"
        )


def _unmendable(params: Params, recalibrations: Mapping[str, Any]) -> Iterator[str]:
    """Recalibrations with too few simulations to be fitted to, or with a target that is none."""
    for name, kind in recalibrations.items():
        simulator = params.simulator_of(params.set_of(name))
        sizes, fewest = params.simulate[simulator].simulations, getattr(kind, "fewest", 1)
        given = 1 if sizes is None else sizes.calibrate
        if not given or (_simulates(params.simulate[simulator].kind) and given < fewest):
            yield project.needs_calibrate(name, simulator, int(given), fewest)
        problem = project.targeted(params, name, kind)
        if problem:
            yield problem


def _unlearned(params: Params, estimators: Mapping[str, Any]) -> Iterator[str]:
    """Learning curves of estimators that learn nothing."""
    for name, entry in params.budget.items():
        if entry.of in estimators and not estimators[entry.of].learns:
            yield learns_nothing(name, entry.of)


def _ill_begun(params: Params, emulators: Mapping[str, Any]) -> Iterator[str]:
    """Emulators that cannot begin with what they are of."""
    for name, kind in emulators.items():
        of = params.emulate[name].of
        if isinstance(kind, GoesOn) and (of in emulators or of not in params.emulate):
            lines = kind.obstacles(emulators.get(of))
            yield from (f"emulate.{name}.{line}" for line in lines)


def _unscored(
    params: Params, emulators: Mapping[str, Any], estimators: Mapping[str, Any]
) -> Iterator[str]:
    """Estimators of emulators that cannot score, or do not score what the estimator reads."""
    for name, estimator in estimators.items():
        of = params.train[name].of
        for emulator in _surfaces_behind(params, of):
            entry = params.emulate[emulator]
            if emulator in emulators and not emulators[emulator].scores:
                yield f"train.{name}.of: {project.cannot_score(emulator, entry.kind)}"
                continue
            needed = ["test", *(["train", "valid"] if estimator.learns else [])]
            mended = [key for key, one in params.recalibrate.items() if params.set_of(key) == of]
            needed += ["calibrate"] if mended else []
            missing = [split for split in needed if split not in entry.score]
            if missing:
                given = ", ".join(entry.score) or "no split"
                yield (
                    f"emulate.{emulator}.score: given {given}; train.{name} needs "
                    f"{', '.join(missing)} as well"
                )


def _surfaces_behind(params: Params, of: str) -> list[str]:
    """The emulators whose surfaces a set holds."""
    if of in params.emulate:
        return [of]
    if of not in params.join:
        return []
    entry = params.join[of]
    return [*_surfaces_behind(params, entry.of), *_surfaces_behind(params, entry.beside)]


def costs(checked: Checked, measured: bool = True) -> Iterator[tuple[str, Cost]]:
    """The cost of every entry of `simulate:`.

    Args:
        measured: Run simulations to find out; else only simulations made elsewhere have a cost.

    Raises:
        InputError: If there were problems.
    """
    if checked.params is None or checked.problems:
        raise InputError(*checked.problems)
    for name, entry in checked.params.simulate.items():
        if name in checked.data:
            yield name, _cost_of_reading(checked.data[name], entry)
        else:
            yield name, _cost_of_simulating(checked.params, name, measured)


def trivial(checked: Checked) -> Iterator[tuple[str, Trivial]]:
    """What trivial features know of simulations made elsewhere, by the name of their entry.

    Raises:
        InputError: If there were problems.
    """
    if checked.params is None or checked.problems:
        raise InputError(*checked.problems)
    for name, rows in checked.data.items():
        names = _parameters(checked, checked.params, name)
        yield name, known(rows, names, stream(checked.params.seed, "trivial", name))


def outlooks(checked: Checked) -> Iterator[str]:
    """What the gate will see with the test simulations of each entry of `simulate:`.

    Raises:
        InputError: If there were problems.
    """
    params = checked.params
    if params is None or checked.problems:
        raise InputError(*checked.problems)
    diagnostics = {name: plugins.diagnostic(params, name) for name in params.diagnose}
    for name in params.tested_on:
        parameters = _parameters(checked, params, name)
        n = _test_simulations(checked, params, name)
        yield f"simulate.{name}: {outlook(n, parameters, diagnostics, params.gate, params.seed)}"


def _parameters(checked: Checked, params: Params, name: str) -> tuple[str, ...]:
    """The names of the parameters of an entry of `simulate:`."""
    within = support(plugins.simulator(params, name).prior)
    return within.names if within else unnamed(checked.data[name].theta.shape[1])


def _test_simulations(checked: Checked, params: Params, name: str) -> int:
    sizes = params.simulate[name].simulations
    if name not in checked.data:
        return counts(sizes, f"simulate.{name}.simulations")["test"]
    rows = checked.data[name]
    group = rows.group[rows.finite]
    return len(np.unique(group[_assigned(group, sizes, name, params.seed)["test"]]))


def _cost_of_reading(rows: Dataset, entry: Simulate) -> Cost:
    kept = int(rows.finite.sum())
    shares = entry.simulations or default_shares(len(np.unique(rows.group[rows.finite])))
    total = sum(shares[split] for split in SPLITS)
    row = int(np.prod(rows.x.shape[1:])) * BYTES
    return Cost(
        rows=kept,
        excluded=len(rows) - kept,
        shape=rows.x.shape[1:],
        each=None,
        seconds=kept * row / READ,
        disk=kept * row,
        memory=round(kept * row * max(shares[split] for split in SPLITS) / total),
    )


def _cost_of_simulating(params: Params, name: str, measured: bool) -> Cost:
    simulator = cast(Simulator, plugins.simulator(params, name))
    wanted = counts(params.simulate[name].simulations, f"simulate.{name}.simulations")
    simulations = sum(wanted.values())
    rows = simulations * simulator.maps
    if not measured:
        return Cost(rows=rows, excluded=0, shape=None, each=None, seconds=0, disk=0, memory=0)
    each, shape, workers = _measured(simulator, params)
    row = int(np.prod(shape)) * BYTES
    return Cost(
        rows=rows,
        excluded=0,
        shape=shape,
        each=each,
        seconds=simulations * each / workers,
        disk=rows * row,
        memory=max(wanted.values()) * simulator.maps * row,
    )


def _measured(simulator: Simulator, params: Params) -> tuple[float, tuple[int, ...], int]:
    """Seconds of one simulation while all workers simulate, a row's shape, and the workers."""
    from sbipipe import runtime
    from sbipipe.sets.trial import on_every_worker

    with runtime.workers(params.runtime) as client:
        found = client.gather(on_every_worker(client, measure, simulator, seed=0))
    return max(seconds for seconds, _ in found), found[0][1], len(found)


def measure(simulator: Simulator, theta: Array, seed: int) -> tuple[float, tuple[int, ...]]:
    """Seconds of a simulation once warm, and the shape of a row."""
    rng = np.random.default_rng(seed)
    rows = simulator.simulate(theta, rng)
    found: list[float] = []
    while len(found) < TIMES and sum(found) < LONG:
        found.append(timed(lambda: simulator.simulate(theta, rng)))
    return min(found), tuple(rows.shape[1:])
