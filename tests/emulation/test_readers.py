"""Which estimators are asked about an emulator's fields."""

from __future__ import annotations

from typing import Any

import pytest

from sbipipe.config import Params
from sbipipe.emulation.readers import Readers, learned_from, obstacle, readers
from sbipipe.interfaces import Data, Fields, Geometry
from sbipipe.records import parse

GAN = {"kind": "gan", "of": "maps"}
VALUES: dict[str, Any] = {
    "simulate": {"maps": {"kind": "lognormal"}, "vectors": {"kind": "linear_gaussian"}},
    "summarise": {
        "cnn": {"kind": "cnn", "of": "maps"},
        "mock_cnn": {"kind": "cnn", "of": "mock"},
    },
    "emulate": {"gan": GAN, "coarse": {"kind": "flow", "of": "maps"}},
    "imitate": {"mock": {"of": "maps", "by": "gan"}},
    "join": {"both": {"of": "cnn", "beside": "coarse"}},
    "train": {
        "npe": {"kind": "npe", "of": "cnn"},
        "withheld": {"kind": "npe", "of": "cnn"},
        "fields": {"kind": "npe", "of": "maps"},
        "imitator": {"kind": "npe", "of": "mock_cnn"},
        "surface": {"kind": "surface", "of": "coarse"},
        "joined": {"kind": "npe", "of": "both"},
        "elsewhere": {"kind": "npe", "of": "vectors"},
    },
    "recalibrate": {
        "imitator+tempered": {"kind": "tempered", "of": "imitator"},
        "moved": {"kind": "reweighted", "of": "npe", "target": "surface"},
    },
}
PARAMS = parse(Params, VALUES, "")
OUT = {name: name != "withheld" for name in PARAMS.estimators}
FOUND = readers(PARAMS, "maps", OUT)


def grid(side: int) -> Data:
    return Fields(geometry=Geometry(pixels=(side, side)))


def test_published_estimators_of_the_simulator_are_asked() -> None:
    assert FOUND.names == ("npe", "fields", "imitator", "imitator+tempered")
    assert list(FOUND.left_out) == ["surface", "joined", "moved"]
    assert set(FOUND.left_out.values()) == {
        "reads surfaces, for which coarse would have to score every field"
    }


def test_an_estimator_that_learned_from_the_emulator_is_marked() -> None:
    marked = [name for name in FOUND.names if learned_from(PARAMS, name, "gan")]
    assert marked == ["imitator", "imitator+tempered"]
    assert not any(learned_from(PARAMS, name, "coarse") for name in FOUND.names)


@pytest.mark.parametrize(
    ("asked", "found", "side", "why"),
    [
        (200, FOUND, 32, ""),
        (0, FOUND, 32, "none was asked for (judge.posteriors is 0)"),
        (200, FOUND, 16, "its fields have 16 x 16 pixels, and estimators of maps read 32 x 32"),
        (200, Readers(names=(), left_out={}), 32, "no posterior of maps is published"),
        (200, Readers(names=(), left_out={"a": "does this"}), 32, "a does this"),
    ],
)
def test_why_none_is_asked_is_said(asked: int, found: Readers, side: int, why: str) -> None:
    assert obstacle(asked, found, grid(side), grid(32), "maps") == why
