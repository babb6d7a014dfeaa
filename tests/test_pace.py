"""The time left falls as time passes, and does not rise while things go as they went."""

from __future__ import annotations

import numpy as np
import pytest

from sbipipe.pace import MINUTE, Blocks, Count, words
from watch import Watch


def left(count: Count) -> float:
    assert count.left is not None
    return count.left


def blocks(watch: Watch, total: int = 100, each: float = 10.0) -> Blocks:
    return Blocks(label="drawing", total=total, unit="observations", each=each, clock=watch)


def work(count: Blocks, watch: Watch, pieces: int, seconds: float = 1.0) -> list[float | None]:
    """The time left after each piece."""
    found = []
    for _ in range(pieces):
        watch.now += seconds
        count.spend(1)
        found.append(count.left)
    return found


def test_time_left_follows_the_pace_and_falls_by_a_second_a_second():
    watch = Watch()
    count = Count(label="flow", total=10, unit="epochs", clock=watch)
    count.advance(0)
    assert count.left is None
    watch.now += 8
    count.advance(2)
    seen = []
    for _ in range(4):
        seen.append(count.left)
        watch.now += 1
    assert seen == [32, 31, 30, 29]


def test_what_takes_longer_than_those_before_leaves_the_time_of_those_after_it():
    watch = Watch()
    count = Count(label="judging", total=3, unit="estimators", clock=watch)
    count.advance(0)
    watch.now += 10
    count.advance(1)
    watch.now += 100
    assert count.left == 10
    count.advance(2)
    watch.now += 500
    assert count.left is None
    assert count.line == "judging, 2 of 3 estimators"


def test_what_was_done_before_has_no_pace():
    watch = Watch()
    count = Count(label="flow", total=100, unit="epochs", most=True, clock=watch)
    count.advance(40)
    watch.now += 30
    assert count.left is None
    count.advance(50, "valid 1.2")
    assert count.line == "flow, 50 of at most 100 epochs (valid 1.2), at most 2 min left"


def test_within_a_block_observations_are_counted_and_the_time_left_is_right():
    """A piece a second, as many as are expected: what is left is the number of the others. Beyond
    nine tenths of a block more are allowed for, by at most a tenth of it."""
    watch = Watch()
    count = blocks(watch)
    done = 0
    for size in (40, 40, 20):
        count.begin(size)
        seen = work(count, watch, 10 * size)
        true = 1000 - done - np.arange(1, 10 * size + 1)
        assert np.abs(np.array(seen, float) - true)[: 9 * size].max() < 1e-9
        count.end()
        done += 10 * size
        assert count.done == done / 10
    assert count.left is None


def test_a_first_block_that_takes_longer_than_expected_goes_on_rising_but_is_not_done():
    watch = Watch()
    count = blocks(watch)
    count.begin(50)
    seen = []
    for _ in range(1500):
        work(count, watch, 1)
        seen.append(count.done)
    assert (np.diff(seen) > 0).all()
    assert seen[-1] < 50
    count.end()
    assert count.done == 50
    assert left(count) == 1500


def test_what_finished_blocks_have_taken_is_expected_of_the_next():
    watch = Watch()
    count = blocks(watch)
    count.begin(50)
    work(count, watch, 1000)
    count.end()
    count.begin(50)
    times = work(count, watch, 900)
    assert times == pytest.approx(999 - np.arange(900.0))


def test_pieces_that_are_announced_are_expected_and_the_count_never_falls():
    watch = Watch()
    count = blocks(watch, total=50, each=0)
    count.begin(50)
    assert count.done == 0
    count.announce(100)
    work(count, watch, 50)
    assert count.done == 25
    count.announce(900)
    work(count, watch, 1)
    assert count.done == 25
    work(count, watch, 849)
    assert count.done == 45


def test_a_block_that_nothing_is_known_of_is_counted_when_it_is_done():
    watch = Watch()
    count = blocks(watch, each=0)
    count.begin(50)
    work(count, watch, 5)
    assert count.done == 0
    count.end()
    assert (count.done, count.left) == (50, 5)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(3.2, "3 s"), (59, "59 s"), (90, "2 min"), (5400, "90 min"), (9e4, "25.0 h")],
)
def test_times_are_said_as_a_person_does(seconds: float, said: str):
    assert words(seconds) == said


def test_a_line_a_minute():
    assert MINUTE == 60
