"""Which estimator of a run is meant, and what its verdict is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sbipipe import paths, storage
from sbipipe.config import Params
from sbipipe.gate import choice
from sbipipe.gate.verdict import Verdict, Verdicts
from sbipipe.posteriors import price
from sbipipe.records import InputError, load

NOBODY = "train: given no entry; allowed: at least 1 where posteriors are asked for"
"""What is wrong in a study of emulators alone."""


def chosen(params: Params, given: str | None) -> str:
    """The estimator that is meant: the one that is named, or else the recommended one.

    Raises:
        InputError: If there is none of this name, or none is named and none is recommended.
    """
    if given is not None:
        known(params, given)
        return given
    every = ", ".join(params.estimators)
    if not every:
        raise InputError(NOBODY)
    if len(params.tested_on) > 1:
        raise InputError(
            f"--estimator: given none; allowed: {every}; they are of several simulators, "
            f"{', '.join(params.tested_on)}, and each has a recommended one of its own"
        )
    (simulator,) = params.tested_on
    found = recommended(params, simulator)
    if found is None:
        raise InputError(
            f"--estimator: given none; allowed: {every}; none of them is published, so none is "
            "recommended"
        )
    return found


def recommended(params: Params, simulator: str) -> str | None:
    """The estimator of a simulator that the report recommends, by the verdicts on those that are
    trained; None where none of them is published."""
    found = {name: diagnosis_of(name) for name in params.tested_on[simulator]}
    same = unchanged(params)
    judged = {name: one for name, one in found.items() if one is not None and name not in same}
    return choice.recommended(judged, params.exact)


def unchanged(params: Params) -> dict[str, str]:
    """The recalibrations that changed nothing worth having, with what they mend."""
    diagnoses = {name: diagnosis_of(name) for name in params.estimators}
    return price.idle(
        {name: entry.of for name, entry in params.recalibrate.items()},
        {name: _notes(name) for name in params.recalibrate},
        {name: one is not None and one.published for name, one in diagnoses.items()},
    )


def _notes(name: str) -> Mapping[str, Any]:
    """What a recalibration says of itself; nothing before it is fitted."""
    path = paths.history_path("recalibrate", name)
    return storage.load_history(path).notes if path.exists() else {}


def known(params: Params, name: str) -> None:
    """Refuse an estimator that does not exist or is not trained; raises InputError."""
    if name in params.emulate:
        raise InputError(
            f"--estimator: given {name!r}, an emulator; allowed: an estimator, "
            f"{', '.join(params.estimators)} (of kind surface for an emulator that can score)"
        )
    if name not in params.estimators:
        raise InputError(f"--estimator: given {name!r}; allowed: {', '.join(params.estimators)}")
    if not (paths.ESTIMATORS / f"{name}.safetensors").exists():
        raise InputError(f"train.{name}: it is not trained yet; run dvc repro first")


def diagnosis_of(name: str) -> Verdict | None:
    """The verdict on a trained estimator, from `coverage.json`.

    One that was trained again since it was judged has none, as one never judged.
    """
    diagnosis = verdicts().get(name)
    weights = paths.ESTIMATORS / f"{name}.safetensors"
    if diagnosis is None or diagnosis.estimator_hash != storage.file_hash(weights):
        return None
    return diagnosis


def verdicts() -> Mapping[str, Verdict]:
    """All of `coverage.json`, by estimator; none where there is no such file yet."""
    if not paths.COVERAGE.exists():
        return {}
    return load(Verdicts, storage.load_json(paths.COVERAGE), paths.COVERAGE).estimators


__all__ = [
    "NOBODY",
    "chosen",
    "diagnosis_of",
    "known",
    "recommended",
    "unchanged",
    "verdicts",
]
