"""Where the files of a run lie, relative to the folder that holds `params.yaml`."""

from __future__ import annotations

from pathlib import Path

SETTINGS = Path("data/settings")
SOURCES = Path("data/sources")
SETS = Path("data/sets")
SET_ASIDE = Path("data/set_aside")
ESTIMATORS = Path("data/estimators")
TRAINED = Path("data/trained")
DRAWS = Path("data/draws")
EMULATORS = Path("data/emulators")
TRUTHS = Path("data/truths")
EMULATIONS = Path("data/emulations")
JUDGEMENTS = Path("data/judgements")
ASKED = Path("data/asked")
BUDGETS = Path("data/budgets")
DIAGNOSES = Path("data/diagnoses")
LOOKS = Path("data/looks.json")
HISTORIES = Path("data/histories")
CHECKPOINTS = Path("data/checkpoints")
REPORTS = Path("reports")
POSTERIORS = REPORTS / "posteriors"
WITHHELD = REPORTS / "withheld"
COVERAGE = REPORTS / "coverage.json"
COMPARISON = REPORTS / "comparison.json"
EMULATION = REPORTS / "emulation.json"


def history_path(section: str, name: str) -> Path:
    """Where the stage of an entry records how its work went: apart from its results, so that a
    slower machine re-runs nothing."""
    return HISTORIES / f"{section}.{name}.json"


def weights_path(name: str) -> Path:
    """Where the weights of an estimator lie."""
    return ESTIMATORS / f"{name}.safetensors"


def stamp_path(name: str) -> Path:
    """Where the hash of a trained estimator's weights lies: apart from those of recalibrations,
    which depend on the whole folder, since one of them may have a second estimator."""
    return TRAINED / f"{name}.json"


def posterior_path(name: str, published: bool) -> Path:
    """Where the posterior file of an estimator lies, which depends on its verdict."""
    return (POSTERIORS if published else WITHHELD) / f"{name}.nc"


def truth_path(simulator: str) -> Path:
    """Where the true fields lie beside which emulated ones are set."""
    return TRUTHS / f"{simulator}.safetensors"


def emulation_path(name: str) -> Path:
    """Where the fields that an emulator drew lie."""
    return EMULATIONS / f"{name}.safetensors"


def judgement_path(name: str) -> Path:
    """Where lies what is said of the fields that an emulator drew."""
    return JUDGEMENTS / f"{name}.json"


def asked_path(name: str) -> Path:
    """Where lies what published estimators find in the fields that an emulator drew."""
    return ASKED / f"{name}.json"


def budget_path(name: str) -> Path:
    """Where the learning curve of an entry of `budget:` lies."""
    return BUDGETS / f"{name}.json"
