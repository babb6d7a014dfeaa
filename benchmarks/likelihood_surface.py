"""A likelihood surface of 50 x 50 parameters: one pass a level against one a level and parameter.

    python benchmarks/likelihood_surface.py [--levels 16]

The same field, the same levels and the same noise, scored by both ways of conditioning, with
networks of one size (untrained: time does not depend on weights). Then accuracy: the factorised
surface against the same model evaluated parameter by parameter; and, where a posterior has its
mass, the closed form of the linear denoiser, fitted to Gaussian fields, against the bound with
their exact denoiser, which has Monte Carlo error, and against their exact likelihood.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sbipipe.emulators.diffusion.denoiser import add_noise
from sbipipe.emulators.diffusion.factorised import Factorised
from sbipipe.emulators.diffusion.film import Film
from sbipipe.emulators.diffusion.gaussian import GaussianDenoiser
from sbipipe.emulators.diffusion.linear import LinearDenoiser, fit_linear
from sbipipe.emulators.diffusion.network import UNet
from sbipipe.learning.chebyshev import Basis, scaled
from sbipipe.physics import fields
from sbipipe.physics.bands import bands_of
from sbipipe.simulators.lognormal import Lognormal

SIMULATOR = Lognormal(output="log")
SIDE, TARGET = 50, 200.0
NEAR, PARAMETERS = 10.0, 48
"""Nats below the highest likelihood, and parameters drawn there."""


def simulate(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Fields (n, 1, 32, 32) and their parameters on [-1, 1]^2."""
    rng = np.random.default_rng(seed)
    theta = SIMULATOR.prior.sample(n, rng)
    x = torch.from_numpy(SIMULATOR.simulate(theta, rng))
    return x, scaled(SIMULATOR.prior.to_unit(theta))


def grid(side: int) -> Tensor:
    axis = torch.linspace(-0.98, 0.98, side, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis)


def exact_denoiser(scale: float) -> GaussianDenoiser:
    """Of fields divided by `scale`."""
    of_mode = fields.shells(SIMULATOR.pixels, 2, SIMULATOR.box).of_mode

    def power(s: Tensor) -> np.ndarray:
        theta = SIMULATOR.prior.from_unit((s.numpy() + 1) / 2)
        return SIMULATOR.power(theta) / (SIMULATOR.box / SIMULATOR.pixels) ** 2

    return GaussianDenoiser(
        eigenvalues=lambda s: torch.from_numpy(power(s)[:, of_mode]) / scale**2,
        mean=lambda s: torch.from_numpy(-power(s)[:, of_mode].mean((1, 2)) / 2) / scale,
    )


def seconds(work: Callable[[], Tensor]) -> tuple[float, Tensor]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--levels", type=int, default=16)
    levels = parser.parse_args().levels
    x, s = simulate(20000, 0)
    scale = float(x.std())
    linear = fit_linear(x / scale, s, Basis(2, 4))
    field = simulate(1, 1)[0] / scale
    print(
        json.dumps({**speed(linear, field, levels), **closed_form(linear, field, scale)}, indent=1)
    )


def speed(linear: LinearDenoiser, field: Tensor, count: int) -> dict[str, float]:
    """Wall times of both surfaces, and the largest difference where they should agree."""
    torch.manual_seed(0)
    size = {"channels": 1, "dimensions": 2, "width": 16, "multipliers": (1, 2), "blocks": 1}
    film = Film(linear, UNet(outputs=1, conditions=2, **size)).eval()
    model = Factorised(linear, UNet(outputs=8, **size), 8, 1).eval()
    with torch.no_grad():
        model.table.normal_()
    points = grid(SIDE)
    log_snr = np.linspace(-6, 8, count)
    noise = [torch.randn(field.shape) for _ in log_snr]

    def by_film() -> Tensor:
        parts = [
            film.rest_values(field, eps, level, 1.0, points)
            for level, eps in zip(log_snr, noise, strict=True)
        ]
        return torch.stack(parts).sum(0)

    def by_factors() -> Tensor:
        forms = [
            model.rest_form(field, eps, level, 1.0)
            for level, eps in zip(log_snr, noise, strict=True)
        ]
        return torch.stack(forms).sum(0) @ linear.basis.squared(points).T

    by_factors()
    slow, _ = seconds(by_film)
    fast, surface = min((seconds(by_factors) for _ in range(5)), key=lambda found: found[0])
    expected = one_by_one(model, field, log_snr, noise, points)
    return {
        "levels": count,
        "film_passes": count * len(points),
        "factorised_passes": count,
        "film_seconds": slow,
        "factorised_seconds": fast,
        "ratio": slow / fast,
        "ratio_reached": slow / fast >= TARGET,
        "largest_difference_nats": float((surface - expected).abs().max()),
    }


