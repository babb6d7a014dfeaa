from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr

from sbipipe.records import InputError, parse
from sbipipe.simulators.arrays import Arrays

PRIOR = {
    "a": {"kind": "uniform", "low": 0.0, "high": 1.0},
    "b": {"kind": "normal", "loc": 0.0, "scale": 1.0},
}
RNG = np.random.default_rng(0)
GOOD: dict[str, Any] = {"theta": RNG.random((20, 2)), "x": RNG.random((20, 3))}


def reader(path: Path) -> Arrays:
    return parse(Arrays, {"path": str(path), "prior": PRIOR}, "simulate.mine.config")


def saved(folder: Path, **columns: Any) -> Path:
    np.savez(folder / "mine.npz", **columns)
    return folder / "mine.npz"


def test_rows_come_back(tmp_path: Path) -> None:
    rows = reader(saved(tmp_path, **GOOD)).read()
    assert np.array_equal(rows.theta, GOOD["theta"])
    np.testing.assert_allclose(rows.x, GOOD["x"], rtol=1e-6)
    assert np.array_equal(rows.group, np.arange(20))


@pytest.mark.parametrize(
    ("given", "expected"),
    [((20,), (20, 1)), ((20, 8, 8), (20, 1, 8, 8)), ((20, 2, 8, 8), (20, 2, 8, 8))],
)
def test_fields_get_a_channel(tmp_path: Path, given: Any, expected: Any) -> None:
    assert reader(saved(tmp_path, **GOOD | {"x": np.ones(given)})).read().x.shape == expected


def test_groups_may_be_named_by_words(tmp_path: Path) -> None:
    names = np.repeat(["s1", "s0"], 10)
    assert reader(saved(tmp_path, **GOOD, group=names)).read().group.tolist() == [1] * 10 + [0] * 10


def test_hdf5_and_zarr_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        for key, value in GOOD.items():
            file[key] = value
    group = zarr.open_group(tmp_path / "mine.zarr", mode="w")
    for key, value in GOOD.items():
        group.create_array(key, data=value)
    for name in ("mine.h5", "mine.zarr"):
        assert np.array_equal(reader(tmp_path / name).read().theta, GOOD["theta"])


def test_rows_with_nan_are_read_and_known(tmp_path: Path) -> None:
    theta, x = GOOD["theta"].copy(), GOOD["x"].copy()
    theta[3, 0], x[5, 1], x[7, 0] = np.nan, np.inf, np.nan
    rows = reader(saved(tmp_path, theta=theta, x=x)).read()
    assert np.flatnonzero(~rows.finite).tolist() == [3, 5, 7]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"x": np.ones((19, 3))}, "theta has 20 rows and x has 19"),
        ({"theta": np.ones((20, 3))}, r"given shape \(20, 3\); allowed: \(20, 2\).*\(a, b\)"),
        ({"theta": np.full((20, 2), 1.5)}, "20 rows lie outside the prior of a.*given 1.5"),
        ({"group": np.arange(7)}, r"group: given shape \(7,\); allowed: \(20,\)"),
        ({"x": np.array(["a"] * 20)}, "x: given values of type"),
        ({"theta": GOOD["theta"][:10].repeat(2, 0)}, "group: missing, while 20 rows have 10"),
    ],
)
def test_wrong_columns_are_named(tmp_path: Path, change: Any, line: str) -> None:
    path = saved(tmp_path, **GOOD | change)
    with pytest.raises(InputError, match=line) as error:
        reader(path).read()
    assert all(problem.startswith(str(path)) for problem in error.value.problems)


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    path = saved(tmp_path, theta=np.full((5, 2), 2.0), x=np.ones((4, 3)))
    with pytest.raises(InputError) as error:
        reader(path).read()
    assert len(error.value.problems) == 3


def test_groups_of_their_own_say_that_rows_are_independent(tmp_path: Path) -> None:
    theta = GOOD["theta"][:10].repeat(2, 0)
    path = saved(tmp_path, **GOOD | {"theta": theta}, group=np.arange(20))
    assert np.array_equal(reader(path).read().theta, theta)


def test_where_nothing_is_declared_any_columns_are_parameters(tmp_path: Path) -> None:
    path = saved(tmp_path, theta=5 * np.random.default_rng(0).random((20, 7)), x=GOOD["x"])
    prior = {"kind": "as_drawn"}
    made = parse(Arrays, {"path": str(path), "prior": prior}, "simulate.mine.config")
    assert made.read().theta.shape == (20, 7)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        reader(tmp_path / "none.npz").read()
    with pytest.raises(InputError, match=r"given \.txt; allowed: \.npz"):
        reader(tmp_path / "mine.txt").read()
    with pytest.raises(InputError, match="theta: missing; the file holds x"):
        reader(saved(tmp_path, x=GOOD["x"])).read()
    path = saved(tmp_path, **GOOD)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="cannot be read"):
        reader(path).read()


def test_no_pickle_is_opened(tmp_path: Path) -> None:
    path = saved(tmp_path, theta=GOOD["theta"], x=np.array([{}] * 20))
    with pytest.raises(InputError, match="cannot be read"):
        reader(path).read()


def with_fixed(folder: Path, theta: Any, prior: dict[str, Any]) -> Arrays:
    path = saved(folder, **GOOD | {"theta": theta})
    return parse(Arrays, {"path": str(path), "prior": prior}, "simulate.mine.config")


def test_columns_of_fixed_parameters_are_left_out(tmp_path: Path) -> None:
    theta = np.insert(GOOD["theta"], 1, 0.7, axis=1)
    prior = {"a": PRIOR["a"], "h": {"kind": "fixed", "value": 0.7}, "b": PRIOR["b"]}
    np.testing.assert_array_equal(with_fixed(tmp_path, theta, prior).read().theta, GOOD["theta"])
    theta[3, 1] = 0.71
    line = (
        r"theta: 1 rows have another value of h than the fixed one, the first is row 3: given 0\.71"
    )
    with pytest.raises(InputError, match=line):
        with_fixed(tmp_path, theta, prior).read()
    with pytest.raises(InputError, match=r"allowed: \(20, 3\), .* \(a, h, b\)"):
        with_fixed(tmp_path, GOOD["theta"], prior).read()


def test_rows_beyond_an_edge_that_depends_on_another_parameter_are_named(tmp_path: Path) -> None:
    theta = GOOD["theta"].copy()
    theta[:, 1] *= theta[:, 0]
    prior = {"a": PRIOR["a"], "b": {"kind": "uniform", "low": 0.0, "high": "a"}}
    np.testing.assert_array_equal(with_fixed(tmp_path, theta, prior).read().theta, theta)
    theta[4] = [0.3, 0.4]
    with pytest.raises(
        InputError, match=r"1 rows lie outside the prior, the first is row 4: .*0\.4"
    ):
        with_fixed(tmp_path, theta, prior).read()
