r"""The background of a flat LCDM universe: the Hubble rate, comoving distances, linear growth.

With radiation left out,

    E(z)^2 = Omega_m (1 + z)^3 + 1 - Omega_m,     chi(z) = c / H_0  int_0^z dz' / E(z'),

and the growing mode, normalised to one today (Heath 1977),

    D(a) = d(a) / d(1),     d(a) = E(a)  int_0^a da' / (a' E(a'))^3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sbipipe.interfaces import Array

if TYPE_CHECKING:
    from jax_cosmo import Cosmology

HUBBLE_LENGTH = 2997.92458
"""c / H_0 [Mpc/h]."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def expansion(z: Array, omega_m: float) -> Array:
    """E, the Hubble rate in units of that of today; of the shape of z."""
    return np.asarray(np.sqrt(omega_m * (1 + np.asarray(z)) ** 3 + 1 - omega_m))


def comoving_distance(z: Array, omega_m: float) -> Array:
    """chi, of the shape of z [Mpc/h]."""
    half = np.asarray(z, np.float64)[..., None] / 2
    integrand = 1 / expansion(half * (1 + _NODES), omega_m)
    return np.asarray(HUBBLE_LENGTH * (integrand * half) @ _WEIGHTS)


def growth(z: Array, omega_m: float) -> Array:
    """D, one today; of the shape of z."""
    return _growing(1 / (1 + np.asarray(z, np.float64)), omega_m) / _growing(np.ones(()), omega_m)


def _growing(a: Array, omega_m: float) -> Array:
    """d; a' = a u^2 makes its integrand, a'^(3/2) near zero, a smooth one."""
    u = (1 + _NODES) / 2
    at = a[..., None] * u**2
    integrand = (omega_m / at + (1 - omega_m) * at**2) ** -1.5 * 2 * a[..., None] * u
    return expansion(1 / a - 1, omega_m) * (integrand @ _WEIGHTS) / 2


def jax_cosmology(omega_m: Any, *, omega_b: float, h: float, n_s: float) -> Cosmology:
    """A fresh jax_cosmo universe: no growth factor in its cache, which jaxpm fills otherwise
    than jax_cosmo does. Its own sigma_8 is one and is not used."""
    from jax_cosmo import Cosmology

    return Cosmology(
        Omega_c=omega_m - omega_b,
        Omega_b=omega_b,
        h=h,
        n_s=n_s,
        sigma8=1.0,
        Omega_k=0.0,
        w0=-1.0,
        wa=0.0,
    )


__all__ = ["HUBBLE_LENGTH", "comoving_distance", "expansion", "growth", "jax_cosmology"]
