import numpy as np
import pytest

from sbipipe.physics.cosmology import default_prior
from sbipipe.protocols import Reader
from sbipipe.records import InputError, parse
from sbipipe.sets import cmd_layout
from sbipipe.simulators.cmd import Cmd


@pytest.fixture
def simulations():
    """theta and log10(1 + delta) of three universes whose slabs fill the box."""
    rng = np.random.default_rng(0)
    theta = default_prior().sample(3, rng)
    density = rng.lognormal(0, 1, (3, 3, 5, 8, 8))
    density /= density.mean((2, 3, 4), keepdims=True)
    return theta, np.log10(density).reshape(45, 1, 8, 8).astype(np.float32)


@pytest.fixture
def folder(tmp_path, simulations):
    theta, maps = simulations
    cmd_layout.write_cmd(
        tmp_path, suite="sbipipe", set="LH", theta=theta, log_density=maps, box=25.0
    )
    return tmp_path


def reader(folder, **config):
    return Cmd(folder=str(folder), suite="sbipipe", prior=default_prior(), **config)


def test_what_was_written_is_read(folder, simulations):
    theta, maps = simulations
    rows = reader(folder).read()
    assert isinstance(reader(folder), Reader)
    np.testing.assert_array_equal(rows.theta, theta.repeat(15, 0))
    np.testing.assert_array_equal(rows.group, np.arange(45) // 15)
    np.testing.assert_allclose(rows.x, maps, atol=2e-6)
    assert rows.x.dtype == np.float32


def test_older_parameter_file_and_further_columns(folder, simulations):
    (folder / "params_LH_sbipipe.txt").unlink()
    theta = np.column_stack([simulations[0], np.ones((3, 4))])
    np.savetxt(folder / "params_sbipipe.txt", theta)
    np.testing.assert_allclose(reader(folder).read().theta, simulations[0].repeat(15, 0))


def test_pixels_are_averaged_before_the_logarithm(folder, simulations):
    rows = reader(folder, pixels=4).read()
    blocks = 10.0 ** simulations[1].astype(float).reshape(45, 1, 4, 2, 4, 2)
    np.testing.assert_allclose(rows.x, np.log10(blocks.mean((3, 5))), atol=2e-6)


def test_values_as_they_are(folder):
    rows = reader(folder, overdensity=False).read()
    expected = np.load(folder / "Maps_Mcdm_sbipipe_LH_z=0.00.npy")
    np.testing.assert_array_equal(rows.x[:, 0], expected)


def test_a_pixel_without_mass_makes_its_map_infinite(folder):
    path = folder / "Maps_Mcdm_sbipipe_LH_z=0.00.npy"
    maps = np.load(path)
    maps[7, 0, 0] = 0
    np.save(path, maps)
    finite = np.isfinite(reader(folder).read().x).all((1, 2, 3))
    np.testing.assert_array_equal(np.flatnonzero(~finite), [7])


def test_both_files_missing_are_one_error(tmp_path):
    with pytest.raises(InputError) as caught:
        reader(tmp_path).read()
    assert len(caught.value.problems) == 2
    assert "Maps_Mcdm_sbipipe_LH_z=0.00.npy: no such file" in str(caught.value)
    assert "params_LH_sbipipe.txt: no such file, nor params_sbipipe.txt" in str(caught.value)


def test_every_problem_is_named(folder):
    np.savetxt(folder / "params_LH_sbipipe.txt", [[0.3, 0.8], [0.9, 0.8]])
    with pytest.raises(InputError) as caught:
        reader(folder, pixels=3).read()
    text = str(caught.value)
    assert len(caught.value.problems) == 3
    for part in ("45 maps are 3 simulations, but 2 rows", "a divisor", "omega_m"):
        assert part in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((15, 4, 5), np.float32), r"allowed: \(15 S, n, n\)"),
        (np.zeros((14, 4, 4), np.float32), r"given shape \(14, 4, 4\)"),
        (np.zeros((15, 4, 4), np.int32), "allowed: real numbers"),
        (np.full((15, 4, 4), "a", object), "not a whole npy file"),
    ],
)
def test_files_that_are_no_maps(folder, content, message):
    np.save(folder / "Maps_Mcdm_sbipipe_LH_z=0.00.npy", content, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        reader(folder).read()


def test_parameters_that_are_no_numbers(folder):
    (folder / "params_LH_sbipipe.txt").write_text("a b\n")
    with pytest.raises(InputError, match=r"params_LH_sbipipe.txt: not a table of numbers"):
        reader(folder).read()


def test_an_estimated_prior_is_of_all_columns_or_of_those_it_names(folder, simulations):
    np.savetxt(folder / "params_LH_sbipipe.txt", np.column_stack([simulations[0], np.arange(3)]))
    within = {"omega_m": {"kind": "uniform", "low": 0.1, "high": 0.5}}
    for prior, columns in (({"kind": "as_drawn"}, 3), ({"kind": "as_drawn", "within": within}, 1)):
        config = {"folder": str(folder), "suite": "sbipipe", "prior": prior}
        assert parse(Cmd, config, "simulate.x.config").read().theta.shape == (45, columns)


def test_missing_keys_are_named():
    with pytest.raises(InputError, match=r"simulate\.x\.config\.folder: missing"):
        parse(Cmd, {"suite": "s"}, "simulate.x.config")
