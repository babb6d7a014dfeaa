r"""Cold dark matter under its own gravity, by a particle mesh.

Particles begin on a lattice, moved by second-order Lagrangian perturbation theory (2LPT) with a
Gaussian field for the linear density contrast of today. From there comoving positions x and momenta
p = a^2 dx/dt (in units of the Hubble time today) obey

    dx/da = p / (a^3 E),     dp/da = -(3/2) Omega_m grad phi / (a^2 E),     laplace phi = delta.

Each leapfrog step, all of them even in ln a, drifts to its middle a_c, kicks once, and drifts to
its end. The drift and kick factors are those of FastPM (Feng, Chu, Seljak & McDonald 2016,
arXiv 1603.00476, eq. 24), with G(a) = D'(a) a^3 E(a),

    drift(a, b) = [D(b) - D(a)] / G(a_c),
    kick(a, b) = (3/2) Omega_m [G(b) - G(a)] / [G'(a_c) a_c^2 E(a_c)],

which carry most of linear growth, so that few steps suffice. Within a step, particles are where
the share of a drift that D has grown by has brought them. Forces and growth are JaxPM's. A
particle's peculiar velocity is a dx/dt = p / a, and a cell of side c [Mpc/h] over the Hubble time
today is 100 c km/s.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from sbipipe.interfaces import Array
from sbipipe.physics.background import growth, jax_cosmology


class Motion(NamedTuple):
    """Where the particles of a box are, and where they go.

    Attributes:
        displacement: From the lattice, with shape (n, n, n, 3), in cells of the lattice.
        momentum: p, with the same shape, in cells over the Hubble time today.
    """

    displacement: Array
    momentum: Array


def moved(
    linear: Array,
    *,
    omega_m: float,
    omega_b: float,
    h: float,
    start: float,
    end: float,
    steps: int,
) -> Motion:
    """The particles of a box at one redshift.

    Args:
        linear: The linear density contrast at redshift zero, with shape (n, n, n).
        start: The redshift of the first step.
        end: The redshift of the last; below `start`.
    """
    evolve = _evolution(linear.shape[0], steps)
    between = 1 / (1 + start), 1 / (1 + end)
    x, p = evolve(linear.astype(np.float32), omega_m, omega_b, h, *between)
    return Motion(np.asarray(x), np.asarray(p))


def passing(
    linear: Array,
    *,
    omega_m: float,
    omega_b: float,
    h: float,
    start: float,
    redshifts: Array,
    steps: int,
) -> Iterator[Array]:
    """The displacements at several redshifts of one run, which ends at the last of them.

    Args:
        linear: The linear density contrast at redshift zero, with shape (n, n, n).
        start: The redshift of the first step.
        redshifts: Falling, and all below `start`.

    Yields:
        With shape (n, n, n, 3), in cells of the lattice.
    """
    begin, kicked = _stepwise(linear.shape[0], steps)
    a = 1 / (1 + np.append(start, redshifts))
    x, p, drifts, kicks = begin(linear.astype(np.float32), omega_m, omega_b, h, a[0], a[-1])
    lattice = np.moveaxis(np.indices(linear.shape, np.float32), 0, -1)
    D = growth(1 / np.geomspace(a[0], a[-1], 2 * steps + 1) - 1, omega_m)
    at = growth(np.asarray(redshifts), omega_m)
    half = np.clip(np.searchsorted(D, at, "right") - 1, 0, 2 * steps - 1)
    share = (at - D[half]) / (D[half + 1] - D[half])
    for i, drift in enumerate(np.asarray(drifts)):
        for one in share[half == i]:
            yield np.asarray(x + np.float32(one) * drift * p) - lattice
        x = x + drift * p
        if i % 2 == 0:
            p = kicked(x, p, omega_m * kicks[i // 2])


@cache
def _evolution(mesh: int, steps: int) -> Any:
    """The jitted function (linear field, omega_m, omega_b, h, start, end) -> motion."""
    import jax

    def evolve(initial: Any, omega_m: Any, omega_b: Any, h: Any, start: Any, end: Any) -> Any:
        universe = jax_cosmology(omega_m, omega_b=omega_b, h=h, n_s=1.0)
        lattice, x, p = _begin(universe, initial, start)
        factors = _leapfrog_factors(universe, _scale_factors(start, end, steps))
        (x, p), _ = jax.lax.scan(_leapfrog_step(mesh, omega_m), (x, p), factors)
        return x - lattice, p

    return jax.jit(evolve)


@cache
def _stepwise(mesh: int, steps: int) -> tuple[Any, Any]:
    """The same in jitted pieces: from the linear field x, p, the two drifts of every step, (2
    steps,), and its kick, (steps,); and from x, p and (omega_m kick) the p after a kick."""
    import jax
    from jax import numpy as jnp
    from jaxpm.pm import pm_forces

    def begin(initial: Any, omega_m: Any, omega_b: Any, h: Any, start: Any, end: Any) -> Any:
        universe = jax_cosmology(omega_m, omega_b=omega_b, h=h, n_s=1.0)
        _, x, p = _begin(universe, initial, start)
        before, kick, after = _leapfrog_factors(universe, _scale_factors(start, end, steps))
        return x, p, jnp.stack([before, after], -1).reshape(-1), kick

    def kicked(x: Any, p: Any, kick: Any) -> Any:
        return p + 1.5 * kick * pm_forces(x, mesh_shape=(mesh,) * 3, paint_absolute_pos=True)

    return jax.jit(begin), jax.jit(kicked)


def _begin(universe: Any, initial: Any, start: Any) -> tuple[Any, Any, Any]:
    """The lattice, and x and p by 2LPT at the scale factor `start`."""
    from jax import numpy as jnp
    from jaxpm.pm import lpt

    psi, p, _ = lpt(universe, initial, a=start, order=2)
    axes = [jnp.arange(side) for side in initial.shape]
    lattice = jnp.stack(jnp.meshgrid(*axes, indexing="ij"), -1)
    return lattice, lattice + psi, p


def _scale_factors(start: Any, end: Any, steps: int) -> Any:
    """The ends of the steps, with shape (steps + 1,)."""
    from jax import numpy as jnp

    return jnp.exp(jnp.log(end) + jnp.log(start / end) * jnp.linspace(1.0, 0.0, steps + 1))


def _leapfrog_factors(universe: Any, a: Any) -> tuple[Any, Any, Any]:
    """First drift, kick and second drift of every step between scale factors a (steps + 1,)."""
    from jax import numpy as jnp
    from jaxpm.growth import E, Gf, dGfa, growth_factor

    middle = jnp.sqrt(a[1:] * a[:-1])
    D, D_middle, G = growth_factor(universe, a), growth_factor(universe, middle), Gf(universe, a)
    kick = (G[1:] - G[:-1]) / (dGfa(universe, middle) * middle**2 * E(universe, middle))
    G_middle = Gf(universe, middle)
    return (D_middle - D[:-1]) / G_middle, kick, (D[1:] - D_middle) / G_middle


def _leapfrog_step(mesh: int, omega_m: Any) -> Any:
    """Drift, kick, drift, as `jax.lax.scan` wants it.

    Positions are absolute: jaxpm 0.1.6 loses the mass of particles whose displacement from the
    first plane of the lattice is negative and rounds to nothing.
    """
    from jaxpm.pm import pm_forces

    def step(state: tuple[Any, Any], factors: tuple[Any, Any, Any]) -> Any:
        (x, p), (before, kick, after) = state, factors
        x = x + before * p
        force = pm_forces(x, mesh_shape=(mesh,) * 3, paint_absolute_pos=True)
        p = p + 1.5 * omega_m * kick * force
        return (x + after * p, p), None

    return step


__all__ = ["Motion", "moved", "passing"]
