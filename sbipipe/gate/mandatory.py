"""The kinds of test without which no posterior is called calibrated."""

from __future__ import annotations

from collections.abc import Mapping

from sbipipe.gate.verdict import Test

ROLES = {
    "bias": "SBC",
    "signed_area": "coverage",
    "atc": "TARP",
    "regional": "calibration by region",
}
"""The number by which the four mandatory kinds of test are known."""


def missing(tests: Mapping[str, Test]) -> list[str]:
    """Mandatory kinds of test that were not run."""
    present = {name for test in tests.values() for name in test.numbers}
    return [kind for number, kind in ROLES.items() if number not in present]
