"""A generator of few fields is found by those that it repeats, and one of many is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lognormal_emulator import SIMULATOR
from sbipipe import plugins
from sbipipe.emulation import birthday
from sbipipe.emulation.sample import TrueSample
from sbipipe.emulation.sampled import Birthday, Pairs
from sbipipe.interfaces import Array, Dataset, Generator, Run
from sbipipe.protocols import Emulator
from sbipipe.seeds import stream

N, L = 1000, 20
SIMULATION = np.repeat(np.arange(40), 5)


def fields(label: str, count: int) -> Array:
    """White noise, (count, 1, 16, 16)."""
    return stream(0, label).standard_normal((count, 1, 16, 16))


def normal(label: str, count: int = N) -> Array:
    return stream(0, label).standard_normal((count, L))


def found(generated: Array) -> Birthday:
    return birthday.birthday(generated, normal("true", 200), normal("control", 200), SIMULATION)


@pytest.mark.parametrize("scatter", [0.7, 1.0])
def test_points_that_are_all_different_pass_however_much_they_scatter(scatter: float) -> None:
    one = found(scatter * normal("generated"))
    assert one.generated.near <= 5
    assert one.generated.p > 0.9
    assert one.control.p > 0.9
    assert (one.generated.fields, one.control.fields) == (N, 400)


@pytest.mark.parametrize("different", [50, 500])
def test_the_number_of_different_points_is_found(different: int) -> None:
    """Each pair is the same with the probability 1 / K, up to a little noise."""
    rng = stream(0, "again")
    points = normal("few", different)[rng.integers(different, size=N)]
    one = found(points + 0.05 * rng.standard_normal(points.shape))
    error = 5 / np.sqrt(one.generated.near) + 1 / N
    assert one.generated.different == pytest.approx(different, rel=error)
    assert one.generated.p < 1e-6


def test_points_of_one_simulation_may_be_alike() -> None:
    alike = np.repeat(normal("simulations", 40), 5, 0)
    one = birthday.birthday(normal("generated"), alike, alike[::-1] + 0.5, SIMULATION)
    assert one.control.p > 0.01


def test_one_pair_in_so_many_is_expected_within_reach() -> None:
    """Of distances whose number grows as r^D."""
    rng = stream(0, "distances")
    ordered = np.sort(rng.random(100_000) ** (1 / L))
    reach = birthday.reach(ordered, 10_000_000)
    error = np.log(400 * 1e7 / 1e5) / np.sqrt(400)
    assert np.log(1e7 * reach**L) == pytest.approx(0, abs=4 * error)


def test_pairs_are_counted_once() -> None:
    points = np.array([[0.0], [0.4], [1.0], [1.4], [9.0]])
    assert birthday.near(points, 0.5) == 2
    assert birthday.near(points, 0.7) == 3
    assert birthday.near(points, 0.0) == 0
    assert Pairs(fields=5, radius=0.0, near=0, p=1.0).different == np.inf


def test_images_of_a_field_with_edges_have_its_features() -> None:
    """Those under mirrors and right angles; a shifted one is another field."""
    x = fields("x", 5).astype(np.float32)
    data = replace(SIMULATOR.data, geometry=replace(SIMULATOR.data.geometry, periodic=False))
    turned = np.rot90(x, 1, (2, 3))[..., ::-1].copy()
    found, same, other = (birthday.features(one, data) for one in (x, turned, np.roll(x, 8, -1)))
    for name, values in found.items():
        np.testing.assert_allclose(same[name], values, atol=1e-4)
        assert not np.allclose(other[name], values, atol=0.1)


class Critical:
    """An emulator with a critic, which answers from fields as they are, less those it was told."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator, self.data = emulator, emulator.data

    def draw(self, theta: Array, rng: Generator, **_: bool) -> Array:
        return self.emulator.draw(theta, rng)

    def features(self, x: Array, theta: Array) -> Array:
        return birthday.features(x, self.data)["power"] - theta[0]


@pytest.mark.parametrize("critical", [False, True])
def test_replayed_fields_are_found_wherever_they_were_moved(critical: bool) -> None:
    data, prior = SIMULATOR.data, SIMULATOR.prior
    theta = prior.sample(100, stream(0, "theta"))
    rows = Dataset(data=data, theta=theta, x=fields("x", 100), group=np.arange(100))
    kind = plugins.make("emulate", "replay", {}, "replay")
    emulator, _ = kind.fit(rows, rows.rows(slice(0)), prior, Run(seed=0))
    emulator = Critical(emulator) if critical else emulator
    parts = (fields(label, 200).reshape(40, 5, 1, 16, 16) for label in ("true", "control"))
    sample = TrueSample(theta=theta[0], **dict(zip(("true", "control"), parts, strict=True)))
    drawn = birthday.drawn(emulator, sample.theta, 400, stream(0, "drawn"))
    both = birthday.birthdays(drawn, birthday.read_true(emulator, sample), sample, data)
    assert list(both) == ["pixels", "power", *["critic features"] * critical]
    for one in both.values():
        assert one.generated.different == pytest.approx(16, rel=0.4)
        assert one.generated.p < 1e-6
        assert one.control.p > 0.01
