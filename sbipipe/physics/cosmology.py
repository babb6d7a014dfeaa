r"""The linear matter power spectrum of a flat LCDM universe today, and fields that have it.

    P(k) = A k^{n_s} T^2(k; Omega_m, Omega_b, h),
    sigma_8^2 = 1 / (2 pi^2)  int  d ln k  k^3 P(k) W^2(8 k),   W(x) = 3 (sin x - x cos x) / x^3

with k in h/Mpc, P in (Mpc/h)^3 and the transfer function T of Eisenstein & Hu (1998,
astro-ph/9709112) from jax_cosmo. The amplitude A follows from sigma_8 by the integral above. It is
not left to jax_cosmo 0.1, whose `sigmasqr` takes decimal logarithms for natural ones and so
integrates from 0.018 to 20 h/Mpc: its sigma_8^2 is 6.4 % low at Omega_m = 0.1, 0.4 % at 0.3.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from sbipipe.interfaces import Array, Generator
from sbipipe.physics import fields
from sbipipe.physics.background import jax_cosmology
from sbipipe.physics.parameters import NAMES, REDSHIFT
from sbipipe.priors.prior import Declared, PriorField, ProductPrior, uniform_prior

_SIGMA_8_K = np.geomspace(1e-5, 50.0, 2001)
"""Where the integral for sigma_8 is evaluated [h/Mpc]."""

FURTHEST = 2.0
"""The largest redshift of a field."""

OmegaB = Annotated[float, Field(gt=0, lt=1)]
Hubble = Annotated[float, Field(ge=0.3, le=1.5)]
Tilt = Annotated[float, Field(ge=0.5, le=1.5)]


def default_prior() -> ProductPrior:
    """That of the CAMELS latin hypercubes."""
    return uniform_prior(omega_m=(0.1, 0.5), sigma_8=(0.6, 1.0))


def reach(prior: Declared, name: str) -> tuple[float, float]:
    """The least and the greatest value of a parameter, or nearly."""
    if name in prior.fixed:
        return prior.fixed[name], prior.fixed[name]
    return prior.bounds[prior.names.index(name)]


def _of_cosmology(prior: Declared) -> Declared:
    if prior.columns != NAMES:
        given = ", ".join(prior.columns)
        raise ValueError(f"the parameters are {given}; allowed: {' and '.join(NAMES)}, in order")
    _check_reach(prior)
    return prior


def _of_redshift_too(prior: Declared) -> Declared:
    if prior.columns not in (NAMES, (*NAMES, REDSHIFT)):
        given = ", ".join(prior.columns)
        raise ValueError(
            f"the parameters are {given}; allowed: {' and '.join(NAMES)}, and {REDSHIFT} if it is "
            "to be one, in order"
        )
    _check_reach(prior)
    if REDSHIFT in prior.columns:
        least, most = reach(prior, REDSHIFT)
        if least < 0 or most > FURTHEST:
            raise ValueError(
                f"redshift reaches from {least:g} to {most:g}; allowed: 0 to {FURTHEST:g}"
            )
    return prior


def _check_reach(prior: Declared) -> None:
    (low, high), (sigma_low, _) = (reach(prior, name) for name in NAMES)
    if low <= 0 or high >= 1 or sigma_low <= 0:
        raise ValueError(
            f"omega_m reaches from {low:g} to {high:g}, sigma_8 down to {sigma_low:g}; "
            "allowed: omega_m between 0 and 1, sigma_8 above 0"
        )


CosmologyPrior = Annotated[PriorField, AfterValidator(_of_cosmology)]
"""A prior over omega_m and sigma_8."""
RedshiftPrior = Annotated[PriorField, AfterValidator(_of_redshift_too)]
"""A prior over omega_m and sigma_8, and over the redshift if it has one."""


def check_baryons(prior: Declared, omega_b: float) -> None:
    """Raise ValueError where the prior leaves no room for cold dark matter."""
    low, _ = reach(prior, "omega_m")
    if low <= omega_b:
        raise ValueError(
            f"prior: omega_m reaches down to {low:g}; allowed: above omega_b = {omega_b:g}"
        )


def linear_power(k: Array, theta: Array, *, omega_b: float, h: float, n_s: float) -> Array:
    """The linear power at redshift zero.

    Args:
        k: Wavenumbers, with shape (K,) [h/Mpc]; positive.
        theta: (omega_m, sigma_8), with shape (N, 2).

    Returns:
        Power with shape (N, K) [(Mpc/h)^3].
    """
    theta = np.asarray(theta, np.float64)
    if not (theta[:, 0] > omega_b).all():
        raise ValueError(
            f"omega_m {theta[:, 0].min():g} given; allowed: above omega_b = {omega_b:g}"
        )
    both = np.concatenate([np.asarray(k, np.float64), _SIGMA_8_K])
    shape = _power_shape(both, theta[:, 0], omega_b, h, n_s)
    return np.asarray(theta[:, 1:] ** 2 * shape[:, : len(k)] / _sigma_8_squared(shape[:, len(k) :]))


def linear_field(
    theta: Array, rng: Generator, *, mesh: int, box: float, omega_b: float, h: float, n_s: float
) -> Array:
    """A linear density contrast at redshift zero, with shape (mesh, mesh, mesh).

    Args:
        theta: (omega_m, sigma_8) and what may follow, with shape (D,).
        rng: Of the random phases; always draws mesh^3 normals.
        box: The side of the box [Mpc/h].
    """
    k, of_mode, _ = fields.shells(mesh, 3, box)
    columns = np.asarray(theta)[None, : len(NAMES)]
    power = linear_power(k[1:], columns, omega_b=omega_b, h=h, n_s=n_s)[0]
    noise = rng.standard_normal((mesh,) * 3)
    return fields.gaussian_field(noise, np.append(0.0, power)[of_mode], box)


def _power_shape(k: Array, omega_m: Array, omega_b: float, h: float, n_s: float) -> Array:
    """k^{n_s} T^2(k), with shape (N, K)."""
    import jax

    with jax.enable_x64(True):
        transfer = np.asarray(_transfer()(k, omega_m[:, None], omega_b, h))
    return np.asarray(k**n_s * transfer**2)


@cache
def _transfer() -> Any:
    """The jitted transfer function (k, omega_m, omega_b, h) -> T."""
    import jax
    from jax_cosmo.transfer import Eisenstein_Hu

    def transfer(k: Any, omega_m: Any, omega_b: float, h: float) -> Any:
        return Eisenstein_Hu(jax_cosmology(omega_m, omega_b=omega_b, h=h, n_s=1.0), k)

    return jax.jit(transfer)


def _sigma_8_squared(power: Array) -> Array:
    """Of power at `_SIGMA_8_K` with shape (N, K), with shape (N, 1)."""
    from scipy.integrate import simpson

    x = 8 * _SIGMA_8_K
    window = 3 * (np.sin(x) - x * np.cos(x)) / x**3
    integrand = power * window**2 * _SIGMA_8_K**3 / (2 * np.pi**2)
    return np.asarray(simpson(integrand, x=np.log(_SIGMA_8_K)))[:, None]
