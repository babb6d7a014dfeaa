"""What a person brings has one of the shapes of the training set, or is refused in one line."""

import numpy as np
import pytest

from sbipipe.records import InputError
from sbipipe.sets.observation import read_observation

FIELDS = (1, 8, 8)


def saved(tmp_path, values):
    path = tmp_path / "observation.npy"
    np.save(path, values)
    return path


@pytest.mark.parametrize(
    ("shape", "given", "count"),
    [
        (FIELDS, (8, 8), 1),
        (FIELDS, (1, 8, 8), 1),
        (FIELDS, (5, 8, 8), 5),
        (FIELDS, (5, 1, 8, 8), 5),
        ((2, 8, 8), (2, 8, 8), 1),
        ((2, 8, 8), (5, 2, 8, 8), 5),
        ((3,), (3,), 1),
        ((3,), (5, 3), 5),
        ((1,), (5, 1), 5),
        ((1,), (5,), 5),
        ((1,), (), 1),
    ],
)
def test_allowed_shapes(tmp_path, shape, given, count):
    values = np.random.default_rng(0).normal(size=given)
    observed = read_observation(saved(tmp_path, values), shape)
    assert observed.shape == (count, *shape)
    np.testing.assert_array_equal(observed.ravel(), values.astype(np.float32).ravel())


@pytest.mark.parametrize(
    ("shape", "given"),
    [(FIELDS, (8, 9)), (FIELDS, (0, 8, 8)), ((2, 8, 8), (8, 8)), ((3,), (4,)), ((3,), (2, 4))],
)
def test_other_shapes_are_refused(tmp_path, shape, given):
    with pytest.raises(InputError, match=r"given shape \(.*\); allowed: "):
        read_observation(saved(tmp_path, np.zeros(given)), shape)


def test_an_archive_holds_x(tmp_path):
    np.savez(tmp_path / "o.npz", x=np.ones(3), other=np.zeros(2))
    np.testing.assert_array_equal(read_observation(tmp_path / "o.npz", (3,)), np.ones((1, 3)))
    np.savez(tmp_path / "p.npz", y=np.ones(3))
    with pytest.raises(InputError, match="the key x is missing; found: y"):
        read_observation(tmp_path / "p.npz", (3,))


def test_a_row_is_chosen(tmp_path):
    path = saved(tmp_path, np.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(read_observation(path, (2,), row=1), [[2, 3]])
    for row in (-1, 3):
        with pytest.raises(InputError, match=rf"--row: given {row}; allowed: 0 to 2"):
            read_observation(path, (2,), row=row)


def test_values_that_are_not_finite_are_refused_unless_another_row_is_chosen(tmp_path):
    path = saved(tmp_path, np.array([[0, 1], [np.nan, 1], [np.inf, 1]]))
    with pytest.raises(InputError, match="not finite in rows 1, 2"):
        read_observation(path, (2,))
    assert read_observation(path, (2,), row=0).shape == (1, 2)


def test_broken_files_are_named(tmp_path):
    path = tmp_path / "broken.npz"
    with pytest.raises(InputError, match=r"broken\.npz: no such file"):
        read_observation(path, (2,))
    for content in (b"", b"text", b"PK\x03\x04 cut off", b"\x93NUMPY\x01\x00"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="no whole"):
            read_observation(path, (2,))
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    with pytest.raises(InputError, match="type <U1; allowed: real numbers"):
        read_observation(tmp_path / "words.npy", (2,))
    np.save(tmp_path / "objects.npy", np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(InputError, match="no whole"):
        read_observation(tmp_path / "objects.npy", (2,))
