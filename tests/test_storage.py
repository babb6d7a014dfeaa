from pathlib import Path

import numpy as np
import pytest

from rows import rows_of
from sbipipe import storage
from sbipipe.interfaces import Dataset, History, PosteriorDraws, Weights
from sbipipe.records import InputError


@pytest.fixture
def rows() -> Dataset:
    rng = np.random.default_rng(0)
    theta = np.repeat(rng.random((70, 2)), 5, 0)
    x = rng.standard_normal((350, 1, 4, 4)).astype(np.float32)
    return rows_of(theta=theta, x=x, group=np.repeat(np.arange(70), 5))


@pytest.fixture
def saved(tmp_path: Path, rows: Dataset) -> Path:
    storage.save_split(tmp_path / "s", "test", rows, maps=5)
    storage.finish_set(tmp_path / "s", storage.describe(rows.data))
    return tmp_path / "s"


def test_a_set_comes_back(saved: Path, rows: Dataset) -> None:
    found = storage.open_set(saved).split("test")
    for name in ("theta", "x", "group"):
        assert np.array_equal(getattr(found, name), getattr(rows, name))
    assert found.data == rows.data


def test_failed_and_pending_simulations_are_left_out(saved: Path, rows: Dataset) -> None:
    status = storage.open_split(saved, "test")["status"]
    status[3] = storage.FAILED
    status[7] = storage.PENDING
    found = storage.open_set(saved).split("test")
    assert set(found.group) == set(range(70)) - {3, 7}
    assert np.array_equal(found.x, rows.x[~np.isin(rows.group, [3, 7])])


@pytest.mark.parametrize("count", [30, 70, 95])
def test_a_split_changes_length_and_keeps_its_rows(saved: Path, rows: Dataset, count: int) -> None:
    theta = np.random.default_rng(1).random((count, 2))
    group = storage.create_split(saved, "test", theta, np.arange(count), 5, (1, 4, 4))
    kept = min(count, 70)
    assert group["x"].shape == (5 * count, 1, 4, 4)
    assert np.array_equal(group["x"][: 5 * kept], rows.x[: 5 * kept])
    assert (group["status"][:kept] == storage.DONE).all()
    assert (group["status"][kept:] == storage.PENDING).all()


def test_an_unfinished_set_does_not_open(tmp_path: Path, rows: Dataset) -> None:
    storage.save_split(tmp_path, "test", rows)
    with pytest.raises(InputError, match=r"set\.json: no such file"):
        storage.open_set(tmp_path)


def chunks(path: Path) -> list[Path]:
    return sorted(file for file in (path / "test.zarr/x/c").rglob("*") if file.is_file())


def test_a_truncated_chunk_is_named(saved: Path) -> None:
    chunk = chunks(saved)[0]
    chunk.write_bytes(chunk.read_bytes()[:-7])
    with pytest.raises(InputError, match=r"test\.zarr/x: a chunk is damaged"):
        storage.open_set(saved).split("test")


def test_a_flipped_bit_is_found(saved: Path) -> None:
    chunk = chunks(saved)[0]
    content = bytearray(chunk.read_bytes())
    content[20] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(InputError, match="a chunk is damaged"):
        storage.open_set(saved).split("test")


def test_a_missing_chunk_is_found(saved: Path) -> None:
    chunks(saved)[0].unlink()
    with pytest.raises(InputError, match=r"test\.zarr/x: 1 of 3 chunks missing"):
        storage.open_set(saved).split("test")


def test_a_chunk_of_nothing_but_nan_is_there(tmp_path: Path) -> None:
    """Where all of its fields cannot be scored, or all of its simulations failed."""
    x = np.ones((storage.simulations_per_chunk(1) + 1, 3))
    x[-1] = np.nan
    rows = rows_of(np.zeros((len(x), 1)), x)
    storage.save_split(tmp_path, "test", rows)
    storage.finish_set(tmp_path, {"parameters": ["a"], **storage.describe(rows.data)})
    found = storage.open_set(tmp_path).split("test")
    np.testing.assert_array_equal(found.x, x)


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.write_whole(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_folder_leaves_the_old_one(saved: Path, rows: Dataset) -> None:
    def fail() -> None:
        with storage.whole_folder(saved) as folder:
            storage.save_split(folder, "test", rows.rows(slice(5)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert np.array_equal(storage.open_set(saved).split("test").x, rows.x)
    assert list(saved.parent.iterdir()) == [saved]


def test_a_whole_folder_takes_the_place_of_the_old(saved: Path) -> None:
    with storage.whole_folder(saved) as folder:
        (folder / "new").touch()
    assert list(saved.iterdir()) == [saved / "new"]
    assert list(saved.parent.iterdir()) == [saved]


def test_weights_come_back(tmp_path: Path) -> None:
    weights = Weights(arrays={"a": np.arange(6.0).reshape(2, 3).T}, meta={"kind": "x", "n": [1]})
    storage.save_weights(tmp_path / "w", weights)
    found = storage.load_weights(tmp_path / "w")
    assert np.array_equal(found.arrays["a"], weights.arrays["a"])
    assert found.meta == weights.meta


def test_truncated_weights_are_named(tmp_path: Path) -> None:
    storage.save_weights(tmp_path / "w", Weights(arrays={"a": np.arange(600.0)}))
    content = (tmp_path / "w").read_bytes()
    (tmp_path / "w").write_bytes(content[:-9])
    with pytest.raises(InputError, match="w: not whole"):
        storage.load_weights(tmp_path / "w")


def test_histories_come_back(tmp_path: Path) -> None:
    history = History(
        curves={"a": {"epoch": (1.0,), "train": (2.0,), "valid": (3.0,)}}, chosen={"a": 1}
    )
    storage.save_history(tmp_path / "h", history)
    assert storage.load_history(tmp_path / "h").chosen == {"a": 1}


def test_draws_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    draws = PosteriorDraws(
        parameters=("a", "b"),
        theta=rng.random((3, 2)),
        draws=rng.random((9, 3, 2)),
        log_prob=rng.random((9, 3)),
        log_prob_truth=rng.random(3),
        log_prior_truth=rng.random(3),
        log_prob_controls={"narrowed": np.array([0.0, -np.inf, 1.0])},
        effective_sample_size=np.full(3, 9.0),
        prior_variance=np.ones(2),
        seconds=0.1,
        figures={"pareto_k": np.array([0.1, -np.inf, np.nan])},
        given={"s/0": np.arange(3.0)},
    )
    storage.save_draws(tmp_path / "d", draws)
    found = storage.load_draws(tmp_path / "d")
    assert found.parameters == ("a", "b")
    assert np.array_equal(found.draws, draws.draws)
    assert np.isneginf(found.log_prob_controls["narrowed"][1])
    np.testing.assert_array_equal(found.figures["pareto_k"], draws.figures["pareto_k"])
    assert list(found.given) == ["s/0"]
    assert np.array_equal(found.given["s/0"], [0, 1, 2])


def test_nan_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        storage.save_json(tmp_path / "j", {"a": float("nan")})
    assert not list(tmp_path.iterdir())
