"""Sets whose rows to learn from another forward model gives: whose rows they are, and refusals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import linear_run
from rows import rows_of
from sbipipe import paths, storage
from sbipipe.config import Imitate
from sbipipe.interfaces import SPLITS, Fields, Geometry, Vectors
from sbipipe.names import dangling
from sbipipe.priors.prior import uniform_prior
from sbipipe.records import InputError
from sbipipe.sets.imitating import borrowed, check_alike, check_same_prior

ENTRY = Imitate(of="fine", by="coarse")


def maps(pixels: int, **changes: Any) -> Fields:
    geometry = Geometry(pixels=(pixels, pixels), box=25.0, **changes)
    return Fields(geometry=geometry, channels=("density",))


def test_another_simulators_first_simulations_are_taken_whole() -> None:
    """Two rows a simulation, of which the fourth has failed."""
    group = np.repeat([0, 1, 2, 4], 2)
    rows = rows_of(np.repeat(group[:, None], 2, 1).astype(float), np.zeros((8, 3)))
    every = {
        split: type(rows)(data=rows.data, theta=rows.theta, x=rows.x, group=group)
        for split in SPLITS
    }
    found = borrowed(every, {"train": 3, "valid": 4}, "imitate.mock")
    assert found["train"].group.tolist() == [0, 0, 1, 1, 2, 2]
    assert found["valid"].group.tolist() == group.tolist()
    with pytest.raises(InputError, match=r"imitate.mock.train: given 5; allowed: at most 4, the"):
        borrowed(every, {"train": 5, "valid": 1}, "imitate.mock")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (maps(32), "fields of density on 32 x 32 pixels over 25 Mpc/h, periodic"),
        (
            maps(64, periodic=False),
            "fields of density on 64 x 64 pixels over 25 Mpc/h, not periodic",
        ),
        (Vectors(components=("a", "b")), "vectors of a, b"),
    ],
)
def test_rows_of_another_sort_are_refused(other: Any, words: str) -> None:
    check_alike("imitate.mock", ENTRY, maps(64), maps(64))
    with pytest.raises(
        InputError, match=r"imitate\.mock\.by: given 'coarse', whose rows are "
    ) as told:
        check_alike("imitate.mock", ENTRY, maps(64), other)
    assert words in str(told.value)


def test_another_quantity_is_refused_where_both_are_told() -> None:
    logs, delta = (replace(maps(64), quantity=what) for what in ("ln(1 + delta)", "delta"))
    check_alike("imitate.mock", ENTRY, logs, maps(64))
    with pytest.raises(InputError, match=r"of density \(delta\) on 64 x 64 pixels"):
        check_alike("imitate.mock", ENTRY, logs, delta)


@pytest.mark.parametrize(
    "other", [{"a": (0, 1), "b": (1, 3)}, {"a": (0, 1)}, {"b": (1, 2), "a": (0, 1)}]
)
def test_another_prior_is_refused(other: dict[str, tuple[float, float]]) -> None:
    own = uniform_prior(a=(0, 1), b=(1, 2))
    check_same_prior("imitate.mock", ENTRY, own, uniform_prior(a=(0, 1), b=(1, 2)))
    with pytest.raises(InputError, match=r"imitate.mock.by: .* have another prior; allowed: "):
        check_same_prior("imitate.mock", ENTRY, own, uniform_prior(**other))


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"of": "nothing", "by": "gan"}, "imitate.mock.of: given 'nothing'; allowed: maps, others"),
        (
            {"of": "maps", "by": "maps"},
            "imitate.mock.by: given 'maps'; allowed: gan, begun, others",
        ),
        (
            {"of": "maps", "by": "elsewhere"},
            "imitate.mock.by: given 'elsewhere'; allowed: gan, begun, others",
        ),
        ({"of": "maps", "by": "begun"}, None),
        ({"of": "maps", "by": "others"}, None),
    ],
)
def test_what_it_names_is_an_emulator_of_it_or_another_simulator(
    entry: dict[str, str], line: str | None
) -> None:
    values = {
        "simulate": {"maps": {}, "others": {}},
        "emulate": {"gan": {"of": "maps"}, "begun": {"of": "gan"}, "elsewhere": {"of": "others"}},
        "imitate": {"mock": entry},
    }
    assert dangling(values) == ([line] if line else [])


def test_one_forward_model_teaches_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    simulate = linear_run.PARAMS["simulate"]
    changed = {
        "simulate": {**simulate, "noisier": {**simulate["vectors"], "config": {"noise": 2.0}}},
        "imitate": {"mock": {"of": "vectors", "by": "noisier", "valid": 20}},
        "train": {"npe": {"kind": "npe", "of": "mock"}},
    }
    linear_run.write_params(tmp_path, **changed)
    linear_run.simulate()
    source = storage.open_set(paths.SETS / "vectors")
    with storage.whole_folder(paths.SETS / "noisier") as folder:
        for split in SPLITS:
            rows = source.split(split)
            storage.save_split(folder, split, rows_of(rows.theta, rows.x + 1))
        storage.finish_set(folder, {**source.about, "fingerprint": "beef"})
    linear_run.stage("imitate", "mock")
    found = storage.open_set(paths.SETS / "mock")
    assert [len(found.split(s)) for s in SPLITS] == [300, 20, 10, 300]
    assert found.about["simulations"]["valid"] == 20
    np.testing.assert_allclose(found.split("train").x, source.split("train").x + 1, rtol=1e-6)
    np.testing.assert_array_equal(found.split("test").x, source.split("test").x)
