"""A real Dask cluster runs a campaign, is interrupted, and continues."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dask.distributed import Client, LocalCluster

from sbipipe import plugins, runtime, storage
from sbipipe.config import Runtime, Simulate, Simulations
from sbipipe.interfaces import SPLITS
from sbipipe.protocols import Simulator
from sbipipe.records import InputError
from sbipipe.runtime import ONE_THREAD, WORKER
from sbipipe.seeds import number
from sbipipe.sets import campaign

SMALL = Simulations(train=200, valid=20, calibrate=0, test=30)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, env=WORKER | ONE_THREAD
    )
    with cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    made: Simulator = plugins.make("simulate", "linear_gaussian", {}, "simulate.toy")
    return made


def entry(simulations: Simulations = SMALL) -> Simulate:
    return Simulate(kind="linear_gaussian", simulations=simulations)


def test_every_simulation_is_its_seed(tmp_path: Path, client: Client, simulator: Simulator) -> None:
    campaign.run_simulations(simulator, entry(), "toy", 1, tmp_path / "s", client, tmp_path)
    rows = storage.open_set(tmp_path / "s").split("train")
    seed = int(storage.open_split(tmp_path / "s", "train")["seed"][17])
    assert seed == number(number(1, "simulate", "toy"), "train", 17)
    alone = simulator.simulate(rows.theta[17:18], np.random.default_rng(seed))
    assert np.array_equal(rows.x[17:18], alone.astype(np.float32))


def test_it_continues_where_it_stopped(
    tmp_path: Path, client: Client, simulator: Simulator
) -> None:
    campaign.run_simulations(simulator, entry(), "toy", 1, tmp_path / "s", client, tmp_path)
    before = {split: storage.open_set(tmp_path / "s").split(split) for split in SPLITS}
    group = storage.open_split(tmp_path / "s", "train")
    group["x"][40:60] = np.nan
    group["status"][40:60] = np.full(20, storage.PENDING, np.uint8)
    group["x"][0] = 0.0  # done already: must not be touched
    campaign.run_simulations(simulator, entry(), "toy", 1, tmp_path / "s", client, tmp_path)
    after = storage.open_set(tmp_path / "s").split("train")
    assert np.array_equal(after.x[1:], before["train"].x[1:])
    assert (after.x[0] == 0).all()


def test_adding_simulations_moves_none(
    tmp_path: Path, client: Client, simulator: Simulator
) -> None:
    campaign.run_simulations(simulator, entry(), "toy", 1, tmp_path / "s", client, tmp_path)
    before = storage.open_set(tmp_path / "s").split("train")
    more = Simulations(train=330, valid=20, calibrate=5, test=30)
    campaign.run_simulations(simulator, entry(more), "toy", 1, tmp_path / "s", client, tmp_path)
    found = storage.open_set(tmp_path / "s")
    assert np.array_equal(found.split("train").x[:200], before.x)
    assert found.about["simulations"] == {"train": 330, "valid": 20, "calibrate": 5, "test": 30}


def test_the_workers_of_a_stage_make_the_same_set(
    tmp_path: Path, client: Client, simulator: Simulator
) -> None:
    campaign.run_simulations(simulator, entry(), "toy", 1, tmp_path / "a", client, tmp_path)
    with runtime.workers(Runtime(workers=2)) as own:
        campaign.run_simulations(simulator, entry(), "toy", 1, tmp_path / "b", own, tmp_path)
    files = [p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file()]
    assert files
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_another_seed_starts_anew(tmp_path: Path, client: Client, simulator: Simulator) -> None:
    campaign.run_simulations(simulator, entry(), "toy", 1, tmp_path / "s", client, tmp_path)
    before = storage.open_set(tmp_path / "s").split("train").x
    campaign.run_simulations(simulator, entry(), "toy", 2, tmp_path / "s", client, tmp_path)
    assert not np.isclose(storage.open_set(tmp_path / "s").split("train").x, before).all(1).any()


def test_failures_are_recorded_and_an_empty_split_is_refused(
    tmp_path: Path, client: Client, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = campaign.Task
    path = tmp_path / "s"
    campaign.run_simulations(simulator, entry(), "toy", 1, path, client, tmp_path)

    def explode(simulator: Simulator, theta: np.ndarray, seed: int) -> np.ndarray:
        if theta[0, 0] > 0:
            raise FloatingPointError("too dense")
        return simulator.simulate(theta, np.random.default_rng(seed))

    monkeypatch.setattr(campaign, "_simulate_one", explode)
    theta = np.array([[-1.0, 0.0], [1.0, 0.0]])
    failed = campaign._run_task(simulator, task(path, "test", np.array([0, 1]), theta, np.ones(2)))
    assert failed == {1: "FloatingPointError: too dense"}
    assert np.isnan(storage.open_split(path, "test")["x"][1]).all()

    index = np.arange(30)  # a whole chunk
    campaign._run_task(simulator, task(path, "test", index, np.ones((30, 2)), np.ones(30)))
    storage.open_split(path, "test")["status"][:] = np.full(30, storage.FAILED, np.uint8)
    assert not len(storage.open_set(path).split("test"))

    none, reasons = dict.fromkeys(SPLITS, 0), {"test/1": "too dense"}
    with pytest.raises(InputError, match=r"simulate\.toy: the split .* is empty \(too dense\)"):
        campaign._refuse_empty(none, reasons, "simulate.toy")
