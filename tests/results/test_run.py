"""What is read equals what was left behind."""

from __future__ import annotations

import shutil
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import finished_run
from rows import rows_of
from sbipipe import project, storage
from sbipipe.interfaces import Dataset, InputError
from sbipipe.priors import uniform_prior
from sbipipe.results import emulation as emulation_results
from sbipipe.results import run as results
from sbipipe.results.run import Results


def test_estimators_come_in_the_order_of_params(run_results: Results) -> None:
    assert [e.name for e in run_results.estimators] == ["npe", "nle", "nre", "exact"]
    assert run_results.exact == ("exact",)
    assert run_results.sharing == {"cdm": ("npe", "nle", "nre", "exact")}


def test_verdicts_are_those_of_coverage_json(run_folder: Path, run_results: Results) -> None:
    entries = storage.load_json(run_folder / "reports/coverage.json")["estimators"]
    for e in run_results.estimators:
        assert (e.verdict, e.published) == (
            entries[e.name]["verdict"],
            entries[e.name]["published"],
        )
        folder = "posteriors" if e.published else "withheld"
        assert e.file == f"{folder}/{e.name}.nc"
        assert e.min_p_adjusted == min(t["p_adjusted"] for t in entries[e.name]["tests"].values())
        numbers = entries[e.name]["tests"]["coverage.hpd"]["numbers"]
        assert e.coverage_68 == numbers["coverage_0.68"]
        assert {c.name for c in e.controls} == {"narrowed", "widened", "shifted"}


def test_each_test_gathers_all_estimators(run_results: Results) -> None:
    keys = ["sbc.omega_m", "sbc.sigma_8", "sbc.log_prob", "coverage.hpd", "tarp.tarp"]
    assert [test.key for test in run_results.tests] == keys
    assert all(list(t.results) == ["npe", "nle", "nre", "exact"] for t in run_results.tests)
    assert all((t.diagnostic, t.test) == tuple(t.key.split(".")) for t in run_results.tests)


def test_examples_are_the_first_test_simulations(run_folder: Path, run_results: Results) -> None:
    draws = storage.load_draws(run_folder / "data/draws/npe.safetensors")
    assert [e.number for e in run_results.examples] == list(range(results.EXAMPLES))
    for example in run_results.examples:
        np.testing.assert_array_equal(example.truth, draws.theta[example.number])
        np.testing.assert_array_equal(example.draws["npe"], draws.draws[:, example.number])


def test_recovery_standardises_by_the_posterior_width(run_results: Results) -> None:
    one = next(
        r for r in run_results.recoveries if (r.estimator, r.parameter) == ("npe", "sigma_8")
    )
    np.testing.assert_allclose(one.mean - one.z * one.width, one.truth)
    # 80 values of |z| with mean 0.80 and standard deviation 0.60
    assert abs(np.abs(one.z).mean() - np.sqrt(2 / np.pi)) < 4 * 0.6 / np.sqrt(80)


def test_failed_observations_are_in_no_figure(run_folder: Path) -> None:
    draws = storage.load_draws(run_folder / "data/draws/npe.safetensors")
    log_prob = draws.log_prob.copy()
    log_prob[:, :3] = np.nan
    broken = replace(draws, log_prob=log_prob)
    assert all(len(r.truth) == 77 for r in results.recoveries("npe", broken))
    assert not list(results.recoveries("npe", replace(draws, log_prob=log_prob * np.nan)))


def test_example_fields_lie_nearest_to_a_grid_over_the_prior(run_results: Results) -> None:
    examples = run_results.suites[0].example_fields
    assert examples is not None
    assert examples.fields.shape == (3, 3, 32, 32)
    assert (np.diff(examples.theta[..., 0], axis=1) > 0).all()
    assert (np.diff(examples.theta[..., 1], axis=0) < 0).all()


def test_spectra_start_at_the_fundamental_wavenumber(run_results: Results) -> None:
    spectra = run_results.suites[0].spectra
    assert spectra is not None
    # The first bin reaches to 1.5 fundamentals: four modes at 1 and four at the square root of 2.
    assert spectra.k[0] == pytest.approx(2 * np.pi / 25 * (1 + np.sqrt(2)) / 2)
    assert (spectra.k_unit, spectra.power_unit) == ("h/Mpc", "(Mpc/h)^2")
    assert len(spectra.power) == len(spectra.theta) == 100


