from pathlib import Path
from typing import Any

import pytest
import yaml

from sbipipe.config import Params, read_params
from sbipipe.posteriors.chosen import chosen
from sbipipe.records import InputError, parse

GOOD: dict[str, Any] = {
    "seed": 1,
    "simulate": {
        "sims": {"kind": "linear_gaussian", "simulations": {"train": 9, "valid": 9, "test": 9}}
    },
    "summarise": {"raw": {"kind": "identity", "of": "sims"}},
    "emulate": {},
    "join": {},
    "recalibrate": {},
    "train": {"npe": {"kind": "npe", "of": "raw", "config": {"ensemble": 2}}},
    "diagnose": {"sbc": {"kind": "sbc"}},
    "draw": {},
    "gate": {},
}


def changed(dotted: str, value: Any) -> dict[str, Any]:
    """GOOD with one key changed."""
    import copy

    values = copy.deepcopy(GOOD)
    *path, last = dotted.split(".")
    place = values
    for key in path:
        place = place[key]
    place[last] = value
    return values


def test_good_params_are_read() -> None:
    params = parse(Params, GOOD, "")
    assert params.train["npe"].config == {"ensemble": 2}
    assert params.simulator_of("raw") == "sims"


@pytest.mark.parametrize(
    ("dotted", "value", "line"),
    [
        ("sed", 1, "sed: unknown key"),
        ("train.npe.off", "raw", "train.npe.off: unknown key"),
        ("seed", "1", 'seed: given "1"; input should be a valid integer'),
        ("seed", -1, "seed: given -1; input should be greater than or equal to 0"),
        ("simulate.sims.simulations.test", 0, "simulate.sims.simulations.test: given 0; input"),
        ("judge", {"fields": 49}, "judge.fields: given 49; allowed: 0, or at least 50"),
        ("gate", {"level": 2}, "gate.level: given 2; input should be less than 0.5"),
        ("gate", {"draws": 200}, "gate.draws: moved; write draw.draws"),
        ("gate", {"width_error": 0.6}, "gate.width_error: given 0.6; input should be less"),
        ("gate", {"chance": 1}, "gate.chance: given 1; input should be less than 1"),
        ("gate", {"fewest_draws": 0}, "gate.fewest_draws: given 0; input should be greater"),
        ("draw", {"draws": 3}, "draw.draws: given 3; input should be greater"),
        ("draw", {"narrowed": 1}, "draw.narrowed: given 1; input should be less than 1"),
        ("draw", {"widened": 1}, "draw.widened: given 1; input should be greater than 1"),
        ("draw", {"shifted": 0}, "draw.shifted: given 0; input should be greater than 0"),
        ("gate", {"on_failure": "cry"}, 'gate.on_failure: given "cry"; input should be'),
        ("runtime", {"workers": 0}, "runtime.workers: given 0"),
        ("train", {"a b": {"kind": "npe", "of": "raw"}}, "the name 'a b' is not allowed"),
        ("train", {"<b>": {"kind": "npe", "of": "raw"}}, "the name '<b>' is not allowed"),
        ("diagnose", {}, "diagnose: dictionary should have at least 1 item"),
    ],
)
def test_bad_params_give_one_line_with_the_key(dotted: str, value: Any, line: str) -> None:
    with pytest.raises(InputError) as error:
        parse(Params, changed(dotted, value), "")
    (problem,) = error.value.problems
    assert line in problem


def test_a_study_trains_or_emulates(tmp_path: Any) -> None:
    path = tmp_path / "params.yaml"
    alone = {key: value for key, value in changed("seed", 1).items() if key in {"simulate", "seed"}}
    path.write_text(yaml.safe_dump(alone))
    with pytest.raises(InputError, match="train: given no entry; allowed: at least 1, here or in"):
        read_params(path)
    path.write_text(yaml.safe_dump({**alone, "emulate": {"gan": {"kind": "gan", "of": "sims"}}}))
    params = read_params(path)
    assert params.estimators == {}
    with pytest.raises(InputError, match="allowed: at least 1 where posteriors are asked for"):
        chosen(params, None)


def test_every_problem_is_named_at_once(tmp_path: Any) -> None:
    path = tmp_path / "params.yaml"
    values = changed("summarise.raw.of", "nothing") | {
        "train": {"npe": {"kind": "npe", "of": "nowhere"}}
    }
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(InputError) as error:
        read_params(path)
    assert error.value.problems == (
        "summarise.raw.of: given 'nothing'; allowed: sims",
        "train.npe.of: given 'nowhere'; allowed: raw, sims",
    )


def test_a_name_serves_one_set(tmp_path: Any) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(changed("summarise.sims", {"kind": "identity", "of": "sims"})))
    with pytest.raises(InputError, match=r"summarise\.sims: given a name that simulate\.sims has"):
        read_params(path)


def test_missing_and_broken_files_are_named(tmp_path: Any) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        read_params(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1")
    with pytest.raises(InputError, match=r"broken\.yaml: not YAML"):
        read_params(tmp_path / "broken.yaml")


def test_an_estimator_made_of_two_that_read_different_sets_reads_their_simulator() -> None:
    """And what mends it, too; but a target of the same set, or none, changes nothing."""
    values = changed("summarise.other", {"kind": "identity", "of": "sims"})
    values["train"] |= {
        "nle": {"kind": "nle", "of": "raw"},
        "nre": {"kind": "nre", "of": "other"},
    }
    values["recalibrate"] = {
        "alone": {"kind": "levels", "of": "npe"},
        "same": {"kind": "reweighted", "of": "npe", "target": "nle"},
        "different": {"kind": "reweighted", "of": "alone", "target": "nre"},
        "after": {"kind": "levels", "of": "different"},
    }
    params = parse(Params, values, "")
    found = {name: params.set_of(name) for name in params.recalibrate}
    assert found == {"alone": "raw", "same": "raw", "different": "sims", "after": "sims"}
    assert params.mends("different") == ("alone", "nre")
    assert params.mends("npe") == ()


def test_what_is_mended_stands_above_and_a_target_is_trained(tmp_path: Path) -> None:
    entries = {
        "first": {"kind": "levels", "of": "second"},
        "second": {"kind": "reweighted", "of": "npe", "target": "first"},
    }
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(changed("recalibrate", entries)))
    with pytest.raises(InputError) as raised:
        read_params(path)
    assert raised.value.problems == (
        "recalibrate.first.of: given 'second'; allowed: npe",
        "recalibrate.second.target: given 'first'; allowed: npe",
    )
