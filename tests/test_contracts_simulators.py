"""Laws of every simulator that exists. Readers are given a table, and the layout of CAMELS."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts import kinds, quick
from sbipipe.protocols import HasLikelihood, Reader, Simulator
from sbipipe.seeds import stream
from sbipipe.sets.cmd_layout import write_cmd

PRIOR = {
    "omega_m": {"kind": "uniform", "low": 0.1, "high": 0.5},
    "sigma_8": {"kind": "uniform", "low": 0.6, "high": 1.0},
}


def _table(folder: Path) -> dict[str, Any]:
    np.savez(folder / "mine.npz", theta=_theta(), x=np.random.default_rng(1).random((12, 3)))
    return {"path": str(folder / "mine.npz"), "prior": PRIOR}


def _cmd(folder: Path) -> dict[str, Any]:
    fields = np.random.default_rng(1).normal(size=(180, 1, 8, 8)).astype(np.float32)
    write_cmd(folder, suite="sbipipe", set="LH", theta=_theta(), log_density=fields, box=25.0)
    return {"folder": str(folder), "suite": "sbipipe", "prior": PRIOR}


def _theta() -> NDArray[np.float64]:
    return np.random.default_rng(0).uniform([0.1, 0.6], [0.5, 1.0], (12, 2))


BROUGHT = {"arrays": _table, "cmd": _cmd}
"""What readers read, each a layout of its own: twelve simulations; and their settings."""


def made(kind: str, folder: Path) -> Simulator | Reader:
    brought = BROUGHT[kind](folder) if kind in BROUGHT else {}
    simulator: Simulator | Reader = quick("simulate", kind, **brought)
    return simulator


@pytest.fixture(params=kinds("simulate"))
def simulator(request: pytest.FixtureRequest, tmp_path: Path) -> Simulator | Reader:
    return made(request.param, tmp_path)


def test_its_prior_is_where_theta_comes_from(simulator: Simulator | Reader) -> None:
    prior = simulator.prior
    theta = prior.sample(50, stream(1, "theta"))
    assert theta.shape == (50, len(prior.names))
    assert prior.inside(theta).all()


def test_its_rows_are_what_it_says(simulator: Simulator | Reader) -> None:
    if isinstance(simulator, Simulator):
        theta = simulator.prior.sample(3, stream(1, "theta"))
        x = simulator.simulate(theta, stream(1, "x"))
        assert len(x) == 3 * simulator.maps
        data = simulator.data
    else:
        rows = simulator.read()
        x, data = rows.x, rows.data
        assert len(rows.theta) == len(rows.group) == len(x)
        assert simulator.prior.inside(rows.theta).all()
    assert x.shape[1:] == data.shape
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
