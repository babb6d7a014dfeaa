"""Older `params.yaml` files: one line for every key that moved, with its new spelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sbipipe import check

OLDER: dict[str, Any] = {
    "seed": 1,
    "simulate": {"maps": {"kind": "lognormal", "simulations": {"train": 9, "valid": 9, "test": 9}}},
    "summarise": {},
    "train": {"d+tempered": {"kind": "diffusion", "of": "maps", "config": {"temper": True}}},
    "diagnose": {"sbc": {"kind": "sbc"}},
    "gate": {"level": 0.01, "draws": 500},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def problems(values: dict[str, Any]) -> tuple[str, ...]:
    Path("params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return check.check().problems


def test_every_key_that_moved_has_a_line() -> None:
    found = problems(OLDER)
    assert found[0] == "gate.draws: moved; write draw.draws"
    assert found[1].startswith("train.d+tempered.kind: given 'diffusion'; moved; a diffusion model")
    assert len(found) == 2


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"temper": True}, "temper: moved; write an entry of recalibrate: of kind tempered"),
        ({"levels": 8}, "levels: moved; write scoring.levels"),
        ({"start": {}}, "start: moved; write an emulator of coarser fields"),
        ({"conditioning": "film", "refine": 2}, "refine: given 2; allowed with conditioning film"),
        (
            {"conditioning": "linear", "fields": 4},
            "fields: given 4; allowed with conditioning",
        ),
    ],
)
def test_settings_of_the_diffusion_model_are_named_by_their_whole_key(
    config: dict[str, Any], line: str
) -> None:
    (found,) = problems({
        **OLDER,
        "emulate": {"d": {"kind": "diffusion", "of": "maps", "config": config}},
        "join": {},
        "train": {"exact": {"kind": "exact", "of": "maps"}},
        "recalibrate": {},
        "draw": {},
        "gate": {},
    })  # fmt: skip
    assert found.startswith(f"emulate.d.config.{line}")
