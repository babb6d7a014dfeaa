"""Rows to learn from that another forward model gave: an emulator's, or another simulator's.

Whether a posterior that has learned from imitations may be used on the real thing is a question for
the gate: the rows that it learns from are imitated, those that it is mended and judged on are true.
What the imitation lacks then shows as a posterior that is wrong, or as nats that are lost.

An emulator draws one field for each theta, and theta follows the design of simulations. Another
simulator's rows are taken as they are; their theta must come from the same prior, since a posterior
holds the one that it has learned under.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sbipipe.config import Imitate
from sbipipe.interfaces import Array, Data, Dataset, Fields, Generator
from sbipipe.progress import track
from sbipipe.protocols import Emulator, Prior
from sbipipe.records import InputError
from sbipipe.seeds import stream
from sbipipe.sets.splits import design

LEARNED = ("train", "valid")
"""Splits whose rows are imitated."""

TOGETHER = 256
"""Fields that are drawn at once."""


def drawn(
    emulator: Emulator, prior: Prior, counts: Mapping[str, int], seed: int
) -> dict[str, Dataset]:
    """Rows that an emulator draws, by split.

    Args:
        counts: The number of rows in each split.
        seed: The root of the streams of this set.
    """
    every = {split: design(prior, split, counts[split], seed) for split in LEARNED}
    return {
        split: Dataset(
            data=emulator.data,
            theta=theta,
            x=_fields(emulator, theta, stream(seed, "imitate", split), split),
            group=np.arange(len(theta)),
        )
        for split, theta in every.items()
    }


def _fields(emulator: Emulator, theta: Array, rng: Generator, split: str) -> Array:
    parts = [theta[i : i + TOGETHER] for i in range(0, len(theta), TOGETHER)]
    label, unit = f"drawing {split}", f"parts of {TOGETHER} fields"
    return np.concatenate([emulator.draw(part, rng) for part in track(parts, label, unit)])


def borrowed(
    rows: Mapping[str, Dataset], counts: Mapping[str, int], where: str
) -> dict[str, Dataset]:
    """The rows of the first simulations of each split of another simulator.

    Args:
        counts: The number of simulations of each split.
        where: The dotted key of the entry, for messages.

    Raises:
        InputError: If it has fewer.
    """
    groups = {split: np.unique(rows[split].group) for split in LEARNED}
    short = [
        f"{where}.{split}: given {counts[split]}; allowed: at most {len(groups[split])}, the "
        "simulations that there are"
        for split in LEARNED
        if counts[split] > len(groups[split])
    ]
    if short:
        raise InputError(*short)
    return {
        split: rows[split].rows(np.isin(rows[split].group, groups[split][: counts[split]]))
        for split in LEARNED
    }


def check_alike(where: str, entry: Imitate, own: Data, other: Data) -> None:
    """Raise InputError where what imitates gives other rows than what is imitated."""
    both = {one.quantity for one in (own, other) if isinstance(one, Fields)}
    known, given = (_known(one, Fields.quantity not in both) for one in (own, other))
    if known != given:
        raise InputError(
            f"{where}.by: given {entry.by!r}, whose rows are {given}; allowed: rows like those of "
            f"{entry.of!r}, {known}"
        )


def _known(data: Data, told: bool) -> str:
    """What rows are, in words.

    Args:
        told: Whether to say what a pixel holds, which simulations made elsewhere do not say.
    """
    if not isinstance(data, Fields):
        return f"vectors of {', '.join(data.components)}"
    geometry = data.geometry
    size = "" if geometry.box is None else f" over {geometry.box:g} {geometry.unit}"
    edges = "periodic" if geometry.periodic else "not periodic"
    pixels = " x ".join(map(str, geometry.pixels))
    holds = f" ({data.quantity})" if told else ""
    return f"fields of {', '.join(data.channels)}{holds} on {pixels} pixels{size}, {edges}"


def check_same_prior(where: str, entry: Imitate, own: Prior, other: Prior) -> None:
    """Raise InputError where theta of what imitates come from another prior."""
    places = stream(0, "same prior").random((64, len(own.names)))
    same = own.names == other.names
    if not same or not np.allclose(own.from_unit(places), other.from_unit(places)):
        given = ", ".join(other.names)
        raise InputError(
            f"{where}.by: given {entry.by!r}, whose parameters ({given}) have another prior; "
            f"allowed: a simulator with the prior of {entry.of!r} ({', '.join(own.names)})"
        )


__all__ = ["LEARNED", "borrowed", "check_alike", "check_same_prior", "drawn"]
