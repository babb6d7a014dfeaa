"""Every judgement of the test simulations is counted once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from closed_form import gaussian
from sbipipe.gate import looks
from sbipipe.gate.verdict import Looks
from sbipipe.records import InputError
from sbipipe.results.run import Results


def counts(found: Looks) -> tuple[int, int]:
    """Those of the estimator, and all."""
    return found.estimator, found.split


def test_other_draws_or_settings_are_another_look(tmp_path: Path) -> None:
    path, draws = tmp_path / "looks.json", gaussian(20, 1)
    first = looks.entry("npe", draws, {"level": 0.01}, 0.01)
    assert counts(looks.add(path, [first])["npe"]) == (1, 1)
    assert counts(looks.add(path, [first])["npe"]) == (1, 1)
    stricter = looks.entry("npe", draws, {"level": 0.001}, 0.001)
    assert counts(looks.add(path, [stricter])["npe"]) == (2, 2)
    trained_again = looks.entry(
        "npe", replace(draws, draws=draws.draws + 0.1), {"level": 0.01}, 0.01
    )
    other = looks.entry("nle", draws, {"level": 0.01}, 0.01)
    found = looks.add(path, [trained_again, other])
    assert {name: counts(one) for name, one in found.items()} == {"npe": (3, 4), "nle": (1, 4)}


def test_how_long_drawing_took_is_no_other_look(tmp_path: Path) -> None:
    draws = gaussian(20, 1)
    assert looks.entry("npe", draws, {}, 0.01) == looks.entry(
        "npe", replace(draws, seconds=9.0), {}, 0.01
    )


def test_another_split_is_counted_on_its_own(tmp_path: Path) -> None:
    path = tmp_path / "looks.json"
    looks.add(path, [looks.entry("npe", gaussian(20, 1), {}, 0.01)])
    found = looks.add(path, [looks.entry("npe", gaussian(20, 2), {}, 0.01)])
    assert counts(found["npe"]) == (1, 1)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "looks.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match=r"looks\.json"):
        looks.add(tmp_path / "looks.json", [looks.entry("npe", gaussian(20, 1), {}, 0.01)])


def test_a_level_that_was_lowered_after_a_rejection_is_told(tmp_path: Path) -> None:
    path, draws = tmp_path / "looks.json", gaussian(20, 1)
    judged = [looks.entry(name, draws, {"level": 0.05}, 0.05) for name in ("npe", "nle")]
    assert looks.add(path, judged)["npe"].rejected_at is None
    looks.settle(path, judged, {"npe": True, "nle": False})
    lower = [looks.entry(name, draws, {"level": 0.001}, 0.001) for name in ("npe", "nle")]
    found = looks.add(path, lower)
    assert (found["npe"].rejected_at, found["nle"].rejected_at) == (0.05, None)
    looks.settle(path, lower, {"npe": False, "nle": False})
    assert looks.add(path, judged)["npe"].rejected_at is None


def test_what_came_after_a_verdict_is_told(tmp_path: Path, run_results: Results) -> None:
    path, draws = tmp_path / "looks.json", gaussian(20, 1)
    first = looks.entry("npe", draws, {"level": 0.01}, 0.01)
    then = looks.add(path, [first])["npe"]
    verdict = replace(run_results.estimators[0].verdict, looks=then, level=0.01)
    assert list(looks.later(path, {"npe": verdict})) == []
    second = looks.entry("npe", draws, {"level": 0.05}, 0.05)
    looks.add(path, [second, replace(second, estimator="nle")])
    looks.settle(path, [second], {"npe": True})
    (line,) = looks.later(path, {"npe": verdict})
    assert "npe: judgements by its test simulations when it was judged: 1, 1 of them" in line
    assert "by now: 3, 2 of them by this name" in line
    assert "rejected at level 0.05; the verdict is at 0.01" in line


def test_files_of_before_are_read(tmp_path: Path) -> None:
    path, draws = tmp_path / "looks.json", gaussian(20, 1)
    one = looks.entry("npe", draws, {}, 0.01)
    kept = {"split": one.split, "estimator": "npe", "look": one.look, "when": "2026-11-27"}
    path.write_text(json.dumps([kept]))
    assert counts(looks.add(path, [one])["npe"]) == (1, 1)
