"""Arrays and a prior in memory -> posteriors that were learned, drawn from and judged.

The calls are those that the stages make, in their order, on rows that are never written: `simulate`
(what is wrong with rows that a user brings, and their splits), `summarise`, `train`, `recalibrate`,
`draw`, `diagnose`. The random streams have the names that they have there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from sbipipe import __version__, plugins, storage
from sbipipe.config import Draw, Entry, Gate, Recalibrate, Simulations
from sbipipe.gate.controls import controls
from sbipipe.gate.judge import judge
from sbipipe.gate.verdict import Verdict, Verdicts
from sbipipe.interfaces import PosteriorDraws, Run
from sbipipe.pages.judged import write
from sbipipe.posteriors import drawing
from sbipipe.posteriors import file as posterior_file
from sbipipe.posteriors.novelty import among
from sbipipe.posteriors.observed import Observed
from sbipipe.protocols import Posterior, Targeted
from sbipipe.provenance import versions
from sbipipe.records import InputError, dump, parse, plugin
from sbipipe.seeds import number, stream
from sbipipe.studies.diagnosing import diagnostics
from sbipipe.studies.priors import Given, declared
from sbipipe.studies.rows import Observe, Rows, rows_of
from sbipipe.studies.study import Study
from sbipipe.telling import stage

Entries = Sequence[str] | Mapping[str, Mapping[str, Any]]
"""Kinds, or entries as `params.yaml` has them, without `of`: `{npe: {kind: npe, config: {}}}`."""


@plugin
class Settings:
    """What may differ from the defaults, by the sections of `params.yaml`.

    Attributes:
        simulations: The shares of the simulations that each split receives.
        recalibrate: Estimators that mend another one, by name.
        draw: What is drawn for the diagnostics.
        gate: When a posterior is let out.
    """

    simulations: Simulations | None = None
    recalibrate: dict[str, Recalibrate] = Field(default_factory=dict)
    draw: Draw = Field(default_factory=Draw)
    gate: Gate = Field(default_factory=Gate)


def fit(
    theta: ArrayLike,
    x: ArrayLike,
    prior: Given = None,
    estimators: Entries = ("npe",),
    *,
    seed: int = 0,
    group: ArrayLike | None = None,
    periodic: bool = True,
    summary: str | Mapping[str, Any] | None = None,
    device: str = "cpu",
    progress: bool = False,
    folder: str | Path | None = None,
    **settings: Any,
) -> Study:
    """Learn posteriors from simulations, and put every one of them through the gate.

    Args:
        theta: Parameters drawn from the prior, with shape (N, D), and a column for each that is
            fixed.
        x: Vectors (N, L), or fields (N, *space) or (N, C, *space).
        prior: The prior of theta: a mapping as `params.yaml` has it, in which `(low, high)` may
            stand for a uniform parameter, or a prior; estimated from theta where it is not given.
        estimators: Kinds, or entries by name.
        seed: The root of all random streams.
        group: The simulation that each row came from, with shape (N,); each row is one of its own
            where it is not given.
        periodic: Whether opposite sides of fields meet.
        summary: The kind of summary that turns fields into vectors, or an entry
            `{kind: cnn, config: {}}`; estimators read x itself where it is not given.
        device: Where networks are trained, "cpu" or "cuda".
        progress: Whether to show how training goes.
        folder: Where to write a page (`index.html`) and the verdicts (`coverage.json`), or None.
        **settings: The fields of `Settings`: simulations, recalibrate, draw, gate.

    Raises:
        InputError: With every problem of the arrays, the prior or the settings.
    """
    chosen, run = parse(Settings, settings, ""), Run(seed=seed, device=device)
    columns = {"theta": np.asarray(theta), "x": np.asarray(x)}
    columns |= {} if group is None else {"group": np.asarray(group)}
    raw = rows_of(columns, declared(prior), chosen.simulations, seed, periodic=periodic)
    with stage("fit") if progress else nullcontext():
        rows, observe, posteriors = _learned(raw, summary, estimators, chosen, run)
    test = rows.test(seed)
    draws = {
        name: drawing.draw(one, test, rows.prior, chosen.draw, stream(seed, "draw", name))
        for name, one in posteriors.items()
    }
    verdicts = {name: _verdict(name, one, chosen, seed) for name, one in draws.items()}
    if folder is not None:
        write(Path(folder), verdicts, draws, chosen.gate)
        storage.save_json(Path(folder) / "coverage.json", dump(Verdicts(estimators=verdicts)))
    return _study(raw, rows, observe, posteriors, verdicts, seed)


def _learned(
    raw: Rows,
    summary: str | Mapping[str, Any] | None,
    estimators: Entries,
    chosen: Settings,
    run: Run,
) -> tuple[Rows, Observe | None, dict[str, Posterior]]:
    """The rows that estimators learn from, what makes them of raw ones, and the posteriors."""
    entries = {} if summary is None else dict(_entries([summary]))
    rows, observe = raw, None
    for name, entry in entries.items():
        kind = plugins.make("summarise", entry.kind, entry.config, f"summary.{name}")
        observe, _ = kind.fit(raw.train, raw.valid, _run(run, "summarise", name))
        rows = raw.summarised(observe)
    posteriors = dict(_trained(rows, dict(_entries(estimators)), run))
    for name, mends in chosen.recalibrate.items():
        posteriors[name] = _mended(rows, name, mends, posteriors, run)
    return rows, observe, posteriors


def _study(
    raw: Rows,
    rows: Rows,
    observe: Observe | None,
    posteriors: Mapping[str, Posterior],
    verdicts: Mapping[str, Verdict],
    seed: int,
) -> Study:
    """What was learned, as of the rows that were given."""
    read, whole = (cache(partial(one.neighbourhood, seed)) for one in (rows, raw))
    of_rows = posteriors
    if observe is not None:
        of_rows = {n: Observed(posterior=p, observe=observe) for n, p in posteriors.items()}
    return Study(
        prior=rows.prior,
        shape=raw.train.data.shape,
        verdicts=verdicts,
        attributes={name: _attributes(name, one, seed) for name, one in verdicts.items()},
        restore=of_rows.__getitem__,
        places=lambda _, x: among(read, whole, x if observe is None else observe(x), x),
        seed=seed,
        remarks=raw.remarks,
    )


def _entries(given: Any) -> Iterator[tuple[str, Entry]]:
    """Entries by name, from kinds, from entries without a name, or from a mapping."""
    if isinstance(given, str):
        given = [given]
    if isinstance(given, Mapping):
        for name, entry in given.items():
            yield name, parse(Entry, dict(entry), name)
        return
    for one in given:
        entry = parse(Entry, {"kind": one} if isinstance(one, str) else dict(one), "entry")
        yield entry.kind, entry


def _run(run: Run, *labels: str) -> Run:
    return replace(run, seed=number(run.seed, *labels))


def _trained(rows: Rows, entries: Mapping[str, Entry], run: Run) -> Iterator[tuple[str, Posterior]]:
    """The estimators, fitted one after the other; what is wrong with any of them is said first."""
    kinds = {
        name: plugins.make("train", entry.kind, entry.config, f"estimators.{name}")
        for name, entry in entries.items()
    }
    for name, kind in kinds.items():
        try:
            posterior, _ = kind.fit(rows.train, rows.valid, rows.prior, _run(run, "train", name))
        except InputError as error:
            raise InputError(*(f"estimators.{name}.{line}" for line in error.problems)) from error
        yield name, posterior


def _mended(
    rows: Rows, name: str, entry: Recalibrate, posteriors: Mapping[str, Posterior], run: Run
) -> Posterior:
    """A recalibration of one of the posteriors."""
    where, calibrate = f"recalibrate.{name}", rows.splits["calibrate"]
    wanted = {"of": entry.of, **({"target": entry.target} if entry.target else {})}
    problems = [
        f"{where}.{key}: given {one!r}; allowed: {', '.join(posteriors)}"
        for key, one in wanted.items()
        if one not in posteriors
    ]
    if not len(calibrate):
        problems.append(f"{where}: the split calibrate is empty; give it more in `simulations`")
    kind = plugins.make("recalibrate", entry.kind, entry.config, where)
    if isinstance(kind, Targeted) != (entry.target is not None):
        allowed = "another estimator" if isinstance(kind, Targeted) else "none"
        problems.append(f"{where}.target: given {entry.target}; allowed: {allowed}")
    if problems:
        raise InputError(*problems)
    if entry.target is not None:
        kind = kind.towards(posteriors[entry.target])
    own = _run(run, "recalibrate", name)
    mended: Posterior = kind.fit(posteriors[entry.of], calibrate, rows.prior, own)[0]
    return mended


def _verdict(name: str, draws: PosteriorDraws, settings: Settings, seed: int) -> Verdict:
    """The verdict by every diagnostic with its default settings."""
    rng = stream(seed, "diagnose", name)
    return judge(draws, diagnostics(), settings.gate, controls(settings.draw), rng)


def _attributes(name: str, verdict: Verdict, seed: int) -> dict[str, Any]:
    """What a posterior file says of an estimator."""
    return {
        "verdict": posterior_file.outcome(verdict),
        "published": int(verdict.published),
        "uncalibrated": int(not verdict.published),
        "reasons": posterior_file.reasons(verdict),
        "estimator": name,
        "created_by": f"sbipipe {__version__}",
        "seed": seed,
        "versions": versions(),
    }


__all__ = ["Settings", "fit"]
