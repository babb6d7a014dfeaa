"""Simulations that failed, as a record: `failures` of a set's `set.json`, and of every verdict."""

from __future__ import annotations

from dataclasses import dataclass

LEVEL = 0.01
"""Below this p-value failure is said to depend on the parameters."""


@dataclass(frozen=True, kw_only=True)
class Failures:
    """The simulations of a set that failed, of all splits.

    Attributes:
        failed: The number that failed, or whose rows were left out as not finite.
        simulations: The number of all of them.
        p_value: The probability of as uneven a failure by chance; 1 where none or all failed.
        parameter: The parameter on which failure depends most; empty where none or all failed.
        mean_quantile: The mean prior quantile of that parameter among the failed; None where none
            or all failed.
    """

    failed: int
    simulations: int
    p_value: float = 1.0
    parameter: str = ""
    mean_quantile: float | None = None

    @property
    def depend(self) -> bool:
        """Whether failure depends on the parameters."""
        return self.p_value <= LEVEL
