r"""The name of what is wrong, and the test that shows it.

From all rejecting tests together, the posterior is

- `misshapen` where shift and width do not explain the plainest rejection that has ranks
  (`mending`; ranks from one side of the posterior to the other, which show both, come before those
  from its densest point outwards), or where neither is seen in any number at all (`evidence`),
- `biased` where the parameters' ranks are displaced more than they are spread, and either plainly
  so or more than the width is wrong,
- otherwise `overconfident` or `underconfident`, by the sign of the strongest evidence of a wrong
  width.

The test that condemns is the one whose own numbers say the same most strongly.
"""

from __future__ import annotations

from collections.abc import Mapping

import scipy

from sbipipe.gate.evidence import Evidence, evidence
from sbipipe.gate.verdict import Outcome, Test

PLAIN = 4.0
"""Standard deviations of displacement that are a bias, whatever the evidence of a wrong width."""


def failure(rejected: Mapping[str, Test], n: int, level: float) -> tuple[Outcome, str]:
    """The outcome, and the key of the test that condemns.

    Args:
        rejected: The rejecting tests, at least one.
        n: Number of test simulations.
        level: What evidence has to be significant at.
    """
    ranked = {key: test for key, test in rejected.items() if test.shape is not None}
    if ranked:
        plainest = min(ranked, key=lambda key: _order(ranked[key]))
        found = ranked[plainest].shape
        if found is not None and found.wrong(level):
            return "misshapen", plainest
    seen = evidence((test.numbers for test in rejected.values()), n)
    if unseen(seen, level):
        return "misshapen", min(rejected, key=lambda key: rejected[key].p_value)
    outcome = leaning(seen)
    own = {key: evidence([test.numbers], n) for key, test in rejected.items()}
    same = [key for key in rejected if leaning(own[key]) == outcome] or list(rejected)
    return outcome, max(same, key=lambda key: _strength(own[key], outcome))


def unseen(seen: Evidence, level: float) -> bool:
    """Whether numbers say nothing of place and width."""
    return bool(max(seen.displaced, abs(seen.width)) < scipy.stats.norm.isf(level / 2))


def leaning(seen: Evidence) -> Outcome:
    """What the numbers say is wrong, place or width."""
    plain = seen.displaced > PLAIN or seen.displaced > abs(seen.width)
    if seen.displaced > seen.spread and plain:
        return "biased"
    return "underconfident" if seen.width > 0 else "overconfident"


def _order(test: Test) -> tuple[bool, float]:
    return test.shape is not None and test.shape.outwards, test.p_value


def _strength(own: Evidence, outcome: Outcome) -> float:
    return own.displaced if outcome == "biased" else abs(own.width)
