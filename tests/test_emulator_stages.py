"""The stages of an emulator, of one that scores and of one that only draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import linear_run
from lognormal_emulator import SIMULATOR, LognormalEmulator, held_out, write_set
from sbipipe import check, paths, plugins, project, storage
from sbipipe.config import read_params
from sbipipe.emulation import emulated, true_fields, truth
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.sample import TrueSample
from sbipipe.emulation.truth import TrueAgain, Truth
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.interfaces import SPLITS, Array, Vectors
from sbipipe.posteriors import infer
from sbipipe.records import InputError
from sbipipe.seeds import stream

LINEAR = {"conditioning": "linear", "degree": 2, "sampler": {"steps": 8}}
PARAMS: dict[str, Any] = {
    "seed": 3,
    "runtime": {"device": "cpu", "workers": 1},
    "simulate": {
        "maps": {
            "kind": "lognormal",
            "simulations": dict.fromkeys(SPLITS, 60),
            "config": {"pixels": 16},
        },
    },
    "summarise": {"moments": {"kind": "field_statistics", "of": "maps"}},
    "emulate": {
        "coarse": {"kind": "diffusion", "of": "maps", "config": {**LINEAR, "coarsen": 2}},
        "fine": {"kind": "diffusion", "of": "coarse", "score": [], "config": LINEAR},
    },
    "join": {"both": {"of": "moments", "beside": "coarse"}},
    "train": {"surface": {"kind": "surface", "of": "coarse"}},
    "recalibrate": {},
    "draw": {"draws": 50},
    "diagnose": {"sbc": {"kind": "sbc"}},
    "gate": {"fewest_draws": 20},
    "judge": {"fields": 50, "birthday": 500},
}
COARSE: dict[str, Any] = {**PARAMS, "emulate": {"coarse": PARAMS["emulate"]["coarse"]}}
"""With one emulator."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose simulations are there."""
    monkeypatch.chdir(tmp_path)
    rows = held_out(240)
    parts = {split: rows.rows(slice(60 * i, 60 * (i + 1))) for i, split in enumerate(SPLITS)}
    write_set(PARAMS, parts)
    return tmp_path


def judged(name: str) -> dict[str, Any]:
    """What is said of an emulator that is trained."""
    linear_run.stage("truth", "maps")
    linear_run.stage("draw_fields", name)
    linear_run.stage("judge")
    found: dict[str, Any] = storage.load_json(paths.judgement_path(name))
    return found


def test_an_emulator_that_scores_makes_a_set_that_an_estimator_reads(folder: Path) -> None:
    linear_run.stage("emulate", "coarse")
    linear_run.stage("score", "coarse")
    found = storage.open_set(paths.SETS / "coarse")
    assert isinstance(found.data, Vectors)
    assert found.data.degree == 4
    assert [len(found.split(split)) for split in SPLITS] == [60] * 4
    assert found.about["refused"] == {split: [] for split in SPLITS}
    params = read_params()
    test = project.test_rows(params, "maps")
    np.testing.assert_allclose(
        project.test_rows(params, "coarse").x, project.observe(params, "coarse", test.x), rtol=1e-6
    )

    linear_run.stage("train", "surface")
    linear_run.stage("draw", "surface")
    draws = storage.load_draws(paths.DRAWS / "surface.safetensors")
    assert draws.draws.shape == (50, 60, 2)
    np.testing.assert_array_equal(draws.theta, test.theta)

    linear_run.stage("summarise", "moments")
    linear_run.stage("join", "both")
    joined = storage.open_set(paths.SETS / "both")
    parts = [storage.open_set(paths.SETS / name).data.shape[0] for name in ("moments", "coarse")]
    assert joined.data.shape == (sum(parts),)
    np.testing.assert_allclose(
        project.test_rows(params, "both").x, project.observe(params, "both", test.x), rtol=1e-4
    )


