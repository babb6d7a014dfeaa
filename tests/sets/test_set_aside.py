"""No simulation is lost: not to an edit, not to a smaller number, not to a killed campaign."""

import importlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from dask.distributed import Client, LocalCluster, as_completed

from rows import rows_of
from sbipipe import storage
from sbipipe.config import Simulate, Simulations
from sbipipe.interfaces import SPLITS, Dataset
from sbipipe.priors.prior import uniform_prior
from sbipipe.sets import campaign, set_aside

SOURCE = '''"""A simulator."""

import numpy as np

from sbipipe.interfaces import Vectors
from sbipipe.priors.prior import uniform_prior


class Line:
    """theta + noise, twice."""

    prior = uniform_prior(a=(0.0, 1.0))
    maps = 2
    data = Vectors(components=("x0", "x1", "x2"))

    def simulate(self, theta, rng):
        return theta.repeat(2, 0) + 1.0 * rng.standard_normal((2, 3))  # in units of one
'''
MARK = 123.0
"""No simulation gives it: a row that holds it was kept, and not made again."""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    cluster = LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    )
    with cluster, Client(cluster) as client:
        yield client


class Suite:
    """A simulator whose source can be edited, and its set."""

    def __init__(self, folder: Path, client: Client) -> None:
        self.source = folder / f"line_{abs(hash(folder))}.py"
        self.source.write_text(SOURCE)
        self.path, self.aside, self.client = folder / "sets/toy", folder / "aside", client
        self.told: list[str] = []

    def run(self, seed: int = 1, **sizes: int) -> None:
        importlib.invalidate_caches()
        sys.modules.pop(self.source.stem, None)
        simulator = importlib.import_module(self.source.stem).Line()
        wanted = Simulations(**({"train": 200, "valid": 90, "calibrate": 5, "test": 80} | sizes))
        entry = Simulate(kind="line", simulations=wanted)
        self.told.clear()
        campaign.run_simulations(
            simulator, entry, "toy", seed, self.path, self.client, self.aside, self.told.append
        )

    def edit(self, old: str, new: str) -> None:
        text = self.source.read_text()
        assert old in text
        self.source.write_text(text.replace(old, new))

    def mark(self, *simulations: int, split: str = "train") -> None:
        group = storage.open_split(self.path, split)
        for i in simulations:
            group["x"][2 * i] = MARK

    def marked(self, split: str = "train") -> list[int]:
        """Simulations whose rows are marked."""
        rows = storage.open_set(self.path).split(split)
        return (rows.group[(rows.x == MARK).all(1)]).tolist()

    def kept(self) -> list[str]:
        return sorted(p.name for p in self.aside.iterdir()) if self.aside.exists() else []


@pytest.fixture
def suite(tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> Suite:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Suite(tmp_path, client)
    made.run()
    return made


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Suite], None]:
    """Runs a campaign that is interrupted after its first task."""

    def run(suite: Suite, **sizes: int) -> None:
        def first(futures: object) -> Iterator[object]:
            found = list(as_completed(futures))
            yield found[0]
            if len(found) > 1:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(campaign, "as_completed", first)
            with pytest.raises(KeyboardInterrupt):
                suite.run(**sizes)

    return run


