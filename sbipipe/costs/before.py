"""What a stage took when it last ran, which is the best estimate of all.

That holds for an entry that `dvc.lock` has as `params.yaml` has it now, and so for all entries that
it is made of. Rows that a person has added since are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sbipipe import paths, storage
from sbipipe.config import Params
from sbipipe.names import SETS
from sbipipe.records import read_yaml

LOCK = Path("dvc.lock")


@dataclass(frozen=True, kw_only=True)
class Before:
    """The last run.

    Attributes:
        params: The parameters now.
        now: The plain values of them.
        then: The plain values of the entries that ran, by "<section>.<name>".
    """

    params: Params
    now: Any
    then: Any

    def stages(self, tested: Mapping[str, int]) -> Mapping[str, float]:
        """The seconds of the stages that ran as they are now, by their names.

        Args:
            tested: The number of test simulations, by simulator.
        """
        params = self.params
        found: dict[str, float | None] = {}
        for section, names in params.recorded.items():
            if section != "simulate":
                found |= {f"{section}@{name}": self.fitted(section, name) for name in names}
        for name in params.estimators:
            each, n = self.drawn(name), tested[params.simulator_of(params.set_of(name))]
            if name in params.train:
                found[f"draw@{name}"] = None if each is None else each * n
                continue
            fitted = found[f"recalibrate@{name}"]
            whole = None if each is None or fitted is None else fitted + each * n
            found[f"recalibrate@{name}"] = whole
        return {name: seconds for name, seconds in found.items() if seconds is not None}

    def fitted(self, section: str, name: str) -> float | None:
        """The seconds of the work of an entry; None where it has not run as it is now."""
        path = paths.history_path(section, name)
        own = "emulate" if section == "score" else section
        if not (path.exists() and self._same(own, name)):
            return None
        return storage.load_history(path).seconds

    def drawn(self, name: str) -> float | None:
        """The seconds of drawing for one test simulation."""
        path = paths.DRAWS / f"{name}.safetensors"
        if not (path.exists() and self._same(self.params.section_of(name), name)):
            return None
        return float(storage.load_draws(path).seconds)

    def _same(self, section: str, name: str) -> bool:
        entry = (self.now.get(section) or {}).get(name)
        same = self.then.get(f"{section}.{name}") == entry
        return same and all(self._same(*one) for one in self._behind(section, name))

    def _behind(self, section: str, name: str) -> Iterator[tuple[str, str]]:
        """The section and the name of what an entry is made of."""
        params = self.params
        if section == "simulate":
            return
        entry: Any = getattr(params, section)[name]
        for of in filter(None, (getattr(entry, key, None) for key in ("of", "beside", "target"))):
            if section in ("recalibrate", "budget"):
                yield params.section_of(of), of
            else:
                yield next(one for one in SETS if of in getattr(params, one)), of


def before(params: Params, path: Path) -> Before:
    """The last run in the working directory, if there was one.

    Args:
        path: The parameters.
    """
    text = LOCK.read_text() if LOCK.exists() else ""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    stages = (yaml.load(text, loader) or {}).get("stages", {})
    then: dict[str, Any] = {}
    for stage in stages.values():
        then |= (stage.get("params") or {}).get("params.yaml", {})
    return Before(params=params, now=read_yaml(path), then=then)


__all__ = ["Before", "before"]
