r"""A taper for fields whose opposite sides do not meet.

A discrete Fourier transform takes a field to be periodic, so the jump between opposite sides throws
power of the longest waves onto all others. A field that is not periodic is therefore multiplied by
a taper w that falls to zero at its sides, once its mean, weighted by w, is taken off (Harris 1978,
Proc. IEEE 66, 51; for maps of the sky Das, Hajian & Spergel 2009, arXiv:0809.1092):

    F_k = sum_x w(x) (f(x) - sum w f / sum w) exp(-i k x) / sqrt(<w^2>),

so that the expectation of |F_k|^2 is that of a periodic field, averaged over the neighbours of k:
sum_q |W_q|^2 P(k - q) / sum_q |W_q|^2, with W the transform of w. The taper is

    w(x) = prod_i sin(pi x_i / side_i),

which of all tapers spreads power the least, <q^2> = 1/4 along each axis in units of the fundamental
wavenumber, and so has the least bias for a smooth spectrum (Papoulis 1973, IEEE Trans. Inf. Theory
19, 9; Riedel & Sidorenko 1995, IEEE Trans. Signal Process. 43, 188): it is 1/8 of the Laplacian of
P, or n^2 / (8 k^2) of a power of k^n in two dimensions. On the lowest two k the mean that is taken
off and the bend of P weigh more. `benchmarks/tapers.py 20` finds, of crops of Gaussian maps, with
errors that fall from 0.06 at k = 1 to 0.01 from k = 8 on:

    measured / P at k =     1     2     3     4     8    31    Gaussian modes at k = 8
    n = -1, sine          0.81  1.04  1.03  1.02  1.00  1.00   34
    n = -1, Hann          0.60  1.03  1.04  1.03  1.00  1.00   27
    n = -1, no taper      0.98  1.01  1.01  0.99  1.01  1.02   50
    n = -3, sine          1.34  1.41  1.19  1.11  1.03  1.00   34
    n = -3, Hann          0.85  1.64  1.25  1.14  1.02  1.01   27
    n = -3, no taper      1.86  2.16  2.13  1.83  2.09  3.35   10

Of a power of k^-4 Hann's taper has less at high k: 1.04 and not 1.11 at k = 8.

A product of three modes is divided by <w^3> and not by <w^2>^{3/2}; `cubed` is the ratio of these.
"""

from __future__ import annotations

from functools import cache, reduce

import numpy as np

from sbipipe.interfaces import Array, Geometry


@cache
def taper(sides: tuple[int, ...]) -> Array:
    """w in the middle of every pixel of a grid with these sides, in units of sqrt(<w^2>)."""
    each = (np.sin(np.pi * (np.arange(side) + 0.5) / side) for side in sides)
    w = reduce(np.multiply.outer, each)
    return np.asarray(w / np.sqrt((w**2).mean()))


def tapered(fields: Array, grid: Geometry) -> Array:
    """Fields (..., *space) as a Fourier transform may take them: those on a periodic grid as they
    are, others in double precision, less their mean and times w."""
    if grid.periodic:
        return fields
    w, space = taper(grid.pixels), tuple(range(-grid.dimensions, 0))
    centred = fields - fields.mean(space, np.float64, keepdims=True)  # a constant field is zero
    mean = (w * centred).mean(space, keepdims=True) / w.mean()
    return np.asarray(w * (centred - mean))


def cubed(grid: Geometry) -> float:
    """<w^3> / <w^2>^{3/2}, and 1 on a periodic grid."""
    return 1.0 if grid.periodic else float((taper(grid.pixels) ** 3).mean())


__all__ = ["cubed", "taper", "tapered"]
