"""`dvc repro` on a study whose posterior is known, in a repository of its own."""

import json
import re
import shutil
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from repository import call, dvc, repository
from sbipipe import storage
from sbipipe.config import Draw, Params
from sbipipe.gate.controls import control_draws, controls
from sbipipe.posteriors import groups as groups_file

QUICK = {"effort": "quick", "ensemble": 1, "optimisation": {"steps": 400}}
PARAMS = {
    "seed": 5,
    "runtime": {"device": "cpu", "workers": 2},
    "simulate": {
        "vectors": {
            "kind": "linear_gaussian",
            "simulations": {"train": 3000, "valid": 500, "calibrate": 60, "test": 250},
        }
    },
    "summarise": {"raw": {"kind": "identity", "of": "vectors"}},
    "join": {"twice": {"of": "raw", "beside": "vectors"}},
    "train": {
        "npe": {"kind": "npe", "of": "raw", "config": QUICK},
        "nle": {"kind": "nle", "of": "raw", "config": QUICK},
        "nre": {"kind": "nre", "of": "raw", "config": QUICK},
        "exact": {"kind": "exact", "of": "vectors"},
    },
    "recalibrate": {
        "nle+tempered": {"kind": "tempered", "of": "nle"},
        "npe+exact": {"kind": "reweighted", "of": "npe", "target": "exact"},
    },
    "draw": {"draws": 200},
    "gate": {"level": 0.01, "on_failure": "withhold", "width_error": 0.3},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository after one `dvc repro`."""
    folder = repository(tmp_path_factory.mktemp("run") / "sbipipe", PARAMS)
    dvc(folder, "repro")
    return folder


def test_a_name_is_no_command(tmp_path: Path) -> None:
    entry, names = PARAMS["simulate"]["vectors"], ("a;touch X;", "$(touch X)")
    made = {f"raw{i}": {"kind": "identity", "of": name} for i, name in enumerate(names)}
    params = {**PARAMS, "simulate": dict.fromkeys(names, entry), "summarise": made, "train": {
        "npe": {"kind": "npe", "of": "raw0"}}}  # fmt: skip
    folder = repository(tmp_path / "sbipipe", params)
    done = call(folder, sys.executable, "-m", "dvc", "repro", check=False)
    assert done.returncode
    assert not (folder / "X").exists()
    for name in names:
        line = f"the name {name!r} is not allowed; allowed: letters, digits, _, + and -"
        assert line in done.stderr
    assert "Traceback" not in done.stderr


def test_everything_promised_is_there(run: Path) -> None:
    reports = run / "reports"
    for name in ("index.html", "coverage.json", "comparison.json", "comparison.csv",
                 "metrics.json"):  # fmt: skip
        assert (reports / name).stat().st_size > 100, name
    published = {path.stem for path in (reports / "posteriors").iterdir()}
    withheld = {path.stem for path in (reports / "withheld").iterdir()}
    assert published | withheld == {*PARAMS["train"], *PARAMS["recalibrate"]}
    assert not published & withheld
    assert "exact" in published


def test_a_posterior_file_carries_its_verdict(run: Path) -> None:
    groups, attrs = groups_file.load_groups(run / "reports/posteriors/exact.nc")
    assert attrs["verdict"] == "calibrated"
    assert {"posterior", "sample_stats", "observed_data", "constant_data", "prior",
            "calibration"} <= set(groups)  # fmt: skip


def test_without_an_emulator_its_stages_leave_nothing(run: Path) -> None:
    assert json.loads((run / "reports/emulation.json").read_text()) == {"emulators": {}}
    assert [path.name for path in (run / "data/emulations").iterdir()] == [".gitkeep"]
    assert "mulated fields" not in (run / "reports/index.html").read_text()


@pytest.mark.parametrize(
    ("edited", "seen"),
    [
        ("estimators/nre.py", {"train@nre", "draw@nre", "compare"}),
        ("recalibrations/tempered/powers.py", {"recalibrate@nle+tempered", "compare"}),
        ("emulators/diffusion/film.py", set()),
    ],
)
def test_editing_a_kind_is_seen_by_its_own_stages(run: Path, edited: str, seen: set[str]) -> None:
    """DVC has the files that `tests/test_sources.py` looks into, for every kind."""
    assert stages_seeing(run, run / "sbipipe" / edited, "A_LINE = 1") == seen


def test_a_comment_is_seen_by_no_stage(run: Path) -> None:
    assert stages_seeing(run, run / "sbipipe/estimators/nre.py", "# a line") == set()


def stages_seeing(run: Path, path: Path, line: str) -> set[str]:
    """The stages that have to run after `sources`, where a line is added to a file."""
    text, sources = path.read_text(), run / "data/sources"
    kept = shutil.copytree(sources, run / "tmp/sources")
    path.write_text(f"{text}\n{line}\n")
    try:
        call(run, sys.executable, "stages/sources.py")
        return set(json.loads(dvc(run, "status", "--json"))) - {"sources"}
    finally:
        path.write_text(text)
        shutil.rmtree(sources)
        shutil.move(kept, sources)


def test_estimators_are_near_the_exact_posterior(run: Path) -> None:
    found = json.loads((run / "reports/comparison.json").read_text())["estimators"]
    for name in ("npe", "nle", "nre", *PARAMS["recalibrate"]):
        assert found[name]["kl_from_exact"]["mean"] < 0.15, name
    assert found["npe+exact"]["kl_from_exact"]["mean"] == pytest.approx(0, abs=0.01)
    assert found["exact"]["kl_from_exact"] is None or found["exact"]["kl_from_exact"]["mean"] == 0


def test_every_section_that_can_change_a_result_is_written_out(run: Path) -> None:
    sections = {section.name for section in fields(Params)} - {"runtime"}
    assert {path.stem for path in (run / "data/settings").iterdir()} == sections


def test_a_second_run_does_nothing(run: Path) -> None:
    assert "up to date" in dvc(run, "repro")


def test_changing_the_machine_concerns_no_stage_but_the_one_that_reads_params(run: Path) -> None:
    path = run / "params.yaml"
    before = path.read_text()
    path.write_text(before.replace("workers: 2", "workers: 1"))
    try:
        assert set(json.loads(dvc(run, "status", "--json"))) == {"settings"}
        done = re.findall("Running stage '(.*)'", dvc(run, "repro"))
        assert done == ["settings"]
        assert json.loads(dvc(run, "status", "--json")) == {}
    finally:
        path.write_text(before)
        dvc(run, "repro")


@pytest.mark.parametrize(
    ("settings", "stages"),
    [
        (
            {"gate": {"level": 0.02}},
            {"settings", "diagnose", "publish", "compare", "ask", "report"},
        ),
        ({"diagnose": {"sbc": {"kind": "sbc"}}}, {"settings", "diagnose", "publish", "report"}),
    ],
)
def test_a_section_concerns_the_stages_that_follow_it(
    run: Path, settings: dict[str, Any], stages: set[str]
) -> None:
    path = run / "params.yaml"
    before = path.read_text()
    path.write_text(yaml.safe_dump({**PARAMS, **settings}, sort_keys=False))
    try:
        call(run, sys.executable, "stages/settings.py")
        assert set(json.loads(dvc(run, "status", "--json"))) == stages
    finally:
        path.write_text(before)
        call(run, sys.executable, "stages/settings.py")


def test_a_posterior_narrowed_on_purpose_is_withheld(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns(".git", "cache"))
    (narrowed,) = (control for control in controls(Draw()) if control.name == "narrowed")
    path = folder / "data/draws/exact.safetensors"
    storage.save_draws(path, control_draws(storage.load_draws(path), narrowed))
    call(folder, sys.executable, "stages/diagnose.py")
    call(folder, sys.executable, "stages/publish.py")
    assert not (folder / "reports/posteriors/exact.nc").exists()
    assert groups_file.load_groups(folder / "reports/withheld/exact.nc")[1]["verdict"] == (
        "overconfident"
    )
    found = json.loads((folder / "reports/coverage.json").read_text())["estimators"]["exact"]
    assert not found["published"]
    assert any("narrow" in reason for reason in found["reasons"])


def test_the_gate_can_fail_the_run(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns(".git", "cache"))
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("withhold", "fail"))
    path = folder / "data/draws/npe.safetensors"
    (narrowed,) = (control for control in controls(Draw()) if control.name == "narrowed")
    storage.save_draws(path, control_draws(storage.load_draws(path), narrowed))
    call(folder, sys.executable, "stages/diagnose.py")
    done = call(folder, sys.executable, "stages/publish.py", check=False)
    assert done.returncode == 1
    assert "npe" in done.stderr
    assert (folder / "reports/withheld/npe.nc").exists()


def test_inference_on_an_observation(run: Path) -> None:
    import numpy as np

    np.save(run / "observation.npy", np.zeros(4))
    words = ("-m", "sbipipe.cli", "infer", "observation.npy", "--estimator", "exact")
    call(run, sys.executable, *words, "--draws", "500", "--out", "observation.nc")
    groups, attrs = groups_file.load_groups(run / "observation.nc")
    assert attrs["verdict"] == "calibrated"
    assert groups["posterior"].sizes["chain"] * groups["posterior"].sizes["draw"] == 500
