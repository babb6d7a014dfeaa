"""What a stage does is told in lines, with the pace that it has had, and only while it is open."""

from __future__ import annotations

import io
import re
import time

import pytest

from sbipipe.pace import words
from sbipipe.progress import announce, at_once, blocks, counting, phase, spend, track
from sbipipe.telling import stage
from watch import Watch


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(out: io.StringIO, text: str) -> str:
    """The first line with this text, once there is one."""
    for _ in range(1000):
        lines = [line for line in out.getvalue().splitlines() if text in line]
        if lines:
            return lines[0]
        time.sleep(0.01)
    raise AssertionError(f"{text!r} not in {out.getvalue()!r}")


def test_lines_say_the_stage_what_is_done_and_the_time_left() -> None:
    out = io.StringIO()
    with stage("train@npe", out, every=0.02), counting("flow", 100, "epochs", most=True) as advance:
        advance(40, "")
        time.sleep(0.05)
        advance(50, "valid 1.2")
        line = told(out, "50 of")
    pattern = (
        r"train@npe: \d s so far; flow, 50 of at most 100 epochs \(valid 1.2\), at most \d s left"
    )
    assert re.fullmatch(pattern, line)


def test_a_stage_that_counts_nothing_says_how_long_it_has_taken() -> None:
    out = io.StringIO()
    with stage("report", out, every=0.02):
        assert re.fullmatch(r"report: \d s so far", told(out, "report"))


def test_what_was_done_before_has_no_pace() -> None:
    """A fit that goes on from its 40th epoch knows nothing of the time of one before its 41st."""
    out = io.StringIO()
    with stage("train@npe", out, every=0.02), counting("flow", 100, "epochs") as advance:
        advance(40, "")
        assert told(out, "40 of").endswith("40 of 100 epochs")


def test_things_are_counted_one_after_another() -> None:
    out, seen = io.StringIO(), []
    with stage("compare", out, every=0.01):
        for one in track(["a", "b"], "comparing", "pairs"):
            seen.append(one)
            assert f"{len(seen) - 1} of 2 pairs" in told(out, f"{len(seen) - 1} of 2")
        assert list(track(iter("cd"), "comparing", "pairs", total=2)) == ["c", "d"]
    assert seen == ["a", "b"]


def test_a_terminal_has_a_bar() -> None:
    out = Terminal()
    with stage("draw@nle", out):
        for _ in track(range(3), "drawing", "blocks"):
            time.sleep(0.15)
    assert "draw@nle" in out.getvalue()
    assert "drawing" in out.getvalue()


def test_nothing_is_shown_where_no_stage_is_open(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([1, 2], "drawing", "blocks")) == [1, 2]
    with counting("flow", 3, "epochs") as advance:
        advance(1, "")
    assert capsys.readouterr() == ("", "")


def test_phases_are_named_the_outermost_first():
    with stage("recalibrate@nle", io.StringIO()) as line:
        with phase("calibration simulations"), phase("strength"):
            assert line().endswith("so far; calibration simulations: strength")
            with counting("levels", 3, "rows") as advance:
                advance(1, "")
                assert line().endswith("calibration simulations: strength: levels, 1 of 3 rows")
        assert line() == "recalibrate@nle: 0 s so far"


def test_blocks_are_counted_by_the_pieces_of_work_on_them():
    """Half of the 200 pieces of a block is half of its observations; each piece takes 0.3 s."""
    watch = Watch()
    with stage("draw@nle", io.StringIO(), clock=watch) as line:
        for one in blocks(300, 100, "drawing", each=2.0):
            watch.now += 30
            spend(100)
            done = one.start + 50
            left = f", {words(0.6 * (300 - done))} left"
            assert line().endswith(f"drawing, {done} of 300 observations{left}")
            watch.now += 30
            spend(100)
        assert line() == "draw@nle: 3 min so far"


def test_blocks_within_a_block_are_pieces_of_it():
    with stage("recalibrate@npe", io.StringIO()) as line:
        for _ in blocks(20, 10, "levels"):
            announce(80.0)
            for _ in blocks(10, 5, "drawing", each=2.0):
                spend(5)
            assert "levels, 1 of 20 observations" in line()
            break


def test_no_observations_are_no_blocks():
    with stage("draw@nle", io.StringIO()), at_once(0, "drawing", each=2.0):
        pass
    assert list(blocks(0, 10, "drawing")) == []
    assert list(blocks(5, 3, "drawing")) == [slice(0, 3), slice(3, 6)]
