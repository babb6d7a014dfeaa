r"""Polynomials of the parameters, and likelihood surfaces made of them.

With the parameters on s in [-1, 1]^D, the basis of degree d holds every product
T_i(s_1) T_j(s_2) ... of Chebyshev polynomials with i + j + ... <= d. Products stay inside:
T_a T_b = (T_{a+b} + T_{|a-b|}) / 2, so a quadratic form in a basis of degree d is a linear one in
the basis of degree 2 d. Shapes: M terms, D parameters.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
import torch
from torch import Tensor
from torch.nn import functional

from sbipipe.interfaces import Array, Vectors


def scaled(quantiles: Array) -> Tensor:
    """s = 2 q - 1 of the quantiles q of parameters (`Prior.to_unit`), (..., D)."""
    return torch.from_numpy(2 * np.asarray(quantiles, np.float64) - 1)


@dataclass(frozen=True)
class Basis:
    """All terms up to a total degree.

    Args:
        dimensions: D.
        degree: At most.
    """

    dimensions: int
    degree: int

    @cached_property
    def exponents(self) -> tuple[tuple[int, ...], ...]:
        """Degrees of each term's factors, lowest total degree first."""
        every = itertools.product(range(self.degree + 1), repeat=self.dimensions)
        kept = [powers for powers in every if sum(powers) <= self.degree]
        return tuple(sorted(kept, key=lambda powers: (sum(powers), powers)))

    def __len__(self) -> int:
        return len(self.exponents)

    def __call__(self, s: Tensor) -> Tensor:
        """Values of the terms, (..., D) -> (..., M)."""
        ladder = self._ladder(s)
        columns = torch.tensor(self.exponents, device=s.device)
        values = ladder[..., 0, :][..., columns[:, 0]]
        for axis in range(1, self.dimensions):
            values = values * ladder[..., axis, :][..., columns[:, axis]]
        return values

    def coordinates(self, terms: Tensor) -> Tensor:
        """s from the values of its terms, (..., M) -> (..., D): those of degree one."""
        unit = [
            tuple(int(i == axis) for i in range(self.dimensions)) for axis in range(self.dimensions)
        ]
        return terms[..., [self.exponents.index(powers) for powers in unit]]

    def _ladder(self, s: Tensor) -> Tensor:
        """T_0 to T_d of every coordinate, (..., D) -> (..., D, d + 1)."""
        steps = [torch.ones_like(s), s]
        for _ in range(self.degree - 1):
            steps.append(2 * s * steps[-1] - steps[-2])
        return torch.stack(steps[: self.degree + 1], -1)

    @cached_property
    def squared(self) -> Basis:
        """The basis that holds the products of any two terms."""
        return Basis(self.dimensions, 2 * self.degree)

    @cached_property
    def _products(self) -> Tensor:
        """For each pair of terms, the 2^D terms of `squared` whose mean is their product, with
        shape (M, M, 2^D)."""
        powers = np.array(self.exponents)
        signs = np.array(list(itertools.product((1, -1), repeat=self.dimensions)))
        products = np.abs(powers[:, None, None] + signs * powers[None, :, None])
        code = (2 * self.degree + 1) ** np.arange(self.dimensions)
        known = np.array(self.squared.exponents) @ code
        order = known.argsort()
        return torch.from_numpy(order[np.searchsorted(known[order], products @ code)])

    def of_form(self, form: Tensor) -> Tensor:
        """Coefficients in `squared` of a quadratic form, (..., M, M) -> (..., M')."""
        which = self._products.to(form.device)
        values = (form / which.shape[-1])[..., None].expand(*form.shape, which.shape[-1])
        out = form.new_zeros(*form.shape[:-2], len(self.squared))
        return out.index_add_(-1, which.flatten(), values.flatten(-3))

    def of_line(self, line: Tensor) -> Tensor:
        """Coefficients in `squared` of a linear form, (..., M) -> (..., M'): its first terms are
        these."""
        return functional.pad(line, (0, len(self.squared) - len(self)))

    def gradient(self, s: Tensor) -> Tensor:
        """Derivatives of the terms, (..., D) -> (..., M, D)."""
        ladder = self._ladder(s)
        slope = _slopes(s, self.degree)
        columns = torch.tensor(self.exponents, device=s.device)
        parts = []
        for along in range(self.dimensions):
            value = torch.ones_like(s[..., :1])
            for axis in range(self.dimensions):
                source = slope if axis == along else ladder
                value = value * source[..., axis, :][..., columns[:, axis]]
            parts.append(value)
        return torch.stack(parts, -1)


def _slopes(s: Tensor, degree: int) -> Tensor:
    """T_i' = i U_{i-1} of every coordinate, (..., D) -> (..., D, d + 1)."""
    second = [torch.zeros_like(s), torch.ones_like(s)]
    for _ in range(degree):
        second.append(2 * s * second[-1] - second[-2])
    return torch.stack([i * second[i] for i in range(degree + 1)], -1)


def nodes(dimensions: int, degree: int, share: float = 1.5) -> Tensor:
    """Points (n, D) in [-1, 1]^D from which a polynomial of this degree is found by least squares.

    A tensor grid of Chebyshev's points up to two parameters, else a Sobol sequence with their
    density and at least `share` times as many points as terms.
    """
    if dimensions <= 2:
        axis = -np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        grid = np.meshgrid(*[axis] * dimensions, indexing="ij")
        return torch.from_numpy(np.stack(grid, -1).reshape(-1, dimensions))
    count = round(share * len(Basis(dimensions, degree)))
    unit = scipy.stats.qmc.Sobol(dimensions, rng=0).random_base2(int(np.ceil(np.log2(count))))
    return torch.from_numpy(-np.cos(np.pi * unit))


def from_values(basis: Basis) -> tuple[Tensor, Tensor]:
    """Where a polynomial is to be known, and what makes its coefficients of its values there.

    Returns:
        `nodes`, with shape (n, D), and a matrix (M, n): the least squares through n values.
    """
    points = nodes(basis.dimensions, basis.degree)
    onto: Tensor = torch.linalg.pinv(basis(points))
    return points, onto


def unresolved(coefficients: Array, basis: Basis) -> Array:
    """What the terms of the highest total degree weigh together, (B, M) -> (B,) [nats]: how far a
    surface may be from the one that more terms would give."""
    highest = np.array([sum(powers) == basis.degree for powers in basis.exponents])
    return np.asarray(np.abs(coefficients[:, highest]).sum(1))


def surface_data(dimensions: int, degree: int) -> Vectors:
    """What rows of coefficients are."""
    names = (
        " ".join(f"T{power}" for power in powers) for powers in Basis(dimensions, degree).exponents
    )
    return Vectors(components=tuple(names), degree=degree)


__all__ = ["Basis", "from_values", "nodes", "scaled", "surface_data", "unresolved"]