PRIOR = uniform_prior(a=(0.0, 1.0))


def _rows(shape: tuple[int, ...]) -> Dataset:
    rng = np.random.default_rng(0)
    return rows_of(theta=rng.random((6, 1)), x=rng.standard_normal((6, *shape)))


def test_without_a_box_wavenumbers_count_cycles() -> None:
    spectra = results._spectra("mine", _rows((1, 16, 16)), PRIOR)
    assert spectra is not None
    assert spectra.k_unit == "cycles per side"
    assert 1 <= spectra.k[0] < 1.5
    assert spectra.k[-1] < 9


def test_oblong_maps_have_no_isotropic_spectrum() -> None:
    assert results._spectra("mine", _rows((1, 16, 8)), PRIOR) is None


@pytest.mark.parametrize(
    ("shape", "image", "words"),
    [
        ((1, 8), (8,), ""),
        ((1, 8, 8), (8, 8), ""),
        ((2, 8, 8), (8, 8), "the first of 2 channels"),
        ((1, 8, 8, 8), (8, 8), "the mean along one axis of the box"),
    ],
)
def test_fields_of_any_dimension_become_images(
    shape: tuple[int, ...], image: tuple[int, ...], words: str
) -> None:
    examples = results._example_fields("mine", _rows(shape), PRIOR)
    assert examples.fields.shape == (1, 3, *image)
    assert examples.shown == words


def test_components_are_those_of_sets_of_vectors(run_results: Results) -> None:
    (components,) = run_results.components
    assert (components.set, components.names, components.total) == ("vectors", ("s0", "s1"), 2)
    assert components.x.shape == components.theta.shape == (100, 2)


def test_entries_removed_from_params_are_no_part_of_the_run(
    run_folder: Path, run_results: Results
) -> None:
    stale = run_folder / "data/draws/old.safetensors"
    shutil.copy(run_folder / "data/draws/npe.safetensors", stale)
    with chdir(run_folder):
        assert [e.name for e in results.read().estimators] == [
            e.name for e in run_results.estimators
        ]
    stale.unlink()


def test_an_emulator_is_read_with_its_maps(run_folder: Path, run_results: Results) -> None:
    (found,) = run_results.emulations
    judgement = found.judgement
    assert (found.name, judgement.simulator, judgement.control) == ("nle", "cdm", "simulations")
    entry = storage.load_json(run_folder / "reports/emulation.json")["emulators"]["nle"]
    generated = entry["chi_squared"]["sets"]["generated"]
    assert judgement.chi_squared.sets["generated"].ratio == generated["ratio"]
    arrays = storage.load_weights(run_folder / "data/emulations/nle.safetensors").arrays
    for example, maps in zip(judgement.examples, found.maps, strict=True):
        np.testing.assert_array_equal(example.theta, arrays["theta"][example.row])
        np.testing.assert_array_equal(maps.true, arrays["true"][example.row, :2, 0])
        assert maps.generated.shape == (2, 16, 16)
    assert list(judgement.response.parameters) == ["omega_m", "sigma_8"]
    assert len(found.headlines) == 7 + len(judgement.rms_z)
    assert run_results.unchecked == {}


@pytest.mark.parametrize(
    ("shape", "image"), [((2, 8), (8,)), ((1, 8, 8), (8, 8)), ((1, 8, 8, 8), (8, 8))]
)
def test_emulated_fields_become_images(shape: tuple[int, ...], image: tuple[int, ...]) -> None:
    assert emulation_results.images(np.zeros((2, *shape))).shape == (2, *image)


def test_a_missing_file_is_named(run_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    (copy / "reports/coverage.json").unlink()
    with chdir(copy), pytest.raises(InputError, match=r"coverage\.json: no such file"):
        results.read()


def test_a_run_of_vectors_with_one_estimator(tmp_path: Path) -> None:
    with chdir(tmp_path):
        finished_run.write(
            Path(), dimension=1, widths={"npe": 1.0}, as_fields=False, simulations=40, draws=60
        )
        found = results.read()
    assert found.pairs == ()
    assert found.estimators[0].kl_from_exact is None
    assert found.suites[0].example_fields is None
    assert found.suites[0].spectra is None
    assert found.components[0].set == "cdm"
    assert found.emulations == ()
    assert Path("reports") == project.REPORTS
