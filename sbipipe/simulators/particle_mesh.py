r"""Dark matter in a periodic box, by a particle mesh.

Initial conditions are a Gaussian field with the linear power of `cosmology`; `physics/leapfrog.py`
moves the particles from the starting redshift to that of the field. This is zero, or the third
parameter, `redshift` from 0 to 2, where the prior names one; sigma_8 is that of today.

Fields are painted from the phase-space sheet (`phase_space_sheet`), so pixels in voids are not
empty. With `output: slice` the box is cut into `slabs` along each axis, and a field is a map of one
of them. Maps follow each other as in the CAMELS Multifield Dataset: the slabs along x, those along
y, those along z. With `output: box` the one field is the whole box in three dimensions. The
channels are

    density: log10(1 + delta),
    gas:     log10(1 + delta) of the sheet whose displacements psi are smoothed,
             psi_gas(k) = exp(-k^2 R^2 / 2) psi(k), with R = `filtering`,
    energy:  log10(1 + sigma^2 / (10 km/s)^2), with sigma the velocity dispersion of overlapping
             streams (`streams`); of a slab, sigma^2 is the mean through it, weighted by mass.

**Gas and energy are proxies** that follow from the dark matter: there is no pressure, cooling or
feedback. Smoothing takes the gas out of haloes, as pressure and feedback do (Gnedin & Hui 1998,
astro-ph/9706219, filter the density instead). With R = 1 Mpc/h its power is 0.96 of that of the
dark matter at 0.3 h/Mpc, 0.72 at 1.8 h/Mpc and 0.92 at 4 h/Mpc, where sheets stay thin since their
streams do not mix. Streams that cross stand for gas that was shocked, 10 km/s for its sound speed
at some 10^4 K. Where there is a single stream it is cold, and the energy zero.

Ten steps from redshift 9 give the power of the maps of 40 steps within 2 % up to their Nyquist
wavenumber (`benchmarks/particle_mesh_convergence.py`). The force is softened on the scale of the
mesh, as in every particle mesh, so structure below two cells depends on where the mesh starts:
these are maps of this model with this starting redshift, no substitute for a resolved simulation.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field

from sbipipe.interfaces import Array, Fields, Generator, Geometry
from sbipipe.physics import cosmology, fields, leapfrog, streams
from sbipipe.physics import phase_space_sheet as sheet
from sbipipe.physics.parameters import REDSHIFT
from sbipipe.records import Positive, plugin

__all__ = ["ParticleMesh"]

Channel = Literal["density", "gas", "energy"]

_QUANTITIES = {
    "density": "log10(1 + delta)",
    "gas": "log10(1 + delta)",
    "energy": "log10(1 + (sigma / 10 km/s)^2)",
}
_COLD = 10.0
"""The dispersion below which a place is cold [km/s]."""
_FINER = 2
"""Points at which streams are found along each side of a pixel: maps of log energy then correlate
by 0.99 with those of four, and by 0.89 where there is one."""


def _once(channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    if len(set(channels)) < len(channels):
        raise ValueError(f"{', '.join(channels)} given; allowed: each of them once")
    return channels


@plugin
class ParticleMesh:
    """Maps or boxes of log10(1 + delta); theta = (omega_m, sigma_8), and redshift where wanted.

    Attributes:
        prior: The prior of omega_m and sigma_8, and of redshift (0 to 2) where fields are to have
            one other than zero.
        omega_b, h, n_s: The density of baryons, the Hubble constant [100 km/s/Mpc] and the
            spectral index; by default those of CAMELS.
        box: The side of the box [Mpc/h].
        mesh: The number of particles, and of cells of the force mesh, along each side.
        steps: The number of leapfrog steps.
        redshift: The redshift at which they start, above that of any field.
        spacing: The largest distance between the sheet's tracers [pixels].
        pixels: The number of pixels along each side of a field.
        slabs: The number of slabs along each axis; not used for a box.
        output: What a field is: "slice", a map of a slab, or "box", the whole box in three
            dimensions, one a simulation.
        channels: What a pixel holds, in this order: "density" of the dark matter, and two proxies
            that follow from it, "gas", its density with displacements smoothed, and "energy", the
            velocity dispersion of overlapping streams.
        filtering: The scale R on which the displacements of the gas are smoothed [Mpc/h].
    """

    prior: cosmology.RedshiftPrior = Field(default_factory=cosmology.default_prior)
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
    output: Literal["slice", "box"] = "slice"
    channels: Annotated[tuple[Channel, ...], Field(min_length=1), AfterValidator(_once)] = (
        "density",
    )
    filtering: Annotated[float, Field(gt=0)] = 1.0

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it simulates in a second, for tests and trials."""
        return {"mesh": 16, "pixels": 16, "steps": 2}

    def __post_init__(self) -> None:
        cosmology.check_baryons(self.prior, self.omega_b)
        if REDSHIFT in self.prior.columns:
            _, most = cosmology.reach(self.prior, REDSHIFT)
            if most >= self.redshift:
                raise ValueError(
                    f"redshift: {self.redshift:g} given; allowed: above the {most:g} that the "
                    "prior reaches"
                )
        if self._sliced and "energy" in self.channels and self.slabs > self.pixels:
            raise ValueError(
                f"slabs: {self.slabs} given; allowed with energy: up to the {self.pixels} pixels"
            )

    @property
    def maps(self) -> int:
        return 3 * self.slabs if self._sliced else 1

    @property
    def data(self) -> Fields:
        geometry = Geometry(pixels=(self.pixels,) * (2 if self._sliced else 3), box=self.box)
        quantity = _QUANTITIES[self.channels[0]]
        return Fields(geometry=geometry, channels=self.channels, quantity=quantity)

    def simulate(self, theta: Array, rng: Generator) -> Array:
        """Maps with shape (N * maps, C, pixels, pixels), or boxes with shape (N, C, pixels, pixels,
        pixels); float32.

        Raises:
            ValueError: If a redshift lies outside 0 to 2.
            ArithmeticError: If a pixel is empty, or the particles have no finite position.
        """
        maps = np.stack([self._channels(self.motion(row, rng), row) for row in theta])
        return maps.astype(np.float32).reshape(-1, *self.data.shape)

    def motion(self, theta: Array, rng: Generator) -> leapfrog.Motion:
        """Where the particles of one universe are at its redshift, and where they go.

        Args:
            theta: With shape (2,), for redshift zero, or (3,).
            rng: Of the random phases; always draws mesh^3 normals.
        """
        return leapfrog.moved(
            self.linear_field(theta, rng),
            omega_m=float(theta[0]),
            omega_b=self.omega_b,
            h=self.h,
            start=self.redshift,
            end=_redshift(theta),
            steps=self.steps,
        )

    def displacement(self, theta: Array, rng: Generator) -> Array:
        """How far the particles have come, with shape (mesh, mesh, mesh, 3), in cells of the
        mesh; of the same arguments as `motion`."""
        return self.motion(theta, rng).displacement

    def linear_field(self, theta: Array, rng: Generator) -> Array:
        """The linear density contrast at redshift zero, with shape (mesh, mesh, mesh)."""
        universe = {"omega_b": self.omega_b, "h": self.h, "n_s": self.n_s}
        return cosmology.linear_field(theta, rng, mesh=self.mesh, box=self.box, **universe)

    def overdensity(self, displacement: Array, theta: Array) -> Array:
        """1 + delta, with shape (3, slabs, pixels, pixels) or (pixels, pixels, pixels)."""
        tracers = self._tracers(displacement, theta)
        if self._sliced:
            density = sheet.slab_maps(tracers, self.pixels, self.slabs)
        else:
            density = sheet.box_density(tracers, self.pixels)
        self._require_filled(density, theta)
        return density

    def energy(self, motion: leapfrog.Motion, theta: Array) -> Array:
        """sigma^2 / (10 km/s)^2, with the shape of `overdensity`."""
        fine = streams.dispersion(*motion, _FINER * self.pixels).variance
        speed = 100 * self.box / self.mesh * (1 + _redshift(theta)) / _COLD
        variance = speed**2 * fields.average(fine[None, None], _FINER)[0, 0]
        if not self._sliced:
            return np.asarray(variance)
        rho = sheet.box_density(self._tracers(motion.displacement, theta), self.pixels)
        weight = sheet.slab_sums(rho, self.slabs)
        self._require_filled(weight, theta)
        return np.asarray(sheet.slab_sums(rho * variance, self.slabs) / weight)

    @property
    def _sliced(self) -> bool:
        return self.output == "slice"

    def _channels(self, motion: leapfrog.Motion, theta: Array) -> Array:
        """The fields of one universe, with shape (maps, C, *space)."""
        faces = [self._face(channel, motion, theta) for channel in self.channels]
        return np.stack(faces, -len(self.data.shape)).reshape(-1, *self.data.shape)

    def _face(self, channel: Channel, motion: leapfrog.Motion, theta: Array) -> Array:
        """A channel of every field, with the shape of `overdensity`."""
        if channel == "energy":
            return np.log10(1 + self.energy(motion, theta))
        psi = motion.displacement
        if channel == "gas":
            psi = fields.smoothed(psi, self.filtering, self.box).astype(psi.dtype)
        return np.log10(self.overdensity(psi, theta))

    def _tracers(self, displacement: Array, theta: Array) -> sheet.Tracers:
        if not np.isfinite(displacement).all():
            raise ArithmeticError(f"{_where(theta)}: particles without a finite position")
        return sheet.trace(displacement, self.spacing * self.mesh / self.pixels)

    def _require_filled(self, maps: Array, theta: Array) -> None:
        empty = np.argwhere(maps.reshape(self.maps, -1) <= 0)
        if len(empty):
            raise ArithmeticError(
                f"{_where(theta)}: {len(empty)} empty pixels, the first in map {empty[0, 0]}; "
                f"a spacing below {self.spacing:g} pixels fills them"
            )


def _redshift(theta: Array) -> float:
    z = float(theta[2]) if len(theta) > 2 else 0.0
    if not 0 <= z <= cosmology.FURTHEST:
        raise ValueError(f"redshift {z:g} given; allowed: 0 to {cosmology.FURTHEST:g}")
    return z


def _where(theta: Array) -> str:
    return f"theta {np.array2string(np.asarray(theta), precision=6)}"
