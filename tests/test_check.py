"""Every problem at once, under its dotted key; and what a run will cost."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from sbipipe import check, cli, plugins
from sbipipe.check import costs, measure, outlooks
from sbipipe.records import InputError

COUNTS = {"train": 100, "valid": 20, "calibrate": 0, "test": 80}
GOOD = {
    "seed": 1,
    "simulate": {"sims": {"kind": "linear_gaussian", "simulations": COUNTS}},
    "summarise": {"raw": {"kind": "identity", "of": "sims"}},
    "emulate": {},
    "join": {},
    "recalibrate": {},
    "train": {"exact": {"kind": "exact", "of": "sims"}},
    "diagnose": {"sbc": {"kind": "sbc"}},
    "draw": {},
    "gate": {},
}
UNIFORM = {"kind": "uniform", "low": 0.0, "high": 1.0}
MINE = {"kind": "arrays", "config": {"path": "mine.npz", "prior": {"a": UNIFORM}}}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def checked(**changes):
    Path("params.yaml").write_text(yaml.safe_dump({**GOOD, **changes}))
    return check.check()


def bring(rows=500, **changes):
    rng = np.random.default_rng(0)
    np.savez("mine.npz", **{"theta": rng.random((rows, 1)), "x": np.ones((rows, 3))} | changes)


def test_nothing_is_wrong_with_good_params():
    assert checked().problems == ()


def test_every_problem_is_named_at_once():
    found = checked(
        seed="1",
        sed=2,
        simulate={
            "sims": {
                "kind": "linear_gaussian",
                "simulations": {**COUNTS, "train": 10.5},
                "config": {"nois": 1, "observations": "four"},
            },
            "bare": {"kind": "linear_gaussian"},
            "other": {"kind": "nope"},
            "mine": MINE,
        },
        summarise={"sims": {"kind": "identity", "of": "sims"}},
        train={"npe": {"kind": "exact", "of": "nothing"}, "on raw": {"kind": "npe", "of": "sims"}},
        gate={"level": 2},
    ).problems
    for begin in (
        'seed: given "1"; input should be a valid integer',
        "sed: unknown key",
        "gate.level: given 2; input should be less than 0.5",
        "simulate.sims.config.nois: unknown key",
        'simulate.sims.config.observations: given "four"',
        "simulate.sims.simulations.train: given 10.5; allowed: whole numbers",
        "simulate.bare.simulations: missing",
        "simulate.other.kind: given 'nope'; allowed: arrays,",
        "simulate.mine.config.path: mine.npz: no such file",
        "summarise.sims: given a name that simulate.sims has",
        "train.npe.of: given 'nothing'; allowed: sims,",
        "train.on raw: ",
    ):
        assert sum(line.startswith(begin) for line in found) == 1, begin
    assert len(found) == 12


def test_a_set_without_likelihood_has_no_exact_posterior():
    bring()
    found = checked(
        simulate={"mine": MINE}, summarise={}, train={"e": {"kind": "exact", "of": "mine"}}
    )
    assert found.problems == (
        "train.e.of: given 'mine', whose likelihood is not known; "
        "allowed: none of the simulators here",
    )


def test_an_emulator_begins_with_one_that_it_can_begin_with():
    base = {"kind": "diffusion", "of": "sims", "score": []}
    fast = {"kind": "diffusion", "of": "base", "score": [], "config": {"student": {"steps": 2}}}
    assert not checked(emulate={"base": base, "fast": fast}).problems
    assert checked(emulate={"fast": {**fast, "of": "sims"}}).problems == (
        "emulate.fast.config.student: given a student without a teacher; allowed: an entry that is "
        "of another of kind diffusion",
    )
    coarse = {**base, "config": {"coarsen": 2}}
    assert checked(emulate={"base": coarse, "fast": fast}).problems == (
        "emulate.fast.config.coarsen: given 1; allowed: that of the emulator it is of, 2",
    )


def test_what_is_to_be_recalibrated_needs_simulations_for_it():
    maps = {"kind": "lognormal", "simulations": COUNTS}
    given = {
        "simulate": {"maps": maps},
        "summarise": {},
        "train": {"exact": {"kind": "exact", "of": "maps"}},
        "recalibrate": {"exact+tempered": {"kind": "tempered", "of": "exact"}},
    }
    assert checked(**given).problems == (
        "simulate.maps.simulations.calibrate: given 0; "
        "allowed with recalibrate.exact+tempered: more",
    )
    maps["simulations"] = {**COUNTS, "calibrate": 20}
    assert checked(**given).problems == ()


TWO = {
    "simulate": {
        name: {"kind": "lognormal", "simulations": {**COUNTS, "calibrate": 40}}
        for name in ("maps", "others")
    },
    "summarise": {"statistics": {"kind": "field_statistics", "of": "maps"}},
    "train": {
        "npe": {"kind": "npe", "of": "statistics"},
        "exact": {"kind": "exact", "of": "maps"},
        "elsewhere": {"kind": "exact", "of": "others"},
    },
}


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"kind": "reweighted", "of": "npe", "target": "exact"}, None),
        ({"kind": "reweighted", "of": "npe"}, "missing; allowed: exact"),
        (
            {"kind": "reweighted", "of": "npe", "target": "npe"},
            "given 'npe'; allowed: exact",
        ),
        (
            {"kind": "reweighted", "of": "npe", "target": "elsewhere"},
            "given 'elsewhere'; allowed: exact",
        ),
        (
            {"kind": "reweighted", "of": "elsewhere", "target": "npe"},
            "given 'npe'; allowed: another estimator of others, of which there is none",
        ),
        (
            {"kind": "levels", "of": "npe", "target": "exact"},
            "given 'exact'; allowed for kind levels: none",
        ),
    ],
)
def test_a_target_is_another_estimator_of_the_same_simulations(entry, line):
    expected = () if line is None else (f"recalibrate.it.target: {line}",)
    assert checked(**TWO, recalibrate={"it": entry}).problems == expected


def test_a_kind_says_how_many_simulations_it_needs():
    few = {**TWO["simulate"]["maps"], "simulations": {**COUNTS, "calibrate": 39}}
    simulate = {**TWO["simulate"], "maps": few}
    given = {**TWO, "simulate": simulate, "recalibrate": {"it": {"kind": "levels", "of": "npe"}}}
    assert checked(**given).problems == (
        "simulate.maps.simulations.calibrate: given 39; allowed with recalibrate.it: at least 40",
    )


def test_more_draws_cannot_be_asked_for_than_are_made():
    bring()
    found = checked(draw={"draws": 30}, gate={"fewest_draws": 40})
    (problem,) = found.problems
    assert problem.startswith("gate.fewest_draws: given 40; allowed with draw.draws 30")


def test_an_empty_split_is_found_before_the_run():
    bring(group=np.zeros(500, int))
    found = checked(simulate={**GOOD["simulate"], "mine": MINE})
    (problem,) = found.problems
    assert problem.startswith("simulate.mine: the split ")


def test_theta_from_another_prior_is_refused():
    bring(theta=np.random.default_rng(0).beta(8, 8, (500, 1)))
    (problem,) = checked(simulate={**GOOD["simulate"], "mine": MINE}).problems
    assert problem.startswith("simulate.mine.config.prior: a: given 500 simulations with quartiles")
    assert "for a prior with 0.25, 0.5, 0.75 and 0.289" in problem
    drawn = {**MINE, "config": {**MINE["config"], "prior": {"kind": "as_drawn"}}}
    assert checked(simulate={**GOOD["simulate"], "mine": drawn}).problems == ()


def test_copies_and_constants_are_problems_and_edges_remarks():
    rng = np.random.default_rng(0)
    theta, x = rng.random((500, 1)), rng.random((500, 3))
    theta[0] = 0.0
    bring(theta=theta, x=x)
    found = checked(simulate={**GOOD["simulate"], "mine": MINE})
    assert found.problems == ()
    (remark,) = found.remarks
    assert remark.startswith("simulate.mine: theta: 1 rows lie on the edge of the prior of a")
    bring(theta=np.full((500, 1), 0.3), x=x)
    (problem,) = checked(simulate={**GOOD["simulate"], "mine": MINE}).problems
    assert problem == "simulate.mine: theta: given 0.3 for a in all rows; allowed: different values"
    theta[9], x[9] = theta[3], x[3]
    bring(theta=theta, x=x)
    (problem,) = checked(simulate={**GOOD["simulate"], "mine": MINE}).problems
    assert problem.startswith("simulate.mine: theta and x: 2 rows have a copy in another group")


def test_what_trivial_features_know_is_told():
    theta = np.sort(np.random.default_rng(0).random((500, 1)), 0)
    bring(theta=theta, x=theta * np.ones((500, 3)))
    found = checked(simulate={**GOOD["simulate"], "mine": MINE})
    ((name, known),) = check.trivial(found)
    assert (name, known.parameters) == ("mine", ("a",))
    assert known.number[0] > 0.99
    assert known.moments[0] > 0.99


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "params.yaml: given None; allowed"),
        ("a", "params.yaml: given 'a'; allowed"),
        ("a: [", "params.yaml: not YAML"),
    ],
)
def test_files_that_are_no_params(text, line):
    Path("params.yaml").write_text(text)
    (problem,) = check.check().problems
    assert problem.startswith(line)
    assert "\n" not in problem


def test_a_missing_file_is_named():
    assert check.check(Path("other.yaml")).problems == ("other.yaml: no such file",)


def test_the_cost_of_simulations_made_elsewhere():
    x = np.ones((500, 3))
    x[:40] = np.nan
    bring(x=x)
    found = checked(simulate={**GOOD["simulate"], "mine": MINE})
    cost = dict(costs(found, measured=False))["mine"]
    assert (cost.rows, cost.excluded, cost.shape) == (460, 40, (3,))
    assert cost.disk == 460 * 3 * 4
    assert cost.memory == pytest.approx(0.6 * cost.disk, rel=1e-3)


def test_what_the_gate_will_see_is_said_beforehand():
    bring(rows=1000)
    found = checked(
        simulate={**GOOD["simulate"], "mine": MINE},
        summarise={"raw": {"kind": "identity", "of": "mine"}},
        train={"exact": {"kind": "exact", "of": "sims"}, "npe": {"kind": "npe", "of": "raw"}},
    )
    few, more = outlooks(found)
    assert few.startswith("simulate.sims: 80 test simulations show one parameter's width ")
    assert "no posterior will be published; it takes " in few
    assert "gate.width_error: 0.2" in more
    assert re.match(r"simulate\.mine: 2\d\d test simulations show ", more)


def test_enough_simulations_need_no_advice():
    enough = {"kind": "linear_gaussian", "simulations": {**COUNTS, "test": 700}}
    (line,) = outlooks(checked(simulate={"sims": enough}))
    assert line.startswith("simulate.sims: 700 test simulations show one parameter's width ")
    assert line.endswith("with probability 0.9")


def test_costs_of_wrong_input_are_refused():
    with pytest.raises(InputError, match="sed: unknown key"):
        list(costs(checked(sed=1)))


def test_a_simulation_is_measured_once_it_is_warm():
    simulator = plugins.simulator(checked().params, "sims")
    seconds, shape = measure(simulator, np.zeros((1, 2)), seed=0)
    assert 0 < seconds < 1
    assert shape == (4,)


def test_the_cost_of_simulating_is_measured_on_the_workers():
    cost = dict(costs(checked(runtime={"workers": 1})))["sims"]
    assert (cost.rows, cost.shape, cost.disk) == (200, (4,), 200 * 4 * 4)
    assert cost.seconds == pytest.approx(200 * cost.each)
    assert cost.memory == 100 * 4 * 4


def test_the_command_ends_with_code_2_and_all_lines(monkeypatch, capsys):
    checked(sed=1, seed="1")
    monkeypatch.setattr("sys.argv", ["sbipipe", "check"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        'seed: given "1"; input should be a valid integer',
        "sed: unknown key",
    ]


def test_the_fast_command_simulates_nothing(monkeypatch, capsys):
    bring()
    checked(simulate={**GOOD["simulate"], "mine": MINE})
    monkeypatch.setattr("sys.argv", ["sbipipe", "check", "--fast"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert "nothing wrong" in printed
    assert "moments of x" in printed
    assert "not measured" in printed
    assert "500" in printed
