"""`coverage.json` and `comparison.json` are read by other programs: their keys stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sbipipe import storage

ESTIMATE = {"mean", "se", "median", "finite_mean", "infinite", "failed", "count"}
PARAMETERS = {"omega_m", "sigma_8"}
NAMES = {"npe", "nle", "nre", "exact"}
DIFFERENCE = {
    "shift_sigma", "shift_sigma_se", "signed_shift_sigma", "signed_shift_sigma_se",
    "width_ratio", "width_ratio_se",
}  # fmt: skip
CURVE = dict.fromkeys(("x", "y", "lower", "upper", "ideal"), list) | dict.fromkeys(
    ("x_label", "y_label"), str
)
TESTS = {
    "sbc.omega_m",
    "sbc.sigma_8",
    "sbc.log_prob",
    "sbc.spread",
    "sbc.pairs",
    "coverage.hpd",
    "tarp.tarp",
    "regions.regions",
}


def every(keys: set[str], content: Any) -> dict[str, Any]:
    return dict.fromkeys(keys, content)


COVERAGE = {
    "estimators": every(
        NAMES,
        {
            "verdict": str,
            "published": bool,
            "n_test": int,
            "reasons": list,
            "cause": str,
            "tests": every(
                TESTS,
                {
                    "statistic": float,
                    "p_value": float,
                    "p_adjusted": float,
                    "passed": bool,
                    "diagnostic": str,
                    "why": str,
                    "numbers": {"failed": float},
                    "curve": CURVE,
                },
            ),
            "controls": every(
                {"narrowed", "widened", "shifted"},
                {"found": bool, "by": list, "p_adjusted": float},
            ),
            "sharpness": {
                "log_prob_truth": every(ESTIMATE, (float, int)),
                "contraction": every(PARAMETERS, float),
            },
            "gain": {
                "nats": every(ESTIMATE, (float, int)),
                "hedged": float,
                "hedged_se": float,
                "p_value": float,
            },
            "margins": every(
                PARAMETERS, every({"width", "bias"}, every({"value", "low", "high"}, float))
            ),
            "failures": (dict, type(None)),
            "looks": (dict, type(None)),
            "power": {
                "narrow": (float, type(None)),
                "wide": (float, type(None)),
                "width_error": (float, type(None)),
                "needed": float,
            },
            "effective_sample_size": {"min": float, "median": float},
            "level": float,
            "n_draws": int,
            "failed": int,
            "seconds_per_posterior": float,
            "estimator_hash": str,
        },
    )
}

COMPARISON = {
    "estimators": every(
        NAMES,
        {
            "log_prob_truth": every(ESTIMATE, (float, int)),
            "kl_from_exact": (dict, type(None)),
            "mean_abs_z": every(PARAMETERS, float),
            "mean_abs_z_se": every(PARAMETERS, float),
            "train_seconds": float,
            "seconds_per_posterior": float,
        },
    ),
    "pairs": [
        {
            "a": str,
            "b": str,
            "c2st": float,
            "c2st_se": float,
            "shift_sigma": float,
            "shift_sigma_se": float,
            "width_ratio": float,
            "width_ratio_se": float,
            "by_parameter": every(PARAMETERS, every(DIFFERENCE, float)),
            "observations": int,
            "c2st_observations": int,
        }
    ],
    "simulators": {"cdm": {"n_test": int, "parameters": list}},
    "mean_abs_z_expected": float,
}


def missing(outline: Any, found: Any, where: str) -> list[str]:
    """What the outline has and the file has not."""
    if isinstance(outline, list):
        places = {f"{where}.{i}": (outline[0], one) for i, one in enumerate(found)}
    elif isinstance(outline, Mapping):
        lost = [f"{where}.{key}" for key in outline if key not in found]
        if lost:
            return lost
        places = {f"{where}.{key}": (one, found[key]) for key, one in outline.items()}
    else:
        return [] if isinstance(found, outline) else [f"{where}: {found!r}"]
    return [line for place, pair in places.items() for line in missing(*pair, place)]


def test_coverage_json_keeps_its_keys(run_folder: Path) -> None:
    found = storage.load_json(run_folder / "reports/coverage.json")
    assert missing(COVERAGE, found, "coverage") == []


def test_comparison_json_keeps_its_keys(run_folder: Path) -> None:
    found = storage.load_json(run_folder / "reports/comparison.json")
    assert missing(COMPARISON, found, "comparison") == []
    assert len(found["pairs"]) == 6
    for name in NAMES - {"exact"}:
        assert found["estimators"][name]["kl_from_exact"].keys() == ESTIMATE
