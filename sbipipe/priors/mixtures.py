r"""A mixture of normal distributions, and its map to the unit cube.

With weights w_k, means m_k and lower Cholesky factors L_k of the covariances, let
z_k = L_k^-1 (v - m_k). The first j coordinates of v have the density

    p(v_1..j) = sum_k w_k prod_{i <= j} N(z_ki; 0, 1) / L_kii,

so, given those before it, v_j is a mixture of normals with deviations L_kjj and weights
proportional to the terms for j - 1. Its distribution function is the j-th coordinate of the map
q = F(v) of Rosenblatt (1952), under which the mixture is uniform on the cube. The inverse finds a
root in each coordinate in turn.

Fitted to draws, it takes more components while they raise the log density of others by more than
its standard error. No component is narrower than 0.03 of the spread, so that the points of a grid
do not become spikes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import scipy
from scipy import special
from scipy.optimize import elementwise

from sbipipe.interfaces import Array

COMPONENTS = (1, 2, 4, 8)
"""Numbers of components that are tried."""

SHARPEST = 0.03
"""The smallest deviation of a component, in standard deviations of what it is fitted to."""

EACH = 10
"""The draws that a mixture must have for each of its numbers."""

PARTS = 10
"""Parts of a chain, of which every second one chooses the number of components."""

SEED = 0
"""Of the first guesses at the components of the mixture of a chain."""

CLOSE = {"xatol": 1e-12, "xrtol": 1e-12, "fatol": 0.0, "frtol": 0.0}
"""How near a root has to be."""

MARGIN = 1e-9
"""Of a root's bracket, in deviations: more than rounding takes from it."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """K normal distributions in D dimensions.

    Attributes:
        weights: The weights, with shape (K,).
        means: The means, with shape (K, D).
        covariances: The covariances, with shape (K, D, D).
    """

    weights: Array
    means: Array
    covariances: Array

    def log_prob(self, v: Array) -> Array:
        """The log density in nats, (..., D) -> (...)."""
        return np.asarray(special.logsumexp(self._log_terms(self._normalised(v))[-1], axis=-1))

    def to_unit(self, v: Array) -> Array:
        """The quantile of each coordinate given those before it, (..., D) -> (..., D)."""
        z = self._normalised(v)
        log_terms = self._log_terms(z)
        columns = [
            (special.softmax(log_terms[j], -1) * special.ndtr(z[..., j])).sum(-1)
            for j in range(v.shape[-1])
        ]
        return np.stack(columns, -1)

    def from_unit(self, q: Array) -> Array:
        """The inverse of `to_unit`, for q in (0, 1)."""
        v = np.empty(q.shape)
        z = np.empty((*q.shape[:-1], *self.means.shape))
        log_weights = np.broadcast_to(np.log(self.weights), z.shape[:-1])
        for j in range(q.shape[-1]):
            deviation = self._cholesky[:, j, j]
            centre = self.means[:, j] + (z[..., :j] * self._cholesky[:, j, :j]).sum(-1)
            v[..., j] = _root(special.softmax(log_weights, -1), centre, deviation, q[..., j])
            z[..., j] = (v[..., j, None] - centre) / deviation
            log_weights = log_weights + _log_normal(z[..., j]) - np.log(deviation)
        return v

    @cached_property
    def _cholesky(self) -> Array:
        return np.linalg.cholesky(self.covariances)

    def _normalised(self, v: Array) -> Array:
        """z of every component, (..., D) -> (..., K, D)."""
        inverse = np.linalg.inv(self._cholesky)
        return np.asarray(np.einsum("kij,...kj->...ki", inverse, v[..., None, :] - self.means))

    def _log_terms(self, z: Array) -> list[Array]:
        """The logarithms of the terms of p(v_1..j), each (..., K), for j from 0 to D."""
        terms = [np.broadcast_to(np.log(self.weights), z.shape[:-1])]
        for j in range(z.shape[-1]):
            scale = np.log(self._cholesky[:, j, j])
            terms.append(terms[-1] + _log_normal(z[..., j]) - scale)
        return terms


def fewest(dimension: int, components: int = 1) -> int:
    """The draws that so many components must have."""
    return EACH * components * (dimension + 1) * (dimension + 2) // 2


def chosen(u: Array, held_out: Array, seed: int) -> Mixture:
    """The mixture of (N, D), with as many components as others (M, D) ask for."""
    best = fitted(u, 1, seed)
    for components in COMPONENTS[1:]:
        if len(u) < fewest(u.shape[1], components):
            break
        more = fitted(u, components, seed)
        gain = more.log_prob(held_out) - best.log_prob(held_out)
        if len(gain) > 1 and gain.mean() > scipy.stats.sem(gain):
            best = more
    return best


@lru_cache(maxsize=8)
def of_chain(u: bytes, dimension: int) -> Mixture:
    """The mixture of draws in the order of a chain: as many components as every second part of it
    asks for, fitted to all of it.

    Args:
        u: The bytes of float64, with shape (N, dimension).
    """
    draws = np.frombuffer(u).reshape(-1, dimension)
    odd = np.arange(len(draws)) * PARTS // len(draws) % 2 == 1
    return fitted(draws, len(chosen(draws[~odd], draws[odd], SEED).weights), SEED)


def fitted(u: Array, components: int, seed: int) -> Mixture:
    """By expectation maximisation, in units of the spread of each coordinate of (N, D)."""
    from sklearn.mixture import GaussianMixture

    middle, spread = u.mean(0), u.std(0)
    found = GaussianMixture(
        components, reg_covar=SHARPEST**2, max_iter=500, random_state=seed % 2**32
    ).fit((u - middle) / spread)
    return Mixture(
        weights=found.weights_,
        means=middle + spread * found.means_,
        covariances=found.covariances_ * np.outer(spread, spread),
    )


def _log_normal(z: Array) -> Array:
    return np.asarray(-0.5 * (z**2 + np.log(2 * np.pi)))


def _root(weights: Array, centre: Array, deviation: Array, q: Array) -> Array:
    """Where one-dimensional mixtures have the quantiles q, (..., K) and (...) -> (...).

    Upper tails are mirrored, since numbers near zero are known better than those near one.
    """
    sign = np.where(q > 0.5, -1.0, 1.0)
    tail, centre = np.minimum(q, 1 - q), sign[..., None] * centre
    ends = centre + deviation * special.ndtri(tail)[..., None]
    if (k := len(deviation)) == 1:
        return np.asarray(sign * ends[..., 0])

    def excess(x: Array, wanted: Array, *parts: Array) -> Array:
        terms = zip(parts[:k], parts[k:], deviation, strict=True)
        return np.asarray(sum(w * special.ndtr((x - c) / s) for w, c, s in terms) - wanted)

    columns = (tail, *np.moveaxis(weights, -1, 0), *np.moveaxis(centre, -1, 0))
    bracket = (ends.min(-1) - MARGIN * deviation.max(), ends.max(-1) + MARGIN * deviation.max())
    found: Any = elementwise.find_root(excess, bracket, args=columns, tolerances=CLOSE)  # type: ignore[call-overload]
    return np.asarray(sign * found.x)
