"""What a person brings has one of the shapes of the training set, or is refused in one line."""

import h5py
import numpy as np
import pytest
from astropy.io import fits

from sbipipe.records import InputError
from sbipipe.sets.observation import read_observation, read_observations

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


def test_tables_of_text_have_an_observation_in_each_row(tmp_path):
    values = np.arange(6.0).reshape(2, 3)
    np.savetxt(tmp_path / "bare.csv", values, delimiter=",")
    np.savetxt(tmp_path / "named.csv", values, delimiter=", ", header="a, b, c", comments="")
    for name in ("bare.csv", "named.csv"):
        np.testing.assert_array_equal(read_observation(tmp_path / name, (3,)), values)
    (tmp_path / "words.csv").write_text("a,b,c\n1,2,three\n")
    with pytest.raises(InputError, match=r"words\.csv: no whole \.csv file of numbers"):
        read_observation(tmp_path / "words.csv", (3,))


def test_images_and_archives_of_other_programs(tmp_path):
    values = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(values)]).writeto(tmp_path / "map.fits")
    with h5py.File(tmp_path / "map.h5", "w") as file:
        file["x"] = values
    for name in ("map.fits", "map.h5"):
        np.testing.assert_array_equal(read_observation(tmp_path / name, FIELDS)[0, 0], values)
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(InputError, match="a FITS file without an image"):
        read_observation(tmp_path / "empty.fits", FIELDS)
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file["y"] = values
    with pytest.raises(InputError, match="the key x is missing; found: y"):
        read_observation(tmp_path / "y.h5", FIELDS)


def test_files_come_one_after_the_other_and_the_problems_of_all_together(tmp_path):
    np.save(tmp_path / "two.npy", np.arange(4.0).reshape(2, 2))
    np.save(tmp_path / "one.npy", np.array([7.0, 8.0]))
    observed, names = read_observations([tmp_path / "two.npy", tmp_path / "one.npy"], (2,))
    np.testing.assert_array_equal(observed, [[0, 1], [2, 3], [7, 8]])
    assert names == ("two.npy[0]", "two.npy[1]", "one.npy")
    with pytest.raises(InputError) as error:
        read_observations([tmp_path / "a.npy", tmp_path / "b.txt", tmp_path / "one.npy"], (2,))
    assert [line.split(": ")[1] for line in error.value.problems] == ["no such file"] * 2
