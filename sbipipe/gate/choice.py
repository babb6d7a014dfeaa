"""Which of several posteriors to use.

One that is published goes before one that is withheld, an exact one before those that are learned,
and of the others the one that gains most nats over the prior: all of them are calibrated, so it
says most (`sharpness`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from sbipipe.gate.verdict import Verdict


def order(verdict: Verdict, *, exact: bool) -> tuple[bool, bool, float]:
    """What sorts estimators, the one to use first.

    Args:
        exact: Whether its posteriors are exact.
    """
    nats = verdict.gain.nats.mean
    worth = nats if math.isfinite(nats) else -math.inf
    return not verdict.published, not exact, -worth


def recommended(verdicts: Mapping[str, Verdict], exact: Collection[str]) -> str | None:
    """The estimator to use; None where none is published.

    Args:
        verdicts: The verdicts on estimators of the same simulations, by name.
        exact: The names of those that are exact.
    """
    published = {name: verdict for name, verdict in verdicts.items() if verdict.published}
    return min(published, key=lambda n: order(published[n], exact=n in exact), default=None)


__all__ = ["order", "recommended"]
