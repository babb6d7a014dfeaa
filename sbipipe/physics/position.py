"""A standard position for fields.

A universe has no origin and no axes, so a field and its image under a shift, a reflection or a
right-angle rotation must have one likelihood. Networks keep that only nearly. Here every field is
brought into a position that all its images share: the largest pixel of its first channel at the
origin, and the largest of the equivalent neighbours (1, 2, ...) of it at (1, 2, ...). Sides of at
most twice the dimension are too short to tell all neighbours apart.

A field that is not periodic is mirrored and rotated, not shifted: of its images f that one is taken
whose first channel has the largest sum_x f(x) sum_i (d + 1 - i) x_i, with x_i from the middle of
the i-th of d axes, so that it leans towards the ends of all axes, and most along the first. Every
pixel has a say in that, and a little noise seldom changes it.
"""

from __future__ import annotations

import itertools

import numpy as np

from sbipipe.interfaces import Array
from sbipipe.physics.alignment import images


def standard_position(fields: Array, *, periodic: bool = True) -> Array:
    """Fields (N, C, *space), each moved to its standard position."""
    if not len(fields):
        return fields
    return np.stack([_settle(one) if periodic else max(images(one), key=_lean) for one in fields])


def _lean(field: Array) -> float:
    """sum_x f(x) sum_i (d + 1 - i) x_i, of the first channel of a field (C, *space)."""
    sides = field.shape[1:]
    x = np.meshgrid(*(np.arange(side) - (side - 1) / 2 for side in sides), indexing="ij")
    return float(sum((field[0] * one).sum() * (len(x) - i) for i, one in enumerate(x)))


def _settle(field: Array) -> Array:
    sides = field.shape[1:]
    axes = tuple(range(1, field.ndim))
    origin = np.unravel_index(np.argmax(field[0]), sides)
    field = np.roll(field, [-int(i) for i in origin], axes)
    step = tuple(range(1, len(sides) + 1))
    images = (
        _image(field, order, signs)
        for order in itertools.permutations(axes)
        if all(field.shape[a] == field.shape[b] for a, b in zip(order, axes, strict=True))
        for signs in itertools.product((1, -1), repeat=len(sides))
    )
    wrapped = tuple(i % side for i, side in zip(step, sides, strict=True))
    return max(images, key=lambda image: float(image[0][wrapped]))


def _image(field: Array, order: tuple[int, ...], signs: tuple[int, ...]) -> Array:
    """The field with its axes permuted and mirrored about the origin."""
    image = field.transpose(0, *order)
    mirrored = tuple(axis for axis, sign in enumerate(signs, 1) if sign < 0)
    return np.roll(np.flip(image, mirrored), (1,) * len(mirrored), mirrored) if mirrored else image


__all__ = ["standard_position"]
