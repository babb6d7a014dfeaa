r"""How alike fields are once one of them is moved.

A universe has no origin and no axes, so two periodic fields are one where a shift, a reflection or
a right-angle rotation takes one into the other. With a and b standardised (zero mean and unit
variance over the pixels of each channel), the distance is

    d(a, b)^2 = min over moves M of <(a - M b)^2> = 2 (1 - max over M of <a M b>),

the mean over pixels and channels; all shifts at once by the correlation theorem, <a (M b)> at every
shift being F^-1[F(a) conj(F(b))]. d is 0 for the same field, sqrt(2) for fields without
any likeness, and somewhat less for independent ones, as the best of many moves is taken. Fields
that do not wrap around are mirrored and rotated, not shifted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sbipipe.interfaces import Array


def distances(fields: Array, others: Array, *, periodic: bool) -> Array:
    """d of fields (n, C, *space) to others (m, C, *space), with shape (n, m)."""
    axes = tuple(range(2, fields.ndim))
    spectra = fft.rfftn(_standard(others), axes=axes)
    return np.stack([_distance(one, spectra, periodic) for one in _standard(fields)])


def _distance(field: Array, spectra: NDArray[np.complex128], periodic: bool) -> Array:
    """d of a standard field (C, *space) to those with these spectra (m, C, *k), shape (m,)."""
    sides = field.shape[1:]
    axes = tuple(range(1, field.ndim))
    best = np.full(len(spectra), -np.inf)
    for image in images(field):
        product = (np.conj(fft.rfftn(image, axes=axes)) * spectra).mean(1)
        alike = fft.irfftn(product, sides, axes=axes).reshape(len(spectra), -1) / np.prod(sides)
        best = np.maximum(best, alike.max(1) if periodic else alike[:, 0])
    return np.asarray(np.sqrt(np.maximum(2 * (1 - best), 0)))


def images(field: Array) -> Iterator[Array]:
    """A field (C, *space) under every reflection and rotation by right angles of its grid."""
    axes = tuple(range(1, field.ndim))
    for order in itertools.permutations(axes):
        if all(field.shape[a] == field.shape[b] for a, b in zip(order, axes, strict=True)):
            for count in range(len(axes) + 1):
                for mirrored in itertools.combinations(axes, count):
                    yield np.flip(field.transpose(0, *order), mirrored)


def _standard(fields: Array) -> Array:
    """Fields with zero mean and unit variance in each channel; constant ones are zero."""
    axes = tuple(range(2, fields.ndim))
    centred = np.asarray(fields - fields.mean(axes, keepdims=True), np.float64)
    sd = centred.std(axes, keepdims=True)
    return np.asarray(centred / np.where(sd > 0, sd, 1))


__all__ = ["distances", "images"]
