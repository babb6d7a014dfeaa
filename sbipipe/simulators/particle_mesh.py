r"""Dark matter in a periodic box, by a particle mesh.

Initial conditions are a Gaussian field with the linear power of `cosmology`, moved to the starting
redshift by second-order Lagrangian perturbation theory (2LPT). From there to redshift zero,
comoving positions x and momenta p = a^2 dx/dt (in units of the Hubble time today) obey

    dx/da = p / (a^3 E),     dp/da = -(3/2) Omega_m grad phi / (a^2 E),     laplace phi = delta.

Each of `steps` leapfrog steps, even in ln a, drifts to its middle a_c, kicks once, and drifts to
its end. The drift and kick factors are those of FastPM (Feng, Chu, Seljak & McDonald 2016,
arXiv 1603.00476, eq. 24), with G(a) = D'(a) a^3 E(a),

    drift(a, b) = [D(b) - D(a)] / G(a_c),
    kick(a, b) = (3/2) Omega_m [G(b) - G(a)] / [G'(a_c) a_c^2 E(a_c)],

which carry most of linear growth, so that few steps suffice. Forces and growth are JaxPM's.

The box is cut into `slabs` along each axis. A map is log10(1 + delta) of one slab, painted from the
phase-space sheet (`phase_space_sheet`), so pixels in voids are not empty. Maps follow each other as
in the CAMELS Multifield Dataset: the slabs along x, those along y, those along z.

Ten steps from redshift 9 give the power of the maps of 40 steps within 2 % up to their Nyquist
wavenumber (`benchmarks/particle_mesh_convergence.py`). The force is softened on the scale of the
mesh, as in every particle mesh, so structure below two cells depends on where the mesh starts:
these are maps of this model with this starting redshift, no substitute for a resolved simulation.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from sbipipe.interfaces import Array, Fields, Generator, Geometry
from sbipipe.physics import cosmology, fields
from sbipipe.physics import phase_space_sheet as sheet
from sbipipe.records import Positive, plugin

__all__ = ["ParticleMesh"]


@plugin
class ParticleMesh:
    """Maps of log10(1 + delta) at redshift zero; theta = (omega_m, sigma_8).

    Attributes:
        prior: The prior of omega_m and sigma_8.
        omega_b, h, n_s: The density of baryons, the Hubble constant [100 km/s/Mpc] and the
            spectral index; by default those of CAMELS.
        box: The side of the box [Mpc/h].
        mesh: The number of particles, and of cells of the force mesh, along each side.
        steps: The number of leapfrog steps.
        redshift: The redshift at which they start.
        spacing: The largest distance between the sheet's tracers [pixels].
        pixels: The number of pixels along each side of a map.
        slabs: The number of slabs along each axis.
    """

    prior: cosmology.CosmologyPrior = Field(default_factory=cosmology.default_prior)
    omega_b: cosmology.OmegaB = 0.049
    h: cosmology.Hubble = 0.6711
    n_s: cosmology.Tilt = 0.9624
    box: Annotated[float, Field(gt=0)] = 25.0
    mesh: Annotated[int, Field(ge=4, le=512)] = 32
    steps: Positive = 10
    redshift: Annotated[float, Field(gt=0, le=99)] = 9.0
    spacing: Annotated[float, Field(ge=0.2, lt=2)] = 1.9
    pixels: Annotated[int, Field(ge=2)] = 32
    slabs: Positive = 5

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it simulates in a second, for tests and trials."""
        return {"mesh": 16, "pixels": 16, "steps": 2}

    def __post_init__(self) -> None:
        cosmology.check_baryons(self.prior, self.omega_b)

    @property
    def maps(self) -> int:
        return 3 * self.slabs

    @property
    def data(self) -> Fields:
        geometry = Geometry(pixels=(self.pixels,) * 2, box=self.box)
        return Fields(geometry=geometry, channels=("density",), quantity="log10(1 + delta)")

    def simulate(self, theta: Array, rng: Generator) -> Array:
        """Maps with shape (N * maps, 1, pixels, pixels), float32.

        Raises:
            ArithmeticError: If a pixel is empty, or the particles have no finite position.
        """
        overdensities = [self.overdensity(self.displacement(row, rng), row) for row in theta]
        maps = np.log10(np.stack(overdensities)).astype(np.float32)
        return maps.reshape(-1, 1, self.pixels, self.pixels)

    def displacement(self, theta: Array, rng: Generator) -> Array:
        """How far the particles of one universe have come at redshift zero.

        Args:
            theta: With shape (2,).
            rng: Of the random phases; always draws mesh^3 normals.

        Returns:
            With shape (mesh, mesh, mesh, 3), in cells of the mesh.
        """
        initial = self.linear_field(theta, rng).astype(np.float32)
        start = 1 / (1 + self.redshift)
        evolve = _evolution(self.mesh, self.steps)
        return np.asarray(evolve(initial, float(theta[0]), self.omega_b, self.h, start))

    def linear_field(self, theta: Array, rng: Generator) -> Array:
        """The linear density contrast, at redshift zero, with shape (mesh, mesh, mesh)."""
        k, of_mode, _ = fields.shells(self.mesh, 3, self.box)
        universe = {"omega_b": self.omega_b, "h": self.h, "n_s": self.n_s}
        power = cosmology.linear_power(k[1:], np.asarray(theta)[None], **universe)[0]
        noise = rng.standard_normal((self.mesh,) * 3)
        return fields.gaussian_field(noise, np.append(0.0, power)[of_mode], self.box)

    def overdensity(self, displacement: Array, theta: Array) -> Array:
        """1 + delta of every map, with shape (3, slabs, pixels, pixels)."""
        where = f"theta {np.array2string(np.asarray(theta), precision=6)}"
        if not np.isfinite(displacement).all():
            raise ArithmeticError(f"{where}: particles without a finite position")
        tracers = sheet.trace(displacement, self.spacing * self.mesh / self.pixels)
        maps = sheet.slab_maps(tracers, self.pixels, self.slabs)
        empty = np.argwhere(maps.reshape(self.maps, -1) <= 0)
        if len(empty):
            raise ArithmeticError(
                f"{where}: {len(empty)} empty pixels, the first in map {empty[0, 0]}; "
                f"a spacing below {self.spacing:g} pixels fills them"
            )
        return maps


@cache
def _evolution(mesh: int, steps: int) -> Any:
    """The jitted function (linear field, omega_m, omega_b, h, start) -> displacement in cells."""
    import jax
    from jax import numpy as jnp
    from jaxpm.pm import lpt

    def evolve(initial: Any, omega_m: Any, omega_b: Any, h: Any, start: Any) -> Any:
        universe = cosmology.jax_cosmology(omega_m, omega_b=omega_b, h=h, n_s=1.0)
        psi, p, _ = lpt(universe, initial, a=start, order=2)
        lattice = jnp.stack(jnp.meshgrid(*[jnp.arange(mesh)] * 3, indexing="ij"), -1)
        a = jnp.exp(jnp.log(start) * jnp.linspace(1.0, 0.0, steps + 1))
        factors = _leapfrog_factors(universe, a)
        (x, _), _ = jax.lax.scan(_leapfrog_step(mesh, omega_m), (lattice + psi, p), factors)
        return x - lattice

    return jax.jit(evolve)


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
