r"""Twenty draws of a g-and-k distribution, sorted (Rayner & MacGillivray 2002; prior of Fearnhead &
Prangle 2012, arXiv:1004.1112).

    Q(z) = A + B (1 + c tanh(g z / 2)) (1 + z^2)^k z,   z ~ N(0, 1),   c = 0.8,
    (A, B, g, k) ~ U[0, 10]^4.

Tails are as heavy as z^(2k + 1). The density of one draw y is phi(z) / Q'(z) where Q(z) = y, and
the likelihood of the sorted ones 20! times their product. With z = sinh s, the root of

    asinh((1 + c tanh(g sinh(s) / 2)) cosh(s)^(2k) sinh s) = asinh((y - A) / B)

is that of a nearly linear function of s. The posterior is sampled by particles (`particles`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.optimize import elementwise

from problems.particles import ParticlePosterior, particle_posterior
from sbipipe.interfaces import Array, Generator
from sbipipe.priors.prior import ProductPrior, uniform_prior
from sbipipe.seeds import stream

C = 0.8
SAMPLE = 20
LARGEST, FARTHEST = 20.0, 17.0
"""Of |s|, where z is 2 * 10^8; and of |asinh((y - A) / B)| / (2k + 1), where z is so large that the
likelihood is nothing."""


@dataclass(frozen=True)
class GAndK:
    """Four parameters, twenty data."""

    @property
    def prior(self) -> ProductPrior:
        return uniform_prior(A=(0.0, 10.0), B=(0.0, 10.0), g=(0.0, 10.0), k=(0.0, 10.0))

    def simulate(self, theta: Array, rng: Generator) -> Array:
        A, B, g, k = theta.T[:, :, None]
        z = np.sort(rng.standard_normal((len(theta), SAMPLE)))
        return A + B * (1 + C * np.tanh(g * z / 2)) * (1 + z**2) ** k * z

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        A, B, g, k = theta.T[:, :, None]
        farthest = FARTHEST * (2 * k + 1)
        s = _root(np.clip(np.arcsinh((x - A) / B), -farthest, farthest), g, k)
        z = np.sinh(s)
        log_density = -0.5 * (z**2 + np.log(2 * np.pi)) - np.log(B) - _log_slope(z, g, k)
        return np.asarray(log_density.sum(-1) + special.gammaln(len(x) + 1))

    def posterior(self, x: Array) -> ParticlePosterior:
        rng = stream(0, "g_and_k", *map(float.hex, x.tolist()))
        return particle_posterior(self.prior, lambda theta: self.log_likelihood(theta, x), rng)


def _root(y: Array, g: Array, k: Array) -> Array:
    """s for asinh((Q - A) / B) = y, with shape (n, L); y, g and k broadcast."""
    shape = np.broadcast_shapes(y.shape, g.shape)
    args = tuple(np.broadcast_to(a, shape).ravel() for a in (y, g, k))
    ends = np.full(shape, -LARGEST).ravel(), np.full(shape, LARGEST).ravel()
    found = elementwise.find_root(_distance, ends, args=args, tolerances={"xatol": 1e-10})
    return np.asarray(found.x).reshape(shape)


def _distance(s: Array, y: Array, g: Array, k: Array) -> Array:
    skew = 1 + C * np.tanh(g * np.sinh(s) / 2)
    log_size = np.log(skew) + 2 * k * np.log(np.cosh(s)) + np.log(np.abs(np.sinh(s)) + 1e-300)
    return np.sign(s) * (np.logaddexp(log_size, 0.5 * np.logaddexp(2 * log_size, 0))) - y


def _log_slope(z: Array, g: Array, k: Array) -> Array:
    """log dQ/dz / B."""
    tanh = np.tanh(g * z / 2)
    skew, tail = 1 + C * tanh, (1 + (2 * k + 1) * z**2) / (1 + z**2)
    slope = skew * tail + C * g / 2 * (1 - tanh**2) * z
    return np.asarray(k * np.log1p(z**2) + np.log(slope))
