r"""Lognormal fields in two dimensions, whose likelihood is known exactly.

The density contrast of a slab of thickness T is delta = exp(g - <g^2> / 2) - 1 with a Gaussian,
periodic field g (Coles & Jones 1991). The power of g is that of the linear density contrast
averaged through the slab,

    P_g(k) = int dk_z / (2 pi)  P(sqrt(k^2 + k_z^2))  sinc^2(k_z T / 2)     [(Mpc/h)^2],

with P from `cosmology`, integrated to k_z T / 2 = 20 pi. The mode k = 0 gets the power of the
fundamental mode: without any, the mean of log(1 + delta) would be a function of theta without
noise, and the likelihood a delta function.

**The likelihood.** Let y = log(1 + delta) on N pixels, Y its orthonormal discrete Fourier
transform, and lambda_k = P_g(k) / (pixel area) the eigenvalues of the covariance. Then

    -2 log p(y | theta) = N log 2 pi + sum_k [log lambda_k + |Y_k - M_k|^2 / lambda_k],

where M_k is zero but for M_0 = -sqrt(N) v / 2, and v = mean_k lambda_k is the variance of g. The
amplitude is a factor, lambda = sigma_8^2 s, so with S_j = the sum of |Y_k|^2 over the modes of the
j-th length of k, and m_j their number,

    -2 log p = N log(2 pi sigma_8^2) + L(Omega_m) + Q(Omega_m; y) / sigma_8^2
               + sqrt(N) Y_0 V(Omega_m) / s_0 + sigma_8^2 N V^2 / (4 s_0),
    L = sum_j m_j log s_j,    Q = sum_j S_j / s_j,    V = mean_k s.

L, Q and V are functions of Omega_m alone: cubic splines on `nodes` values, Q by one product of
matrices for all observations. `output: delta` adds the Jacobian, log p(delta) = log p(y) - sum y.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field
from scipy.interpolate import CubicSpline

from sbipipe.interfaces import Array, Fields, Generator, Geometry, Mask
from sbipipe.physics import cosmology, fields
from sbipipe.priors.cube import EDGE
from sbipipe.records import plugin

__all__ = ["Lognormal"]

_NODES = 256
_BLOCK = 2**21
"""Values of the likelihood computed at a time."""


@plugin
class Lognormal:
    """Lognormal maps with shape (N, 1, pixels, pixels); theta = (omega_m, sigma_8).

    Attributes:
        prior: The prior of omega_m and sigma_8.
        omega_b, h, n_s: The density of baryons, the Hubble constant [100 km/s/Mpc] and the
            spectral index.
        box: The side of the map [Mpc/h].
        thickness: The thickness of the slab [Mpc/h].
        pixels: The number of pixels along each side.
        output: What a pixel holds: "log" for ln(1 + delta), "log10" for log10(1 + delta), which
            maps of `particle_mesh` hold, "delta" for delta.
    """

    prior: cosmology.CosmologyPrior = Field(default_factory=cosmology.default_prior)
    omega_b: cosmology.OmegaB = 0.049
    h: cosmology.Hubble = 0.6711
    n_s: cosmology.Tilt = 0.9624
    box: Annotated[float, Field(gt=0)] = 250.0
    thickness: Annotated[float, Field(gt=0)] = 25.0
    pixels: Annotated[int, Field(ge=2, le=1024)] = 32
    output: Literal["log", "log10", "delta"] = "log"

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it simulates in no time, for tests and trials."""
        return {"pixels": 8}

    def __post_init__(self) -> None:
        cosmology.check_baryons(self.prior, self.omega_b)

    @property
    def maps(self) -> int:
        return 1

    @property
    def data(self) -> Fields:
        geometry = Geometry(pixels=(self.pixels,) * 2, box=self.box)
        quantity = {"log": "ln(1 + delta)", "log10": "log10(1 + delta)", "delta": "delta"}
        return Fields(geometry=geometry, channels=("density",), quantity=quantity[self.output])

    def power(self, theta: Array) -> Array:
        """P_g at every length of k that the grid has, (N, 2) -> (N, K) [(Mpc/h)^2]."""
        theta = np.asarray(theta, np.float64)
        self._check(theta)
        shape = np.exp(self._table.log_shape(np.log(theta[:, 0])))
        return np.asarray(theta[:, 1:] ** 2 * shape * (self.box / self.pixels) ** 2)

    def simulate(self, theta: Array, rng: Generator) -> Array:
        """Fields, float32.

        Raises:
            ValueError: If omega_m lies beyond the prior.
        """
        modes = fields.shells(self.pixels, 2, self.box)
        logs = []
        for power in self.power(theta):
            noise = rng.standard_normal((self.pixels, self.pixels))
            g = fields.gaussian_field(noise, power[modes.of_mode], self.box)
            logs.append(g - (modes.modes @ power) / self.box**2 / 2)
        y = np.stack(logs)[:, None]
        return (np.expm1(y) if self.output == "delta" else y / self._unit).astype(np.float32)

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        """log p(x | theta) in nats, (n, B, 2) and (B, 1, pixels, pixels) -> (n, B).

        Minus infinity where there is no such universe (omega_m beyond the prior's reach, sigma_8
        not above zero) and for a field with delta <= -1.
        """
        theta = np.asarray(theta, np.float64)
        columns = max(1, _BLOCK // max(1, len(theta)))
        blocks = [
            self._block(theta[:, i : i + columns], np.asarray(x[i : i + columns], np.float64))
            for i in range(0, theta.shape[1], columns)
        ]
        return np.concatenate(blocks, 1) if blocks else np.empty(theta.shape[:2])

    def _block(self, theta: Array, x: Array) -> Array:
        """`log_likelihood` of a few observations."""
        delta = self.output == "delta"
        possible = np.full(len(x), not delta) | (x > -1).all((1, 2, 3))
        y = np.log1p(np.where(x > -1, x, 0.0)) if delta else x * self._unit
        sums, mean_mode = self._sufficient(y)
        log_omega, variance, inside = self._coordinates(theta)
        t, N = self._table, self.pixels**2
        q = CubicSpline(t.log_omega, (sums @ (1 / t.shape).T).T)
        minus_two_log_p = (
            N * np.log(2 * np.pi * variance)
            + t.log_determinant(log_omega)
            + _columnwise(q, log_omega) / variance
            + np.sqrt(N) * mean_mode * t.mean_shift(log_omega)
            + variance * N * t.squared_shift(log_omega)
        )
        jacobian = np.sqrt(N) * mean_mode if delta else -N * np.log(self._unit)
        return np.where(inside & possible, -0.5 * minus_two_log_p - jacobian, -np.inf)

    @property
    def _unit(self) -> float:
        """ln(1 + delta) of a pixel with the value 1, where that is a logarithm."""
        return float(np.log(10)) if self.output == "log10" else 1.0

    def _sufficient(self, y: Array) -> tuple[Array, Array]:
        """S with shape (B, K), and Y_0 with shape (B,)."""
        modes = fields.shells(self.pixels, 2, self.box)
        transform = np.fft.fft2(y[:, 0], norm="ortho")
        squares = (np.abs(transform) ** 2).reshape(len(y), -1)
        which = modes.of_mode.ravel()
        sums: Array = np.stack([np.bincount(which, row, len(modes.k)) for row in squares])
        return sums, transform[:, 0, 0].real

    def _coordinates(self, theta: Array) -> tuple[Array, Array, Mask]:
        """log omega_m, sigma_8^2 and whether they are possible, each with shape (n, B); harmless
        values where they are not."""
        low, high = self._reach
        omega_m, sigma_8 = theta[..., 0], theta[..., 1]
        inside = (omega_m >= low) & (omega_m <= high) & (sigma_8 > 0)
        safe = np.where(inside, omega_m, high), np.where(inside, sigma_8, 1.0)
        return np.log(safe[0]), safe[1] ** 2, inside

    def _check(self, theta: Array) -> None:
        low, high = self._reach
        if not ((theta[:, 0] >= low) & (theta[:, 0] <= high)).all():
            raise ValueError(
                f"omega_m from {theta[:, 0].min():g} to {theta[:, 0].max():g} given; "
                f"allowed: {low:g} to {high:g}, the reach of the prior"
            )

    @cached_property
    def _reach(self) -> tuple[float, float]:
        """The values of omega_m that the prior can give, as far as they are physical."""
        least, greatest = self._ends
        return max(least, 1.02 * self.omega_b), min(greatest, 0.999)

    @property
    def _ends(self) -> tuple[float, float]:
        """The same, physical or not; a little apart where it is fixed."""
        if "omega_m" in self.prior.fixed:
            value = self.prior.fixed["omega_m"]
            return 0.99 * value, 1.01 * value
        margin = self.prior.margins.marginals["omega_m"].distribution
        low, high = margin.support()
        return (
            float(low) if np.isfinite(low) else float(margin.ppf(EDGE)),
            float(high) if np.isfinite(high) else float(margin.ppf(1 - EDGE)),
        )

    @property
    def _table(self) -> _Table:
        universe = (self.omega_b, self.h, self.n_s)
        return _table(self.pixels, self.box, self.thickness, universe, self._reach)


class _Table(NamedTuple):
    """Functions of log omega_m at sigma_8 = 1.

    Attributes:
        log_omega: The nodes, with shape (M,).
        shape: The values of s_j at the nodes, with shape (M, K).
        log_shape: The spline of log s_j.
        log_determinant: The spline of L.
        mean_shift: The spline of V / s_0.
        squared_shift: The spline of V^2 / (4 s_0).
    """

    log_omega: Array
    shape: Array
    log_shape: CubicSpline
    log_determinant: CubicSpline
    mean_shift: CubicSpline
    squared_shift: CubicSpline


@cache
def _table(
    pixels: int,
    box: float,
    thickness: float,
    universe: tuple[float, float, float],
    reach: tuple[float, float],
) -> _Table:
    """Tabulate the spectra, once per process."""
    modes = fields.shells(pixels, 2, box)
    log_omega = np.linspace(np.log(reach[0]), np.log(reach[1]), _NODES)
    s = _slab_power(modes.k[1:], thickness, np.exp(log_omega), universe) * (pixels / box) ** 2
    s = np.concatenate([s[:, :1], s], 1)
    V = s @ modes.modes / pixels**2
    return _Table(
        log_omega,
        s,
        CubicSpline(log_omega, np.log(s)),
        CubicSpline(log_omega, np.log(s) @ modes.modes),
        CubicSpline(log_omega, V / s[:, 0]),
        CubicSpline(log_omega, V**2 / s[:, 0] / 4),
    )


def _slab_power(
    k: Array, thickness: float, omega_m: Array, universe: tuple[float, float, float]
) -> Array:
    """P_g at sigma_8 = 1, with shape (M, K): Gauss-Legendre on 20 lobes of the window."""
    omega_b, h, n_s = universe
    x, w = np.polynomial.legendre.leggauss(16)
    u = (np.pi * (np.arange(20)[:, None] + (x + 1) / 2)).ravel()
    k_z = 2 * u / thickness
    weight = np.tile(w, 20) / thickness * np.sinc(u / np.pi) ** 2
    length = np.sqrt(k[:, None] ** 2 + k_z**2)
    knots = np.geomspace(length.min() * 0.99, length.max() * 1.01, 800)
    theta = np.stack([omega_m, np.ones_like(omega_m)], -1)
    power = cosmology.linear_power(knots, theta, omega_b=omega_b, h=h, n_s=n_s)
    log_length = np.log(length)
    rows = [np.exp(CubicSpline(np.log(knots), np.log(row))(log_length)) @ weight for row in power]
    return np.stack(rows)


def _columnwise(spline: CubicSpline, x: Array) -> Array:
    """Column b of the spline at x[:, b], (n, B) -> (n, B)."""
    knots = spline.x
    step = (knots[-1] - knots[0]) / (len(knots) - 1)
    interval = np.clip(((x - knots[0]) / step).astype(np.int64), 0, len(knots) - 2)
    u = x - knots[interval]
    column = np.arange(x.shape[1])
    value = np.zeros_like(x)
    for coefficient in spline.c:
        value = value * u + coefficient[interval, column]
    return value
