"""Laws of every simulator that exists. Readers are given a table, and the layout of CAMELS."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sbipipe import plugins
from sbipipe.interfaces import HasLikelihood, Reader, Simulator
from sbipipe.seeds import stream
from sbipipe.sets.cmd_layout import write_cmd

SMALL = {"particle_mesh": {"mesh": 16, "pixels": 16, "steps": 2}, "lognormal": {"pixels": 8}}
PRIOR = {
    "omega_m": {"kind": "uniform", "low": 0.1, "high": 0.5},
    "sigma_8": {"kind": "uniform", "low": 0.6, "high": 1.0},
}


def made(kind: str, folder: Path) -> Simulator | Reader:
    """A small one of this kind; a reader has twelve simulations to read."""
    rng = np.random.default_rng(0)
    theta = rng.uniform([0.1, 0.6], [0.5, 1.0], (12, 2))
    config: dict[str, Any] = SMALL.get(kind, {})
    if kind == "arrays":
        np.savez(folder / "mine.npz", theta=theta, x=rng.random((12, 3)))
        config = {"path": str(folder / "mine.npz"), "prior": PRIOR}
    if kind == "cmd":
        fields = rng.normal(size=(180, 1, 8, 8)).astype(np.float32)
        write_cmd(folder, suite="sbipipe", set="LH", theta=theta, log_density=fields, box=25.0)
        config = {"folder": str(folder), "suite": "sbipipe", "prior": PRIOR}
    simulator: Simulator | Reader = plugins.make("simulate", kind, config, "simulate.it")
    return simulator


@pytest.fixture(params=plugins.kinds("simulators"))
def simulator(request: pytest.FixtureRequest, tmp_path: Path) -> Simulator | Reader:
    return made(request.param, tmp_path)


def test_its_prior_is_where_theta_comes_from(simulator: Simulator | Reader) -> None:
    prior = simulator.prior
    theta = prior.sample(50, stream(1, "theta"))
    assert theta.shape == (50, len(prior.names))
    assert prior.inside(theta).all()


def test_it_gives_a_row_for_every_map(simulator: Simulator | Reader) -> None:
    if isinstance(simulator, Simulator):
        theta = simulator.prior.sample(3, stream(1, "theta"))
        x = simulator.simulate(theta, stream(1, "x"))
        assert len(x) == 3 * simulator.maps
    else:
        rows = simulator.read()
        x = rows.x
        assert len(rows.theta) == len(rows.group) == len(x)
        assert simulator.prior.inside(rows.theta).all()
    assert x.ndim >= 2
    assert np.isfinite(x).all()


def test_it_is_its_seed(simulator: Simulator | Reader) -> None:
    if isinstance(simulator, Simulator):
        theta = simulator.prior.sample(2, stream(1, "theta"))
        first, second, third = (simulator.simulate(theta, stream(s, "x")) for s in (1, 1, 2))
        assert np.array_equal(first, second)
        assert not np.array_equal(first, third)
    else:
        assert np.array_equal(simulator.read().x, simulator.read().x)


def test_its_likelihood_prefers_the_truth_on_average(simulator: Simulator | Reader) -> None:
    """E log p(x | theta) - log p(x | theta') is a divergence: not negative."""
    if not (isinstance(simulator, HasLikelihood) and isinstance(simulator, Simulator)):
        assert not hasattr(simulator, "log_likelihood")
        return
    theta, other = (simulator.prior.sample(400, stream(s, "theta")) for s in (1, 2))
    x = simulator.simulate(theta, stream(3, "x"))
    gain = np.subtract(*simulator.log_likelihood(np.stack([theta, other]), x))
    assert gain.mean() > 3 * gain.std() / 20
