"""Fields whose pixels have heavy tails: few of them then carry most of what a network is given.

A pixel's distance from the median m of its channel is told in robust standard deviations,

    z = |x - m| / s,    s = 1.4826 median |x - m|,

which is the standard deviation of a normal. Of ten billion normal pixels none reaches z = 7, and a
lognormal with sigma = 0.5 hardly has one beyond 20. A channel more than half of whose pixels are
equal, as in maps of rare counts, has no s and is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sbipipe.evenly import evenly
from sbipipe.interfaces import Array

FAR = 20.0
"""Robust standard deviations beyond which a pixel is far."""

MOST = 512
"""Fields that are looked at, at most."""

REMEDY = (
    "kind cnn reads such a channel twice, as it is and as its arcsinh; kind diffusion maps pixels "
    "itself (pixels: gaussian, or auto); kind field_statistics puts the edges of peak_counts and "
    "the levels of minkowski at quantiles; for kind npe on fields, which only shifts and scales x, "
    "a monotone map of the pixels, such as arcsinh(x / s) or a logarithm, written to the file in "
    "place of x (and to the observation), loses nothing and helps"
)
"""What can be done."""


@dataclass(frozen=True, kw_only=True)
class Tails:
    """What far pixels there are.

    Attributes:
        fields: The number of fields that were looked at.
        far: The number of them with a far pixel.
        share: The share of all their pixels that is far.
        farthest: The largest z.
    """

    fields: int
    far: int
    share: float
    farthest: float

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        return (
            f"pixels have heavy tails: {self.far} of {self.fields} fields have some farther than "
            f"{FAR:g} robust standard deviations from the median, {self.share:.2g} of all pixels, "
            f"the farthest {self.farthest:.0f}"
        )


def heavy(x: Array) -> Tails | None:
    """The far pixels of finite fields (N, C, *space), of which some are looked at; or None."""
    some = np.asarray(x[evenly(len(x), MOST)], np.float64)
    if not len(some):
        return None
    pixels = some.reshape(*some.shape[:2], -1)
    away = np.abs(pixels - np.median(pixels, (0, 2), keepdims=True))
    width = 1.4826 * np.median(away, (0, 2), keepdims=True)
    z = np.divide(away, width, out=np.zeros_like(away), where=width > 0)
    if z.max(initial=0.0) <= FAR:
        return None
    far = z > FAR
    return Tails(
        fields=len(some),
        far=int(far.any((1, 2)).sum()),
        share=float(far.mean()),
        farthest=float(z.max()),
    )


__all__ = ["REMEDY", "Tails", "heavy"]