def test_what_is_not_scored_cannot_be_read(folder: Path) -> None:
    linear_run.stage("emulate", "coarse")
    linear_run.stage("emulate", "fine")
    linear_run.stage("score", "fine")
    with pytest.raises(
        InputError, match=r"emulate\.fine\.score: given no split; allowed: train, v"
    ):
        project.rows(read_params(), "fine", "test")
    changed = {**PARAMS, "train": {"npe": {"kind": "npe", "of": "fine"}}}
    linear_run.write_params(folder, **changed)
    (line,) = check.check().problems
    assert line == (
        "emulate.fine.score: given no split; train.npe needs test, train, valid as well"
    )
    with pytest.raises(SystemExit, match="2"):
        linear_run.stage("train", "npe")


def test_a_coarse_emulator_is_judged_beside_coarse_fields(folder: Path) -> None:
    linear_run.write_params(folder, **COARSE)
    linear_run.stage("emulate", "coarse")
    found = judged("coarse")
    assert list(found["space"]) == [8, 8]
    assert found["counts"]["theta"] == 10
    drawn = emulated.load(paths.emulation_path("coarse"))
    assert isinstance(drawn, Drawn)
    assert drawn.generated.shape[2:] == (1, 8, 8)
    assert drawn.sample is not None
    assert drawn.sample.shape == (50, 1, 1, 8, 8)
    assert found["at_one_theta"]["fields"] == found["at_one_theta"]["simulations"] == 50
    assert found["seen"] == {}


def test_the_truth_is_simulated_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linear_run.stage("truth", "maps")
    before = paths.truth_path("maps").read_bytes()
    assert isinstance(truth.load(paths.truth_path("maps")), Truth)
    monkeypatch.setattr(true_fields, "find", lambda *_: pytest.fail("simulated again"))
    linear_run.stage("truth", "maps")
    assert paths.truth_path("maps").read_bytes() == before


def test_without_an_emulator_no_truth_is_looked_for(folder: Path) -> None:
    linear_run.write_params(
        folder,
        **{
            **PARAMS,
            "emulate": {},
            "join": {},
            "train": {"exact": {"kind": "exact", "of": "maps"}},
        },
    )
    linear_run.stage("truth", "maps")
    assert truth.load(paths.truth_path("maps")) == Unchecked("no emulator is of maps")


class OnlyDraws:
    """A kind whose emulators cannot score."""

    scores = False

    def restore(self, *_: object, device: str = "cpu") -> LognormalEmulator:
        return LognormalEmulator()


