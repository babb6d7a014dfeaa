"""(family, kind) -> a plugin.

A family is a folder of this package, a kind a file or a folder in it: `estimators/npe.py` is
`kind: npe`, `emulators/diffusion/` is `kind: diffusion`. Its one public class, named in its
`__all__`, is the plugin. Nothing is registered anywhere. A name that begins with an underscore is
no kind: it holds what several kinds share.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sbipipe import collector, storage
from sbipipe.config import Params
from sbipipe.moved import KINDS
from sbipipe.paths import SETS
from sbipipe.priors.fixed import completed
from sbipipe.protocols import (
    Diagnostic,
    EmulatorKind,
    Estimator,
    Prior,
    Reader,
    Recalibration,
    Simulator,
    Summary,
    Targeted,
    UnknownPrior,
)
from sbipipe.records import InputError, parse

if TYPE_CHECKING:
    from sbipipe.interfaces import Fields
    from sbipipe.statistics import Statistic

FAMILIES = {
    "simulate": "simulators",
    "summarise": "summaries",
    "emulate": "emulators",
    "train": "estimators",
    "recalibrate": "recalibrations",
    "diagnose": "diagnostics",
}
"""The section of `params.yaml` and the folder it draws from."""


def kinds(family: str) -> tuple[str, ...]:
    """The kinds that exist in a family."""
    package = importlib.import_module(f"sbipipe.{family}")
    files = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(name for name in files if not name.startswith("_")))


def description(family: str, kind: str) -> str:
    """The first line of a kind's docstring, read without importing it."""
    spec = importlib.util.find_spec(f"sbipipe.{family}.{kind}")
    if spec is None or spec.origin is None:
        raise InputError(_unknown(family, kind))
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text())) or ""
    return text.partition("\n")[0]


def plugin_class(family: str, kind: str) -> type[Any]:
    """The class behind a kind; raises InputError naming the kinds that exist."""
    if kind not in kinds(family):
        raise InputError(_unknown(family, kind))
    module = collector.imported(f"sbipipe.{family}.{kind}")
    (name,) = module.__all__
    return cast(type[Any], getattr(module, name))


def _unknown(family: str, kind: str) -> str:
    """The line for a kind that does not exist."""
    return f"kind: given {kind!r}; allowed: {', '.join(kinds(family))}"


def _moved(section: str, kind: str) -> str:
    """The line, after the key, for a kind that is no longer there."""
    return f"given {kind!r}; {KINDS[section, kind]}"


def require_kinds(params: Params) -> None:
    """Raise InputError with a line for every entry of a kind that does not exist."""
    problems = []
    for section, family in FAMILIES.items():
        for name, entry in getattr(params, section).items():
            if (section, entry.kind) in KINDS:
                problems.append(f"{section}.{name}.kind: {_moved(section, entry.kind)}")
            elif entry.kind not in kinds(family):
                problems.append(f"{section}.{name}.{_unknown(family, entry.kind)}")
    if problems:
        raise InputError(*problems)


def make(section: str, kind: str, config: Mapping[str, Any], where: str) -> Any:
    """The plugin of an entry of `params.yaml`."""
    if (section, kind) in KINDS:
        raise InputError(f"{where}.kind: {_moved(section, kind)}")
    try:
        cls = plugin_class(FAMILIES[section], kind)
    except InputError as error:
        raise InputError(*(f"{where}.{problem}" for problem in error.problems)) from None
    return completed(parse(cls, dict(config), f"{where}.config"))


def simulator(params: Params, name: str) -> Simulator | Reader:
    """The simulator (or reader) of the entry `simulate.<name>`."""
    entry = params.simulate[name]
    return cast(Simulator | Reader, make("simulate", entry.kind, entry.config, f"simulate.{name}"))


def prior_of(params: Params, of: str) -> Prior:
    """The prior behind a set: what is declared, or was estimated when its simulations were read.

    Raises:
        InputError: If its names have changed order since the set was made.
    """
    name = params.simulator_of(of)
    declared = simulator(params, name).prior
    prior = _estimated(declared, name) if isinstance(declared, UnknownPrior) else declared
    made = tuple(storage.open_set(SETS / of).about["parameters"])
    if prior.names != made:
        raise InputError(
            f"simulate.{name}: given parameters {', '.join(prior.names)}; "
            f"{SETS / of} was made with {', '.join(made)}: delete that folder"
        )
    if prior.source != storage.open_set(SETS / name).about.get("prior_source", ""):
        raise InputError(
            f"simulate.{name}: given a prior of other draws than {SETS / name} was made with; "
            "allowed: the same file, or dvc repro -f for the new one"
        )
    return prior


def _estimated(declared: UnknownPrior, name: str) -> Prior:
    """The prior that was estimated when simulations were read."""
    about = storage.open_set(SETS / name).about
    if "prior" not in about:
        raise InputError(f"{SETS / name}: made with another prior; delete that folder")
    return declared.read(about["prior"])


def summary(params: Params, name: str) -> Summary:
    """The summary of the entry `summarise.<name>`."""
    entry = params.summarise[name]
    return cast(Summary, make("summarise", entry.kind, entry.config, f"summarise.{name}"))


def emulator(params: Params, name: str) -> EmulatorKind:
    """The kind of emulator of the entry `emulate.<name>`."""
    entry = params.emulate[name]
    return cast(EmulatorKind, make("emulate", entry.kind, entry.config, f"emulate.{name}"))


def recalibration(params: Params, name: str) -> Recalibration | Targeted:
    """The recalibration of the entry `recalibrate.<name>`, before it has a target."""
    entry = params.recalibrate[name]
    made = make("recalibrate", entry.kind, entry.config, f"recalibrate.{name}")
    return cast(Recalibration | Targeted, made)


def estimator(params: Params, name: str) -> Estimator:
    """The estimator of the entry `train.<name>`."""
    entry = params.train[name]
    return cast(Estimator, make("train", entry.kind, entry.config, f"train.{name}"))


def diagnostic(params: Params, name: str) -> Diagnostic:
    """The diagnostic of the entry `diagnose.<name>`."""
    entry = params.diagnose[name]
    return cast(Diagnostic, make("diagnose", entry.kind, entry.config, f"diagnose.{name}"))


SHOWN_FIRST = (
    "power_spectrum",
    "pixel_density",
    "bispectrum",
    "peak_counts",
    "minkowski",
    "moments",
    "cross_spectra",
)
"""The order in which statistics are shown; any other follows, in that of the alphabet."""


def statistics() -> tuple[str, ...]:
    """The statistics that exist, in the order in which they are shown."""
    place = {name: i for i, name in enumerate(SHOWN_FIRST)}
    return tuple(sorted(kinds("statistics"), key=lambda name: (place.get(name, len(place)), name)))


def statistics_of(data: Fields) -> dict[str, type[Statistic]]:
    """The statistics that fields of so many channels have, unless there is an obstacle, by name."""
    found = {name: statistic(name) for name in statistics()}
    several = len(data.channels) > 1
    return {name: one for name, one in found.items() if several or not one.together}


def statistic(name: str) -> type[Statistic]:
    """The class behind the name of a statistic; raises InputError naming those that exist."""
    found: type[Statistic] = plugin_class("statistics", name)
    return found
