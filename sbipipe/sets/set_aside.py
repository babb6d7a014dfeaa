"""Simulations that no campaign wants now, kept for one that will.

A set belongs to the fingerprint that it was begun with, in its `begun.json`. A set that does not
fit a campaign is moved to `<name>.<first 12 digits of its fingerprint>` in a folder of its own,
outside the sets. What a shorter split leaves out is kept there too; hard links, where the file
system has them, make that free. A campaign takes back what fits it, and the folder goes once the
set holds all that is in it. So no simulation is made twice, and none is lost.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sbipipe import storage
from sbipipe.interfaces import SPLITS
from sbipipe.sets.fingerprint import Fingerprint, differing

BEGUN = "begun.json"


def begin(path: Path, aside: Path, wanted: Fingerprint, tell: Callable[[str], object]) -> None:
    """Make the folder of a set one of this fingerprint, empty or with what there is of it.

    Args:
        path: The set, which is open for changes afterwards.
        aside: The folder for what does not fit.
        tell: Called with a line for everything that moves.
    """
    begun = _begun(path)
    if begun is None or begun["fingerprint"] != wanted.digest:
        make_way(path, aside, wanted, tell)
        kept = place(path, aside, wanted.digest)
        if _begun(kept) is None:
            storage.save_json(path / BEGUN, wanted.to_json())
        else:
            count = _count(kept)
            (kept / "set.json").unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(kept, path)
            tell(f"{path}: its {count} simulations are taken back from {kept}")
    (path / "set.json").unlink(missing_ok=True)


def make_way(
    path: Path, aside: Path, wanted: Fingerprint | None, tell: Callable[[str], object]
) -> None:
    """Set aside the simulations at `path`; a set made of files or of another set is removed.

    Args:
        wanted: What will take the place; None where nothing is simulated any more.
    """
    begun = _begun(path)
    if begun is None:
        storage.remove_folder(path)
        return
    kept, count = place(path, aside, begun["fingerprint"]), _count(path)
    if kept.exists():
        _add_all(kept, path)
        storage.remove_folder(path)
    else:
        aside.mkdir(parents=True, exist_ok=True)
        os.replace(path, kept)
    tell(
        f"{path}: its {count} simulations do not fit {_reason(begun, wanted)}; "
        f"they are set aside in {kept} until they do"
    )


def keep_longer(
    path: Path, aside: Path, wanted: Mapping[str, int], tell: Callable[[str], object]
) -> None:
    """Keep the simulations that the splits lose when they take their wanted lengths."""
    lost = sum(int((storage.done(path, split) >= wanted[split]).sum()) for split in SPLITS)
    if not lost:
        return
    kept = place(path, aside, _begun(path)["fingerprint"])
    if kept.exists():
        _add_all(kept, path)
    else:
        with storage.whole_folder(kept) as folder:
            shutil.copytree(path, folder, copy_function=_link, dirs_exist_ok=True)
    tell(f"{path}: {lost} simulations are not asked for now; they are kept in {kept}")


def take_back(path: Path, aside: Path, tell: Callable[[str], object]) -> None:
    """Take the simulations that a set lacks from those set aside, once its splits are as long as
    they are wanted."""
    kept = place(path, aside, _begun(path)["fingerprint"])
    if not kept.exists():
        return
    taken = sum(_add(path, split, kept) for split in SPLITS)
    if taken:
        tell(f"{path}: {taken} simulations are taken back from {kept}")
    if all(set(storage.done(kept, s)) <= set(storage.done(path, s)) for s in SPLITS):
        storage.remove_folder(kept)


def place(path: Path, aside: Path, fingerprint: str) -> Path:
    """Where the simulations of a set with this fingerprint are kept."""
    return aside / f"{path.name}.{fingerprint[:12]}"


def _begun(path: Path) -> Any:
    """What a campaign's set was begun with; None where there is none."""
    marker = path / BEGUN
    return storage.load_json(marker) if marker.exists() else None


def _count(path: Path) -> int:
    return sum(len(storage.done(path, split)) for split in SPLITS)


def _reason(begun: Mapping[str, Any], wanted: Fingerprint | None) -> str:
    """Which parts of the fingerprint differ."""
    if wanted is None:
        return "an entry that simulates nothing"
    parts = differing(begun.get("parts", {}), wanted.parts) if "parts" in begun else []
    return f"the present {', '.join(parts) or 'simulator'}"


def _add_all(into: Path, source: Path) -> None:
    """Make a set the union of two that were begun with one fingerprint."""
    for split in SPLITS:
        if (source / f"{split}.zarr").exists():
            _lengthen(into, split, source)
            _add(into, split, source)


def _lengthen(path: Path, split: str, other: Path) -> None:
    """Make a split at least as long as another set's."""
    there = storage.open_split(other, split)
    maps = there.attrs["maps"]
    if (path / f"{split}.zarr").exists():
        here = storage.open_split(path, split)
        if here["status"].shape[0] >= there["status"].shape[0]:
            return
    theta, group, seeds = (there[key][:] for key in ("theta", "group", "seed"))
    shape = there["x"].shape[1:]
    storage.create_split(path, split, theta[::maps], group[::maps], maps, shape, seeds)


def _add(path: Path, split: str, other: Path) -> int:
    """Copy what another set has done and this one lacks, as far as this one is long.

    Returns:
        How many simulations.
    """
    here = storage.open_split(path, split)
    count, maps = here["status"].shape[0], here.attrs["maps"]
    missing = np.setdiff1d(storage.done(other, split), storage.done(path, split))
    missing = missing[missing < count]
    chunk = missing // storage.simulations_per_chunk(maps)
    for number in np.unique(chunk):
        index = missing[chunk == number]
        rows = (index[:, None] * maps + np.arange(maps)).ravel()
        here["x"].oindex[rows] = storage.open_split(other, split)["x"].oindex[rows]
        here["status"].oindex[index] = np.full(len(index), storage.DONE, np.uint8)
    return len(missing)


def _link(source: str, target: str) -> None:
    """A second name for a file, or a copy where the file system has no such thing. The arrays are
    never written in place, so one name's later content is not the other's."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