@pytest.fixture
def only_draws(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry `toy`, trained, of a kind that only draws."""
    changed = {
        "emulate": {"toy": {"kind": "diffusion", "of": "maps"}},
        "join": {},
        "train": {"surface": {"kind": "surface", "of": "toy"}},
    }
    linear_run.write_params(folder, **{**PARAMS, **changed})
    storage.save_weights(paths.EMULATORS / "toy.safetensors", LognormalEmulator().weights)
    made = plugins.make
    monkeypatch.setattr(
        plugins,
        "make",
        lambda section, *words: OnlyDraws() if section == "emulate" else made(section, *words),
    )


@pytest.mark.usefixtures("only_draws")
def test_an_emulator_that_only_draws_is_judged_but_no_estimator_may_name_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    linear_run.stage("score", "toy")
    assert judged("toy")["counts"]["theta"] == 10
    line = "given 'toy', an emulator of kind diffusion, which cannot score fields"
    (problem,) = check.check().problems
    assert problem.startswith(f"train.surface.of: {line}")
    assert "allowed: an emulator that can (kind diffusion" in problem
    assert "kind gan" not in problem
    with pytest.raises(SystemExit, match="2"):
        linear_run.stage("train", "surface")
    assert line in capsys.readouterr().err
    with pytest.raises(InputError, match="given 'toy', an emulator; allowed: an estimator, surf"):
        infer.known(read_params(), "toy")


@pytest.mark.usefixtures("only_draws")
def test_a_set_of_imitated_rows_is_judged_on_true_ones() -> None:
    linear_run.stage("score", "toy")
    changed = {
        "emulate": {"toy": {"kind": "diffusion", "of": "maps", "score": []}},
        "imitate": {"mock": {"of": "maps", "by": "toy", "train": 300}},
        "summarise": {"moments": {"kind": "field_statistics", "of": "mock"}},
        "join": {},
        "train": {"npe": {"kind": "npe", "of": "moments"}},
    }
    linear_run.write_params(Path(), **{**PARAMS, **changed})
    assert check.check().problems == ()
    linear_run.stage("imitate", "mock")
    params, found = read_params(), storage.open_set(paths.SETS / "mock")
    true = storage.open_set(paths.SETS / "maps")
    assert [len(found.split(split)) for split in SPLITS] == [300, 60, 60, 60]
    assert found.data == true.data
    for split in ("calibrate", "test"):
        for column in ("theta", "x", "group"):
            own, other = (getattr(one.split(split), column) for one in (found, true))
            np.testing.assert_array_equal(own, other)
    train = found.split("train")
    assert not np.isin(train.theta, true.split("train").theta).any()
    np.testing.assert_allclose(train.x.var(), true.split("train").x.var(), rtol=0.3)
    assert params.simulator_of("moments") == "maps"
    linear_run.stage("summarise", "moments")
    test = project.test_rows(params, "maps")
    np.testing.assert_allclose(
        project.test_rows(params, "moments").x, project.observe(params, "moments", test.x)
    )


def many(factor: float, label: str) -> Array:
    """Fields at the middle of the prior, two of each simulation, (25, 2, 1, 16, 16)."""
    middle = SIMULATOR.prior.from_unit(np.full((50, 2), 0.5))
    return LognormalEmulator(factor).draw(middle, stream(0, label)).reshape(25, 2, 1, 16, 16)


@pytest.mark.usefixtures("only_draws")
def test_a_published_estimator_is_asked_about_emulated_fields(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    power = {"kind": "field_statistics", "of": "maps", "config": {"statistics": ["power_spectrum"]}}
    changed = {
        "emulate": {"toy": {"kind": "diffusion", "of": "maps"}},
        "summarise": {"power": power},
        "join": {},
        "train": {"exact": {"kind": "exact", "of": "maps"}},
    }
    linear_run.write_params(Path(), **{**PARAMS, **changed})
    theta = project.test_rows(read_params(), "maps").theta
    again = LognormalEmulator().draw(theta, stream(0, "again"))
    sample = TrueSample(theta=theta[0], true=many(1, "true"), control=many(1, "control"))
    zeros = np.zeros((1, 1, 1, 16, 16))
    truth.save(
        paths.truth_path("maps"),
        Truth(
            simulator="maps",
            parameters=SIMULATOR.prior.names,
            data=SIMULATOR.data,
            theta=theta[:1],
            true=zeros,
            control=zeros,
            varied=theta[:1],
            response=None,
            sample=sample,
            again=TrueAgain(theta=theta, fields=again),
        ),
    )
    drawn = Drawn(
        data=SIMULATOR.data, generated=zeros, response=zeros, sample=many(1.15, "generated")
    )
    emulated.save(paths.emulation_path("toy"), drawn)
    monkeypatch.setattr(OnlyDraws, "restore", lambda *_, **__: LognormalEmulator(1.15))
    for stage, name in (("summarise", "power"), ("train", "exact"), ("draw", "exact")):
        linear_run.stage(stage, name)
    linear_run.stage("diagnose")
    verdict = storage.load_json(paths.DIAGNOSES / "exact.json")
    storage.save_json(paths.COVERAGE, {"estimators": {"exact": verdict | {"published": True}}})
    linear_run.stage("ask")

    found = storage.load_json(paths.asked_path("toy"))
    assert (found["fields"], found["why"], found["left_out"]) == (60, "", {})
    said, masses = found["readings"]["exact"], found["masses"]["power"]
    draws = storage.load_draws(paths.DRAWS / "exact.safetensors")
    for sort in ("generated", "control"):
        assert said[sort]["nats"]["true"] == pytest.approx(draws.log_prob_truth.mean())
    assert said["generated"]["nats"]["p"] < 0.001 < 0.01 < said["control"]["nats"]["p"]
    assert masses["generated"]["p"] < 0.01 < masses["control"]["p"]


def test_equal_seeds_give_equal_files(folder: Path) -> None:
    linear_run.write_params(folder, **COARSE)
    files = (paths.emulation_path("coarse"), paths.judgement_path("coarse"))
    linear_run.stage("emulate", "coarse")
    judged("coarse")
    before = [path.read_bytes() for path in files]
    judged("coarse")
    assert [path.read_bytes() for path in files] == before
