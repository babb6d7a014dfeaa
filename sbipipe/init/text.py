"""A `params.yaml` for simulations that nobody has written one for: complete, with a comment where a
person has to decide."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import jinja2
import numpy as np
import yaml

from sbipipe import plugins
from sbipipe.config import MANDATORY, Draw, Gate, Simulations
from sbipipe.gate.planning import count_tests, within_reach
from sbipipe.init.guess import Guess
from sbipipe.init.source import Source
from sbipipe.interfaces import SPLITS, Fields
from sbipipe.seeds import number
from sbipipe.sets.shares import default_shares
from sbipipe.sets.splits import assign
from sbipipe.sets.tails import REMEDY

TEMPLATE = "params.yaml.jinja"

SEED = 0

FEWEST = 60
"""The simulations of `calibrate` on average, from which `levels` has enough of them in any case."""

CHANNELS = (16, 32, 64, 64, 64)
"""The features of the stages of a network of fields, of which small fields need fewer."""

STAGES = {256: 5, 128: 4, 1: 3}
"""The stages for so many pixels along a side, or more."""


def text(source: Source, guess: Guess) -> str:
    """All of `params.yaml`."""
    shares = _rounded(default_shares(source.simulations))
    fixed = {name for name, one in guess.marginals.items() if one["kind"] == "fixed"}
    learned = tuple(name for name in source.parameters if name not in fixed)
    tested, reach = _reach(source, learned, shares)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sbipipe", "init"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["flow"] = _flow
    return environment.get_template(TEMPLATE).render(
        source=source,
        guess=guess,
        seed=SEED,
        shares={split: shares[split] for split in SPLITS},
        levels=shares.calibrate * source.simulations >= FEWEST,
        draw=Draw(),
        gate=Gate(),
        diagnostics=MANDATORY,
        tested=tested,
        reach=reach,
        tails=_remark(source),
        **_sets(source),
    )


def _sets(source: Source) -> dict[str, Any]:
    """What is made of the rows, and the names of the sets that estimators learn from."""
    if not isinstance(source.data, Fields):
        return {"what": "vectors", "channels": (), "statistics": (), "sets": ["vectors"]}
    found = {"channels": _channels(source.data), "statistics": _measurable(source.data)}
    names = {"cnn": found["channels"], "statistics": found["statistics"]}
    sets = [name for name, there in names.items() if there] or [source.name]
    return {"what": "maps", "sets": sets, **found}


def _remark(source: Source) -> list[str]:
    """Lines about far pixels, where there are some."""
    if source.tails is None:
        return []
    return textwrap.wrap(f"{source.tails.sentence}; {REMEDY}.", width=94)


def _measurable(data: Fields) -> tuple[str, ...]:
    """The statistics of a summary that names none, as far as these fields allow them."""
    names: tuple[str, ...] = plugins.make("summarise", "field_statistics", {}, "").statistics
    return tuple(name for name in names if not plugins.statistic(name).obstacle(data))


def _channels(data: Fields) -> tuple[int, ...]:
    """The features of each stage of a network of fields; none where they cannot be halved."""
    sides = data.geometry.pixels
    most = next(stages for side, stages in STAGES.items() if min(sides) >= side)
    stages = next((n for n in range(most, 0, -1) if not any(s % 2**n for s in sides)), 0)
    return CHANNELS[:stages]


def _reach(source: Source, learned: tuple[str, ...], shares: Simulations) -> tuple[int, float]:
    """The number of test simulations, and the `gate.width_error` they are good for.

    Args:
        learned: The names of the parameters that are not fixed.
    """
    own = number(SEED, "simulate", source.name)
    n = len(np.unique(source.group[assign(source.group, shares, own)["test"]]))
    diagnostics = {kind: plugins.make("diagnose", kind, {}, "") for kind in MANDATORY}
    tests = count_tests(diagnostics, learned)
    return n, within_reach(n, learned, Gate(), tests, SEED)


def _rounded(shares: Simulations) -> Simulations:
    """Shares that are easy to read."""
    test = round(shares.test, 4)
    train = round(1 - shares.valid - shares.calibrate - test, 4)
    return Simulations(train=train, valid=shares.valid, calibrate=shares.calibrate, test=test)


def _flow(value: Any) -> str:
    """A plain value on one line of YAML."""
    if isinstance(value, Mapping | tuple):
        value = dict(value) if isinstance(value, Mapping) else list(value)
    written: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    return written.removesuffix("\n").removesuffix("\n...")


__all__ = ["text"]
