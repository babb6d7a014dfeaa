"""How often a test split has been looked at.

A verdict rests on simulations that nothing was fitted to. Whoever changes an estimator until it
passes fits it to them after all, and its level is no longer that of one test. So every judgement is
written to a file that no stage takes away, with the level of its gate and with what came of it;
each verdict says how many there had been, and whether one of this estimator rejected at a level
that was lowered since. Equal draws judged by equal settings are one look, however often.

A verdict is kept with the run that it belongs to: whoever goes back to an earlier run finds the
count of that time. The file has all; `later` says what has come since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sbipipe import storage
from sbipipe.gate.verdict import Looks, Verdict
from sbipipe.interfaces import Array, PosteriorDraws, Real
from sbipipe.records import dump, parse, record


@record
class Look:
    """One judgement.

    Attributes:
        split: The hash of the true parameters of the test simulations.
        estimator: The name of the estimator.
        look: The hash of its draws and of the settings.
        level: The level of the gate; None where it was not kept.
        rejected: Whether some test rejected at that level; None where that is not known.
        when: The time, in ISO 8601.
    """

    split: str
    estimator: str
    look: str
    level: Real | None = None
    rejected: bool | None = None
    when: str = ""

    @property
    def own(self) -> tuple[str, str, str]:
        """What no other judgement shares."""
        return self.split, self.estimator, self.look


def entry(name: str, draws: PosteriorDraws, settings: Any, level: float) -> Look:
    """A judgement of an estimator's draws.

    Args:
        name: The estimator's name.
        settings: Plain values that the verdict depends on.
        level: The level of the gate, which is one of them.
    """
    drawn = _hash(draws.draws, draws.log_prob, draws.log_prob_truth)
    look = storage.joint_hash(drawn, json.dumps(settings, sort_keys=True))
    return Look(split=_hash(draws.theta), estimator=name, look=look, level=level)


def add(path: Path, judged: Sequence[Look]) -> dict[str, Looks]:
    """Add judgements to a file, but for those that it holds already, and count, by estimator.

    Raises:
        InputError: If the file holds something else.
    """
    before = _read(path)
    known = {one.own for one in before}
    added = [one for one in judged if one.own not in known]
    if added:
        when = datetime.now(UTC).isoformat(timespec="seconds")
        before += [replace(one, when=when) for one in added]
        _write(path, before)
    return {one.estimator: _count(before, one) for one in judged}


def settle(path: Path, judged: Sequence[Look], rejected: Mapping[str, bool]) -> None:
    """Write what came of judgements that a file holds.

    Args:
        rejected: Whether some test rejected, by estimator.
    """
    came = {one.own: rejected[one.estimator] for one in judged}
    before = _read(path)
    after = [replace(one, rejected=came.get(one.own, one.rejected)) for one in before]
    if after != before:
        _write(path, after)


def later(path: Path, verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    """What a file of judgements has beyond what verdicts say, a sentence for each estimator."""
    every = _read(path)
    for name, verdict in verdicts.items():
        then = verdict.looks
        if then is None or not then.simulations:
            continue
        now = _count(
            every, Look(split=then.simulations, estimator=name, look="", level=verdict.level)
        )
        if now.split > then.split:
            yield (
                f"{name}: judgements by its test simulations when it was judged: {then.split}, "
                f"{then.estimator} of them by this name; by now: {now.split}, {now.estimator} of "
                f"them by this name{_lowered(now, verdict.level)}"
            )


def _lowered(now: Looks, level: float) -> str:
    if now.rejected_at is None:
        return ""
    return f", of which one rejected at level {now.rejected_at:g}; the verdict is at {level:g}"


def _count(every: Sequence[Look], of: Look) -> Looks:
    same = [one for one in every if one.split == of.split]
    own = [one for one in same if one.estimator == of.estimator]
    levels = [one.level for one in own if one.rejected and one.level is not None]
    higher = [level for level in levels if of.level is not None and level > of.level]
    return Looks(
        estimator=len(own),
        split=len(same),
        simulations=of.split,
        rejected_at=max(higher, default=None),
    )


def _read(path: Path) -> list[Look]:
    if not path.exists():
        return []
    return parse(list[Look], storage.load_json(path), str(path))


def _write(path: Path, every: Sequence[Look]) -> None:
    storage.save_json(path, [dump(one) for one in every])


def _hash(*arrays: Array) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(str((array.shape, array.dtype)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


__all__ = ["Look", "add", "entry", "later", "settle"]
