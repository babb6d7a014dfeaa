"""What a person should know before believing the posterior of an observation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sbipipe.interfaces import Index
from sbipipe.posteriors.content import PosteriorFile

EDGE = 0.01
"""The share of the prior that counts as its edge, on either side."""


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
    name = content.attributes["estimator"]
    sharper = content.diagnosis.sharper if content.diagnosis else ()
    return [*lines, *_at_the_edge(content), *(f"{name}: {line}" for line in sharper)]


def _at_the_edge(content: PosteriorFile) -> Iterator[str]:
    """The parameters most of whose draws lie where the prior has hardly any."""
    low, high = np.quantile(content.prior, (EDGE, 1 - EDGE), axis=0)
    draws = content.samples.draws
    with np.errstate(invalid="ignore"):
        there = np.maximum((draws <= low).mean(0), (draws >= high).mean(0)) > 0.5
    for i, name in enumerate(content.parameters):
        which = np.flatnonzero(there[:, i])
        if len(which):
            yield (
                f"{name}: most draws for {_numbered(which)} lie in the outermost {EDGE:.0%} of the "
                "prior; the data may ask for values beyond it"
            )


def _numbered(index: Index) -> str:
    more = ", ..." if len(index) > 10 else ""
    return f"observations {', '.join(map(str, index[:10]))}{more}"


__all__ = ["remarks"]
