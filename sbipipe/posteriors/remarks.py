"""What a person should know before believing the posterior of an observation."""

from __future__ import annotations

import numpy as np

from sbipipe.interfaces import Index
from sbipipe.posteriors.content import PosteriorFile


def remarks(content: PosteriorFile) -> list[str]:
    """A sentence each."""
    total = len(content.x)
    lost = np.flatnonzero(~np.isfinite(content.samples.log_prob).all(0))
    outside = np.flatnonzero(content.novelty["outside"])
    lines = []
    if content.attributes["uncalibrated"]:
        lines.append(
            f"UNCALIBRATED: the verdict on {content.attributes['estimator']} is "
            f"{content.attributes['verdict']} ({content.attributes['reasons']})"
        )
    if len(lost):
        lines.append(f"{_numbered(lost)} could not be sampled; the draws are NaN")
    if len(outside):
        lines.append(
            f"{_numbered(outside)} of {total} lie outside the training set: farther from it than "
            "99 % of held-out simulations; the verdict says nothing about them"
        )
    else:
        farthest = max(content.novelty[key].max() for key in content.novelty if key != "outside")
        lines.append(
            f"inside the training set: none is farther from it than {farthest:.1f} % of "
            "held-out simulations"
        )
    return lines


def _numbered(index: Index) -> str:
    more = ", ..." if len(index) > 10 else ""
    return f"observations {', '.join(map(str, index[:10]))}{more}"


__all__ = ["remarks"]