def content(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def values(path: Path) -> dict[str, np.ndarray]:
    return {split: storage.open_set(path).split(split).x for split in SPLITS}


def test_a_comment_or_a_docstring_keeps_every_simulation(suite: Suite) -> None:
    suite.mark(0, 199)
    suite.edit("  # in units of one", "")
    suite.edit("theta + noise, twice.", "Two noisy copies.")
    suite.run()
    assert suite.marked() == [0, 199]
    assert suite.told == suite.kept() == []


def test_a_number_sets_aside_and_its_return_takes_back(suite: Suite) -> None:
    suite.mark(0, 199)
    before = values(suite.path)
    suite.edit("1.0 *", "2.0 *")
    suite.run()
    (kept,) = suite.kept()
    assert suite.told == [
        f"{suite.path}: its 375 simulations do not fit the present {suite.source.stem}; "
        f"they are set aside in {suite.aside / kept} until they do"
    ]
    assert not suite.marked()
    noise = [x - storage.open_set(suite.path).split("valid").theta for x in
             (before["valid"], values(suite.path)["valid"])]  # fmt: skip
    np.testing.assert_allclose(noise[1], 2 * noise[0], rtol=1e-4, atol=1e-6)

    suite.edit("2.0 *", "1.0 *")
    suite.run()
    assert f"its 375 simulations are taken back from {suite.aside / kept}" in suite.told[1]
    assert suite.marked() == [0, 199]
    assert all(np.array_equal(x, before[split]) for split, x in values(suite.path).items())
    assert len(suite.kept()) == 1
    assert suite.kept() != [kept]


def test_seeds_come_and_go(suite: Suite) -> None:
    suite.mark(3)
    for seed in (2, 3, 2):
        suite.run(seed=seed)
        assert not suite.marked()
    suite.run(seed=1)
    assert suite.marked() == [3]
    assert "the present seed" in suite.told[0]
    assert len(suite.kept()) == 2


def test_simulations_come_back_where_all_sets_are_gone(suite: Suite) -> None:
    suite.mark(3)
    suite.run(seed=2)
    shutil.rmtree(suite.path.parent)
    suite.run(seed=1)
    assert suite.marked() == [3]


def test_a_smaller_number_loses_nothing(suite: Suite) -> None:
    suite.mark(10, 120, 199)
    whole = content(suite.path)
    suite.run(train=100)
    assert suite.told == [
        f"{suite.path}: 100 simulations are not asked for now; "
        f"they are kept in {suite.aside / suite.kept()[0]}"
    ]
    assert suite.marked() == [10]
    suite.run()
    assert "100 simulations are taken back" in suite.told[0]
    assert suite.marked() == [10, 120, 199]
    assert suite.kept() == []
    assert content(suite.path) == whole


def test_the_same_numbers_give_the_same_files_whatever_came_before(
    suite: Suite, tmp_path: Path
) -> None:
    suite.run(train=100, test=85)
    found = content(suite.path)
    shutil.rmtree(suite.path)
    shutil.rmtree(suite.aside)
    suite.run(train=100, test=85)
    assert content(suite.path) == found


def test_several_shrinkings_and_growths_keep_the_union(suite: Suite) -> None:
    suite.mark(50, 150)
    suite.run(train=100, test=120)
    suite.mark(70, 119, split="test")
    suite.run(train=40, test=60)
    suite.run(train=60, test=60)
    suite.edit("1.0 *", "2.0 *")
    suite.run(train=20, test=20)
    suite.edit("2.0 *", "1.0 *")
    suite.run(train=200, test=120)
    assert suite.marked() == [50, 150]
    assert suite.marked("test") == [119]  # 70 was kept before it was marked


@pytest.mark.parametrize("change", ["comment", "number", "back", "shorter", "longer"])
def test_a_killed_campaign_continues_after_each_of_these(
    suite: Suite, killed: Callable[..., None], change: str
) -> None:
    expected = values(suite.path)
    shutil.rmtree(suite.path)
    killed(suite)
    assert not (suite.path / "set.json").exists()
    done = storage.done(suite.path, "train")
    assert 0 < len(done) < 200
    suite.mark(done[0])
    if change == "comment":
        suite.edit("  # in units of one", "  # of no account")
    elif change == "number":
        suite.edit("1.0 *", "2.0 *")
        killed(suite)
        suite.edit("2.0 *", "1.0 *")
    elif change == "back":
        suite.run(seed=2)
        killed(suite)
    elif change == "shorter":
        suite.run(train=30)
    elif change == "longer":
        suite.run(train=30)
        killed(suite, test=500)
    suite.run()
    assert suite.marked() == [done[0]]
    found = values(suite.path)
    found["train"][2 * done[0]] = expected["train"][2 * done[0]]
    assert all(np.array_equal(found[split], expected[split]) for split in SPLITS)


def test_without_hard_links_there_are_copies(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: str, target: str) -> None:
        raise OSError("no links here")

    suite.mark(199)
    monkeypatch.setattr(os, "link", refuse)
    suite.run(train=100)
    suite.run()
    assert suite.marked() == [199]


def test_what_is_read_from_files_sets_a_campaign_aside(suite: Suite) -> None:
    class Files:
        prior = uniform_prior(a=(0.0, 1.0))

        def read(self) -> Dataset:
            theta = np.linspace(0, 1, 300)[:, None]
            return rows_of(theta=theta, x=theta.astype(np.float32), group=np.arange(300))

    suite.mark(7)
    entry = Simulate(kind="files")
    for _ in range(2):
        campaign.import_simulations(
            Files(), entry, "toy", 1, suite.path, suite.aside, suite.told.append
        )
    (line,) = suite.told
    assert "an entry that simulates nothing" in line
    suite.run()
    assert suite.marked() == [7]


def test_an_interrupted_import_leaves_the_old_set(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, name: str, rows: Dataset, maps: int = 1) -> None:
        raise KeyboardInterrupt

    before = content(suite.path)
    monkeypatch.setattr(storage, "save_split", fail)

    class Files:
        prior = uniform_prior(a=(0.0, 1.0))

        def read(self) -> Dataset:
            theta = np.linspace(0, 1, 300)[:, None]
            return rows_of(theta=theta, x=theta.astype(np.float32), group=np.arange(300))

    with pytest.raises(KeyboardInterrupt):
        campaign.import_simulations(Files(), Simulate(kind="files"), "toy", 1, suite.path,
                                    suite.aside)  # fmt: skip
    assert content(suite.path) == before
    assert [p.name for p in suite.path.parent.iterdir()] == ["toy"]


def test_a_set_aside_is_named_by_its_fingerprint(tmp_path: Path) -> None:
    assert set_aside.place(Path("data/sets/cdm"), tmp_path, "0123456789abcdef") == (
        tmp_path / "cdm.0123456789ab"
    )
