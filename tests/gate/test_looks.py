"""Every judgement of the test simulations is counted once."""

from dataclasses import replace
from pathlib import Path

import pytest

from closed_form import gaussian
from sbipipe.gate import looks
from sbipipe.gate.verdict import Looks
from sbipipe.records import InputError


def test_other_draws_or_settings_are_another_look(tmp_path: Path) -> None:
    path, draws = tmp_path / "looks.json", gaussian(20, 1)
    first = looks.entry("npe", draws, {"level": 0.01})
    assert looks.add(path, [first])["npe"] == Looks(estimator=1, split=1)
    assert looks.add(path, [first])["npe"] == Looks(estimator=1, split=1)
    stricter = looks.entry("npe", draws, {"level": 0.001})
    assert looks.add(path, [stricter])["npe"] == Looks(estimator=2, split=2)
    trained_again = looks.entry("npe", replace(draws, draws=draws.draws + 0.1), {"level": 0.01})
    other = looks.entry("nle", draws, {"level": 0.01})
    found = looks.add(path, [trained_again, other])
    assert found == {"npe": Looks(estimator=3, split=4), "nle": Looks(estimator=1, split=4)}


def test_how_long_drawing_took_is_no_other_look(tmp_path: Path) -> None:
    draws = gaussian(20, 1)
    assert looks.entry("npe", draws, {}) == looks.entry("npe", replace(draws, seconds=9.0), {})


def test_another_split_is_counted_on_its_own(tmp_path: Path) -> None:
    path = tmp_path / "looks.json"
    looks.add(path, [looks.entry("npe", gaussian(20, 1), {})])
    found = looks.add(path, [looks.entry("npe", gaussian(20, 2), {})])
    assert found["npe"] == Looks(estimator=1, split=1)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "looks.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match=r"looks\.json"):
        looks.add(tmp_path / "looks.json", [looks.entry("npe", gaussian(20, 1), {})])
