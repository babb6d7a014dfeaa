"""What is wrong with simulations that a user brings, and what is worth a remark.

The declared prior is compared with every row whose parameters are finite: simulations that failed
were drawn from it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sbipipe.interfaces import Dataset, Fields, Index
from sbipipe.names import unnamed
from sbipipe.protocols import Prior, Reader, UnknownPrior
from sbipipe.records import InputError
from sbipipe.seeds import number
from sbipipe.sets import repeats, sides, tails
from sbipipe.sets.declared import departures, significant, simulated
from sbipipe.sets.support import support


def look(rows: Dataset, reader: Reader, where: str) -> tuple[str, ...]:
    """The remarks, a line each.

    Args:
        rows: All rows, NaN included.
        where: The dotted key of the entry, for messages.

    Raises:
        InputError: With a line for every problem.
    """
    known = np.isfinite(rows.theta).all(1)
    within = support(reader.prior)
    names = within.names if within else unnamed(rows.theta.shape[1])
    whole = rows.finite
    sound, index = rows.rows(whole), np.flatnonzero(whole)
    problems = [
        f"{where}: {line}"
        for line in (*repeats.constant(rows.theta[known], names), *repeats.copied(sound, index))
    ]
    if within and not isinstance(reader.prior, UnknownPrior):
        found = departures(rows.theta, rows.group, within)
        problems += [f"{where}.config.prior: {line}" for line in found]
    if problems:
        raise InputError(*problems)
    edges = repeats.on_the_edge(rows.theta, within) if within else ()
    remarks = [*edges, *repeats.given_away(sound, names)]
    remarks += [*repeats.shared_theta(sound, index), *repeats.shared_x(sound, index)]
    if isinstance(sound.data, Fields):
        far, jump = tails.heavy(sound.x), sides.apart(sound.x)
        remarks += [f"{far.sentence}; {tails.REMEDY}"] if far else []
        if jump and sound.data.geometry.periodic:
            remarks.append(f"periodic: given true; {jump.sentence}; with false nothing is "
                           "shifted or looked at across them")  # fmt: skip
    return tuple(f"{where}: {line}" for line in remarks)


def prior_of(
    rows: Dataset, chosen: Mapping[str, Index], declared: Prior | UnknownPrior, seed: int
) -> tuple[Prior, dict[str, Any]]:
    """The prior of rows in their splits, and what `set.json` says of it where it is an estimate."""
    if not isinstance(declared, UnknownPrior):
        return declared, {}
    theta = {split: simulated(rows.theta[i], rows.group[i])[0] for split, i in chosen.items()}
    prior = declared.fit(theta["train"], theta["valid"], number(seed, "prior"))
    others = np.concatenate([theta[split] for split in ("calibrate", "test")])
    missed = significant(others, len(np.unique(others, axis=0)), prior)
    names = [_joined(prior, which) for which in missed]
    return prior, {"prior": declared.written(prior), "missed": names}


def told(prior: Prior) -> dict[str, Any]:
    """What `set.json` says of the parameters of any set."""
    more = {"nuisance": prior.nuisance, "fixed": dict(prior.fixed), "prior_source": prior.source}
    return {"parameters": prior.names, **{key: value for key, value in more.items() if value}}


def _joined(prior: Prior, which: tuple[int, ...]) -> str:
    return " and ".join(prior.names[i] for i in which)
