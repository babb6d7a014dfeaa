"""The power of the maps of `convergence` beside the Limber integral over the power of halofit.

    C(l) = ((3/2) Omega_m / R^2)^2  int_0^{chi_s} dchi [(1 - chi / chi_s) / a]^2 P(l / chi, z),

with R = c / H_0 and P of Takahashi et al. (2012, arXiv 1208.2701) from jax_cosmo; once as it is,
and once through the windows of a mesh that `convergence` names. Maps are tapered
(`physics.taper`), as their sides do not meet. Printed is the mean over boxes of the ratio, and its
standard error.

    python benchmarks/convergence_power.py [boxes]
"""

from __future__ import annotations

import sys
from typing import Any

import jax
import jax_cosmo
import numpy as np

from sbipipe.interfaces import Array
from sbipipe.physics import background
from sbipipe.physics.fields import power_spectrum
from sbipipe.physics.taper import tapered
from sbipipe.priors.prior import uniform_prior
from sbipipe.seeds import stream
from sbipipe.simulators.convergence import Convergence

OMEGA_M, SIGMA_8 = 0.3, 0.8
SIMULATOR = Convergence(
    field=2.3, maps=20, prior=uniform_prior(omega_m=(0.25, 0.35), sigma_8=(0.6, 1.0))
)
SIDE = np.radians(SIMULATOR.field)
EDGES = 2 * np.pi / SIDE * np.array([1.5, 2.5, 3.5, 5, 7, 9])


def spectrum(maps: Array) -> tuple[Array, Array]:
    """Multipoles (K,), and the power of tapered maps in bands around them, (N, K)."""
    waves = tapered(maps, SIMULATOR.data.geometry)
    multipoles, power, _ = power_spectrum(waves, SIDE, dimensions=2, edges=EDGES)
    return multipoles, power


def window(k: Array, side: float, exponent: int) -> Array:
    """The mean over directions of [sinc(k_x side / 2) sinc(k_y side / 2)]^exponent."""
    angle = (np.arange(16) + 0.5) / 16 * np.pi / 2
    x, y = (k * one(angle)[:, None] * side / 2 / np.pi for one in (np.cos, np.sin))
    return np.asarray(((np.sinc(x) * np.sinc(y)) ** exponent).mean(0))


@jax.jit
def halofit(k: Any, a: Any) -> Any:
    """P at wavenumbers (K,) and one scale factor (1,) [(Mpc/h)^3]."""
    universe = jax_cosmo.Cosmology(
        Omega_c=OMEGA_M - SIMULATOR.omega_b,
        Omega_b=SIMULATOR.omega_b,
        h=SIMULATOR.h,
        n_s=SIMULATOR.n_s,
        sigma8=SIGMA_8,
        Omega_k=0.0,
        w0=-1.0,
        wa=0.0,
    )
    return jax_cosmo.power.nonlinear_matter_power(universe, k, a)


def limber(multipoles: Array, *, windows: bool) -> Array:
    """C at multipoles (K,)."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    grid = np.linspace(0, SIMULATOR.source, 2001)
    distance = background.comoving_distance(grid, OMEGA_M)
    total = np.zeros(len(multipoles))
    for chi, weight in zip((nodes + 1) / 2 * distance[-1], weights / 2, strict=True):
        k, a = multipoles / chi, 1 / (1 + np.interp(chi, distance, grid))
        power = np.asarray(halofit(k, np.array([a])))
        if windows:
            cell, pixel = SIMULATOR.box / SIMULATOR.mesh, chi * SIDE / SIMULATOR.pixels
            power = power * window(k, cell, 12) * (window(k, pixel, 2) if pixel > cell else 1)
        total += weight * distance[-1] * ((1 - chi / distance[-1]) / a) ** 2 * power
    return (1.5 * OMEGA_M / background.HUBBLE_LENGTH**2) ** 2 * total


def main(boxes: int) -> None:
    theta, found = np.array([[OMEGA_M, SIGMA_8]]), []
    for box in range(boxes):
        maps = SIMULATOR.simulate(theta, stream(box, "limber"))[:, 0].astype(np.float64)
        multipoles, power = spectrum(maps)
        found.append(power.mean(0))
    print("l            " + " ".join(f"{value:11.0f}" for value in multipoles))
    for windows in (False, True):
        ratio = np.array(found) / limber(multipoles, windows=windows)
        mean, error = ratio.mean(0), ratio.std(0, ddof=1) / np.sqrt(boxes)
        line = " ".join(f"{m:5.2f} ±{e:5.2f}" for m, e in zip(mean, error, strict=True))
        print(("with windows " if windows else "as it is     ") + line)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 14)
