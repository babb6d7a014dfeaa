"""How often a test split has been looked at.

A verdict rests on simulations that nothing was fitted to. Whoever changes an estimator until it
passes fits it to them after all, and its level is no longer that of one test. So every judgement is
written to a file that no stage takes away, and each verdict says how many there have been. Equal
draws judged by equal settings are one look, however often they are judged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sbipipe import storage
from sbipipe.gate.verdict import Looks
from sbipipe.interfaces import Array, PosteriorDraws
from sbipipe.records import parse


def entry(name: str, draws: PosteriorDraws, settings: Any) -> dict[str, str]:
    """A judgement of an estimator's draws.

    Args:
        name: The estimator's name.
        settings: Plain values that the verdict depends on.
    """
    drawn = _hash(draws.draws, draws.log_prob, draws.log_prob_truth)
    look = storage.joint_hash(drawn, json.dumps(settings, sort_keys=True))
    return {"split": _hash(draws.theta), "estimator": name, "look": look}


def add(path: Path, judged: Sequence[Mapping[str, str]]) -> dict[str, Looks]:
    """Add judgements to a file, but for those that it holds already, and count, by estimator.

    Raises:
        InputError: If the file holds something else.
    """
    before = _read(path)
    added = [one for one in judged if not any(one.items() <= old.items() for old in before)]
    if added:
        when = datetime.now(UTC).isoformat(timespec="seconds")
        before += [{**one, "when": when} for one in added]
        storage.save_json(path, before)
    return {one["estimator"]: _count(before, one) for one in judged}


def _count(every: Sequence[Mapping[str, str]], of: Mapping[str, str]) -> Looks:
    same = [one for one in every if one["split"] == of["split"]]
    own = sum(one["estimator"] == of["estimator"] for one in same)
    return Looks(estimator=own, split=len(same))


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    return parse(list[dict[str, str]], storage.load_json(path), str(path))


def _hash(*arrays: Array) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(str((array.shape, array.dtype)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


__all__ = ["add", "entry"]
