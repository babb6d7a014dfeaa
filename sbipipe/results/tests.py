"""The tests behind the verdicts, as the page shows them: each with all its estimators."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

from sbipipe.gate.verdict import Test, Verdict


@dataclass(frozen=True, kw_only=True)
class TestCurves:
    """One test of all estimators.

    Attributes:
        key: The name of the test, "<diagnostic>.<test>".
        results: The result for each estimator.
    """

    __test__ = False

    key: str
    results: Mapping[str, Test]

    def of(self, estimators: Container[str]) -> TestCurves:
        """The test of some of them."""
        kept = {name: one for name, one in self.results.items() if name in estimators}
        return replace(self, results=kept)

    @property
    def diagnostic(self) -> str:
        """The name of the diagnostic."""
        return self.key.partition(".")[0]

    @property
    def test(self) -> str:
        """The name of the test within the diagnostic."""
        return self.key.partition(".")[2] or self.diagnostic


def by_test(verdicts: Mapping[str, Verdict]) -> tuple[TestCurves, ...]:
    """The tests, each with all its estimators.

    Args:
        verdicts: The verdict on each estimator, by name.
    """
    tests = {name: verdict.tests for name, verdict in verdicts.items()}
    keys = dict.fromkeys(key for found in tests.values() for key in found)
    return tuple(
        TestCurves(key=key, results={n: found[key] for n, found in tests.items() if key in found})
        for key in keys
    )
