"""Who belongs to which split.

Bundled simulators run a design of their own for each split. For training it is a scrambled Sobol
sequence (Owen 1998), which covers the prior more evenly than chance. Where calibration is measured
it is independent draws from the prior, since the null distribution of every test assumes them; on
a Sobol design the tests would reject too rarely. Both are sequences: a longer one begins with the
shorter one, so adding simulations moves none.

Simulations made elsewhere are assigned by hashing (seed, simulation), for the same reason.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import scipy

from sbipipe.config import Simulations
from sbipipe.interfaces import SPLITS, Array, Index
from sbipipe.protocols import Prior
from sbipipe.records import InputError
from sbipipe.seeds import stream


def design(prior: Prior, split: str, count: int, seed: int) -> Array:
    """Parameters of a split's simulations, with shape (count, D)."""
    rng = stream(seed, "design", split)
    if split in {"calibrate", "test"}:
        return prior.sample(count, rng)
    sobol = scipy.stats.qmc.Sobol(len(prior.names), scramble=True, rng=rng)
    return prior.from_unit(sobol.random_base2(max(count - 1, 1).bit_length())[:count])


def counts(simulations: Simulations | None, where: str) -> dict[str, int]:
    """Whole numbers of simulations in each split."""
    if simulations is None:
        raise InputError(f"{where}: missing; give train, valid, calibrate and test")
    wrong = [
        f"{where}.{split}: given {simulations[split]:g}; allowed: whole numbers"
        for split in SPLITS
        if simulations[split] % 1
    ]
    if wrong:
        raise InputError(*wrong)
    return {split: int(simulations[split]) for split in SPLITS}


def assign(group: Index, shares: Simulations, seed: int) -> dict[str, Index]:
    """Rows of each split, chosen by hashing the seed and the simulation each row came from."""
    names, inverse = np.unique(group, return_inverse=True)
    place = np.array([_hash(seed, int(name)) for name in names])[inverse]
    edges = np.cumsum([shares[split] for split in SPLITS])
    chosen = np.searchsorted(edges / edges[-1], place, side="right")
    return {split: np.flatnonzero(chosen == i) for i, split in enumerate(SPLITS)}


def nested(group: Index, share: float, seed: int) -> Index:
    """The rows of a share of the simulations, rounded up: a larger share holds a smaller one.

    Args:
        group: The simulation of each row, with shape (N,).
        share: Above 0, at most 1.
    """
    names, inverse = np.unique(group, return_inverse=True)
    order = np.argsort([_hash(seed, int(name)) for name in names], kind="stable")
    chosen = np.zeros(len(names), bool)
    chosen[order[: math.ceil(share * len(names))]] = True
    return np.flatnonzero(chosen[inverse])


def _hash(seed: int, name: int) -> float:
    """A number in [0, 1) that depends on the two alone."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
