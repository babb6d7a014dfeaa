r"""Maps of the weak-lensing convergence, from boxes of the particle mesh along the line of sight.

One box of dark matter (`physics/leapfrog.py`) is moved from its starting redshift to the nearest
plane. At the redshift of each plane (`physics/lensing.py`) it is projected along its three axes,
painted from the phase-space sheet on as many pixels as the mesh has cells. A map is

    kappa(theta) = sum_i w_i delta_i(chi_i theta)

over a few dozen planes to sources at one redshift. Each takes one of the three projections, shifted
at random and in one of the eight orientations of a square, anew in every map. So one box gives
several maps (Petri, Haiman & May 2016, arXiv 1601.06792), which share its phases: they are one
group. A map is a square of the flat sky, cropped out of planes that are wider everywhere, so its
opposite sides do not meet. There is no noise of galaxies' shapes.

The convergence is a number without a unit; angles are in degrees. With c the side of a cell of the
mesh, the sheet, its painting and the reading of a plane are each linear between points c apart and
multiply the power by sinc^4(k_x c / 2) sinc^4(k_y c / 2), sinc x = sin x / x, together nearly by
exp(-k^2 c^2 / 2). With these, the power of small fluctuations is that of the Limber integral. At
(0.3, 0.8) and the default mesh it is, beside that integral over the power of halofit,

    l                      338           476           639           909
    without the windows    0.81          0.61          0.48          0.33
    with them              1.07 +- 0.04  0.98 +- 0.03  0.99 +- 0.03  1.10 +- 0.04

(`benchmarks/convergence_power.py`): a finer mesh, box / mesh, is what shows more of small scales.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from sbipipe.interfaces import Array, Fields, Generator, Geometry
from sbipipe.physics import background, cosmology, leapfrog, lensing
from sbipipe.physics import phase_space_sheet as sheet
from sbipipe.records import Positive, plugin

__all__ = ["Convergence"]

_SPACING = 1.9
"""The largest distance between the sheet's tracers [cells of the mesh]."""

_FEWEST = 5
"""Planes with which the midpoint rule is fair."""


@plugin
class Convergence:
    """Maps of the convergence, cropped and not periodic; theta = (omega_m, sigma_8).

    Attributes:
        prior: The prior of omega_m and sigma_8.
        omega_b, h, n_s: The density of baryons, the Hubble constant [100 km/s/Mpc] and the
            spectral index.
        box: The side of the box, and the distance between planes [Mpc/h].
        mesh: The number of particles, of cells of the force mesh, and of pixels of a plane, along
            each side.
        steps: The number of leapfrog steps.
        redshift: The redshift at which they start.
        source: The redshift of the sources.
        field: The side of a map [degrees]; as wide as the box at the sources, at most.
        pixels: The number of pixels along each side of a map.
        maps: The number of maps of one box.
    """

    prior: cosmology.CosmologyPrior = Field(default_factory=cosmology.default_prior)
    omega_b: cosmology.OmegaB = 0.049
    h: cosmology.Hubble = 0.6711
    n_s: cosmology.Tilt = 0.9624
    box: Annotated[float, Field(gt=0)] = 100.0
    mesh: Annotated[int, Field(ge=4, le=512)] = 64
    steps: Positive = 20
    redshift: Annotated[float, Field(gt=0, le=99)] = 9.0
    source: Annotated[float, Field(gt=0)] = 1.0
    field: Annotated[float, Field(gt=0)] = 2.0
    pixels: Annotated[int, Field(ge=2)] = 32
    maps: Positive = 10

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it simulates in a second, for tests and trials."""
        return {"mesh": 16, "pixels": 16, "steps": 4, "maps": 2}

    def __post_init__(self) -> None:
        cosmology.check_baryons(self.prior, self.omega_b)
        if self.source >= self.redshift:
            raise ValueError(
                f"source: {self.source:g} given; allowed: below redshift = {self.redshift:g}"
            )
        dense, sparse = cosmology.reach(self.prior, "omega_m")[::-1]
        self._check_box(dense)
        self._check_field(sparse)

    @property
    def data(self) -> Fields:
        geometry = Geometry(
            pixels=(self.pixels,) * 2, box=self.field, unit="degree", periodic=False
        )
        return Fields(geometry=geometry, channels=("convergence",), quantity="convergence")

    def simulate(self, theta: Array, rng: Generator) -> Array:
        """Maps with shape (N * maps, 1, pixels, pixels), float32.

        Raises:
            ValueError: If a map of such a universe is wider than the box.
            ArithmeticError: If the particles have no finite position.
        """
        found = np.stack([self._maps(row, rng) for row in theta])
        return found.astype(np.float32).reshape(-1, *self.data.shape)

    def _maps(self, theta: Array, rng: Generator) -> Array:
        """The maps of one box, with shape (maps, pixels, pixels)."""
        omega_m, width = float(theta[0]), np.radians(self.field) / self.box
        self._check_field(omega_m)
        turns = rng.spawn(1)[0]
        planes = lensing.planes(omega_m, self.source, self.box)
        kappa = np.zeros((self.maps, self.pixels, self.pixels))
        far_to_near = zip(planes.chi[::-1], planes.weight[::-1], strict=True)
        contrasts = self._contrasts(theta, planes.z[::-1], rng)
        for (chi, weight), delta in zip(far_to_near, contrasts, strict=True):
            for one in kappa:
                plane = delta[turns.integers(len(delta))]
                one += weight * lensing.cropped(plane, chi * width, self.pixels, turns)
        return kappa

    def _contrasts(self, theta: Array, z: Array, rng: Generator) -> Iterator[Array]:
        """delta through the box along each axis, (3, mesh, mesh), at falling redshifts."""
        universe = {"omega_b": self.omega_b, "h": self.h, "n_s": self.n_s}
        displacements = leapfrog.passing(
            cosmology.linear_field(theta, rng, mesh=self.mesh, box=self.box, **universe),
            omega_m=float(theta[0]),
            omega_b=self.omega_b,
            h=self.h,
            start=self.redshift,
            redshifts=z,
            steps=self.steps,
        )
        for displacement in displacements:
            if not np.isfinite(displacement).all():
                raise ArithmeticError(f"theta {theta}: particles without a finite position")
            tracers = sheet.trace(displacement, _SPACING)
            yield sheet.slab_maps(tracers, self.mesh, 1)[:, 0] - 1

    def _check_box(self, omega_m: float) -> None:
        """Raise ValueError where there are but a few planes."""
        reach = float(background.comoving_distance(np.array(self.source), omega_m))
        if self.box > reach / _FEWEST:
            raise ValueError(
                f"box: {self.box:g} given; allowed: up to {reach / _FEWEST:.0f} Mpc/h, so that "
                f"{_FEWEST} planes lie before redshift {self.source:g} at omega_m = {omega_m:g}"
            )

    def _check_field(self, omega_m: float) -> None:
        """Raise ValueError where a map is wider than the box."""
        reach = float(background.comoving_distance(np.array(self.source), omega_m))
        widest = float(np.degrees(self.box / reach))
        if self.field > widest:
            raise ValueError(
                f"field: {self.field:g} given; allowed: up to {np.floor(100 * widest) / 100:g} "
                f"degrees, the box of {self.box:g} Mpc/h at redshift {self.source:g} where "
                f"omega_m = {omega_m:g}"
            )