@torch.no_grad()
def one_by_one(
    model: Factorised, field: Tensor, log_snr: np.ndarray, noise: list[Tensor], points: Tensor
) -> Tensor:
    """The factorised model's surface, a pass for every parameter."""
    total = torch.zeros(1, len(points), dtype=torch.float64)
    for level, eps in zip(log_snr, noise, strict=True):
        many, same = field.expand(len(points), -1, -1, -1), eps.expand(len(points), -1, -1, -1)
        levels = torch.full((len(points),), float(level))
        z = add_noise(many, same, levels)
        full, alone = ((same - g(z, levels, points)).double() for g in (model, model.linear))
        total += ((full.square() - alone.square()).flatten(1).sum(1) / 2)[None]
    return total


def near_the_maximum(field: Tensor) -> tuple[Tensor, np.ndarray]:
    """Parameters s with a high likelihood of a field in the simulator's units, and log-likelihoods
    there."""
    s = grid(400)
    theta = SIMULATOR.prior.from_unit((s[:, None].numpy() + 1) / 2)
    exact = np.concatenate(
        [SIMULATOR.log_likelihood(part, field.numpy())[:, 0] for part in np.array_split(theta, 50)]
    )
    near = np.flatnonzero(exact > exact.max() - NEAR)
    chosen = np.random.default_rng(3).choice(near, min(PARAMETERS, len(near)), replace=False)
    chosen = chosen[np.argsort(-exact[chosen])]
    return s[chosen], exact[chosen]


@torch.no_grad()
def closed_form(linear: LinearDenoiser, field: Tensor, scale: float) -> dict[str, float]:
    """Differences of log-likelihood from the likeliest of some parameters."""
    points, exact = near_the_maximum(field * scale)
    draws, count = 16, 128
    denoiser = exact_denoiser(scale)
    low, high = linear.log_snr[[0, -1]].tolist()
    rng = np.random.default_rng(2)
    values = torch.zeros(draws, len(points), dtype=torch.float64)
    for draw in range(draws):
        for level in low + (high - low) * (np.arange(count) + rng.random(count)) / count:
            levels = torch.full((len(points),), float(level))
            eps = torch.from_numpy(rng.standard_normal(field.shape))
            many, same = (
                tensor.expand(len(points), -1, -1, -1) for tensor in (field.double(), eps)
            )
            missed = same - denoiser(add_noise(many, same, levels), levels, points)
            values[draw] -= missed.square().flatten(1).sum(1) * (high - low) / count / 2
    values = (values - values[:, :1])[:, 1:].numpy()
    surface = -(
        linear.basis.squared(points)
        @ linear.form(bands_of(field.shape[1:]).moments(field), *linear.quadrature)[0]
    ).numpy()
    surface, exact = surface[1:] - surface[0], exact[1:] - exact[0]
    error = values.std(0, ddof=1) / draws**0.5
    bound = values.mean(0)
    return {
        "exact_denoiser_parameters": len(points),
        "exact_denoiser_mean_error_nats": float(error.mean()),
        "exact_denoiser_against_exact_likelihood_over_error": float(
            (np.abs(bound - exact) / error).max()
        ),
        "linear_against_exact_denoiser_over_error": float((np.abs(surface - bound) / error).max()),
        "linear_against_exact_likelihood_nats": float(np.abs(surface - exact).max()),
    }


if __name__ == "__main__":
    main()
