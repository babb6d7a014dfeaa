"""Samplers against the exact denoiser of a Gaussian field.

It is linear, so every sampler multiplies each Fourier mode of the noise by a number, and what it
makes of a point shows all of them.
"""

import math
from itertools import pairwise

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from sbipipe.emulators.diffusion.gaussian import GaussianDenoiser
from sbipipe.emulators.diffusion.sampler import Sampler, look_ahead

RANGE = (-12.0, 12.0)
KINDS = ["ddim", "dpm", "ancestral", "sde"]


def spectrum(space: tuple[int, ...] = (16, 16)) -> Tensor:
    """A power law whose largest eigenvalue is a thousand times its smallest, with mean one."""
    axes = torch.meshgrid(*(torch.fft.fftfreq(side).double() for side in space), indexing="ij")
    k = torch.sqrt(sum(axis**2 for axis in axes)).clamp(min=1 / max(space))
    power = k ** (-math.log(1000) / math.log(k.max() / k.min()))
    return power / power.mean()


def wiener(power: Tensor) -> GaussianDenoiser:
    return GaussianDenoiser(eigenvalues=lambda s: power.expand(len(s), *power.shape))


def factors(sampler: Sampler, power: Tensor) -> Tensor:
    """By which each mode of the noise is multiplied."""
    point = torch.zeros(1, 1, *power.shape, dtype=torch.float64)
    point.view(-1)[0] = 1.0
    field = sampler.sample(wiener(power), point, torch.zeros(1, 0), RANGE)
    factor = torch.fft.fftn(field[0, 0])
    assert factor.imag.abs().max() < 1e-12
    return factor.real


def flow(power: Tensor) -> Tensor:
    """The same for the exact solution, on which z / sqrt(its variance) does not change."""
    low, high = (torch.sigmoid(torch.tensor(end).double()) for end in RANGE)
    before, after = (alpha2 * power + 1 - alpha2 for alpha2 in (low, high))
    return torch.sqrt(after / before) * torch.sqrt(high) * power / after


def error(kind: str, steps: int, power: Tensor) -> float:
    """Largest relative error of the factors."""
    ratio = factors(Sampler(kind=kind, steps=steps), power) / flow(power)
    return float((ratio - 1).abs().max())


def test_the_flow_leads_to_the_eigenvalues():
    power = spectrum()
    assert power.max() / power.min() == pytest.approx(1000)
    torch.testing.assert_close(flow(power) ** 2, power, rtol=1e-3, atol=0)


def two_values(z: Tensor, log_snr: Tensor, s: Tensor) -> Tensor:
    """The exact denoiser of pixels that are 1 or -1, but for a scatter of 0.3.

    Of x = a + u with a = +-1, E[a | z] = tanh(alpha z / v) with the variance v of z about alpha a,
    and u follows by Wiener's filter.
    """
    alpha, sigma = (torch.sigmoid(sign * log_snr[0].double()).sqrt() for sign in (1, -1))
    scatter2 = 0.3**2
    v = alpha**2 * scatter2 + sigma**2
    a = torch.tanh(alpha * z / v)
    x = a + alpha * scatter2 / v * (z - alpha * a)
    return (z - alpha * x) / sigma


@pytest.mark.parametrize(("kind", "order"), [("ddim", 1), ("dpm", 2)])
def test_errors_fall_with_the_order_of_the_method(kind: str, order: int):
    noise = torch.linspace(-2, 2, 41).double().view(1, 1, -1)

    def fields(steps: int, kind: str = kind) -> Tensor:
        return Sampler(kind=kind, steps=steps).sample(two_values, noise, torch.zeros(1, 0), RANGE)

    expected = fields(6401, "dpm")
    coarse, fine, finest = (
        float((fields(steps) - expected).abs().mean()) for steps in (101, 201, 401)
    )
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.15)
    assert math.log2(fine / finest) == pytest.approx(order, abs=0.1)


def test_twenty_steps_of_the_second_order_give_every_mode_its_power():
    power = spectrum()
    variances = factors(Sampler(kind="dpm", steps=20), power) ** 2
    torch.testing.assert_close(variances, power, rtol=0.01, atol=0)
    assert error("dpm", 20, power) < error("ddim", 20, power) / 30


def test_twenty_steps_of_the_diffusion_give_every_mode_its_power():
    """In three bands of equal numbers of modes; 2,000 fields."""
    power, n = spectrum((64,)), 2000
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(n, 1, 64, generator=generator, dtype=torch.float64)
    fields = Sampler(kind="sde", steps=20).sample(
        wiener(power), noise, torch.zeros(n, 0), RANGE, generator
    )
    modes = torch.fft.rfft(fields[:, 0])[:, 1:-1].abs() ** 2 / 64
    ratio = modes.mean(0) / power[1:32]
    for band in ratio.tensor_split(3):
        assert float(band.mean()) == pytest.approx(1, abs=0.01 + 4 / math.sqrt(n * len(band)))


@pytest.mark.parametrize("k", [0, 1])
def test_the_look_ahead_of_small_steps_is_that_of_the_solver(k: int):
    """1/2 - O(h)."""
    half, quarter, eighth = (0.5 - look_ahead(*RANGE, steps, k) for steps in (101, 201, 401))
    assert half / quarter == pytest.approx(2, abs=0.1)
    assert quarter / eighth == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("kind", ["dpm", "sde"])
@pytest.mark.parametrize("steps", [2, 3])
def test_a_few_steps_of_the_second_order_are_finite(kind: str, steps: int):
    field = Sampler(kind=kind, steps=steps).sample(
        wiener(spectrum()), torch.randn(1, 1, 16, 16), torch.zeros(1, 0), RANGE
    )
    assert field.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_budget_is_the_number_of_passes(kind: str):
    power, seen = spectrum(), []

    def counted(z: Tensor, log_snr: Tensor, s: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        seen.append(log_snr)
        return wiener(power)(z, log_snr, s)

    noise = torch.randn(3, 1, 16, 16)
    fields = Sampler(kind=kind, steps=7).sample(counted, noise, torch.zeros(3, 0), RANGE)
    assert fields.dtype == noise.dtype
    levels = torch.stack(seen)
    assert levels.shape == (7, 3)
    torch.testing.assert_close(levels, torch.linspace(*RANGE, 7)[:, None].expand(7, 3))


@pytest.mark.parametrize("space", [(32,), (16, 16), (4, 4, 8)])
@pytest.mark.parametrize("kind", KINDS)
def test_drawn_fields_have_the_spectrum(kind: str, space: tuple[int, ...]):
    """Of n fields the variance of a mode has the relative error sqrt(2 / n), or less.

    The 0.05 is the error of 200 steps.
    """
    power, n = spectrum(space), 400
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(n, 1, *space, generator=generator, dtype=torch.float64)
    fields = Sampler(kind=kind, steps=200).sample(
        wiener(power), noise, torch.zeros(n, 0), RANGE, generator
    )
    modes = torch.fft.fftn(fields[:, 0], dim=tuple(range(1, 1 + len(space)))).abs() ** 2
    ratio = modes.mean(0) / (power.numel() * power)
    assert float(ratio.mean()) == pytest.approx(1, abs=0.05 + 4 * math.sqrt(2 / n / power.numel()))
    assert float((ratio - 1).abs().max()) < 0.05 + 5 * math.sqrt(2 / n)


def test_ancestral_variances_are_those_of_its_markov_chain():
    """z' given z and x_hat: the product of q(z' | x) and q(z | z'), by Bayes's theorem."""
    power, steps, n = 2.0, 12, 40_000
    levels = torch.linspace(*RANGE, steps).double()
    alphas2 = torch.sigmoid(levels).tolist()
    variance = 1.0
    for here, there in pairwise(alphas2):
        passed = here / there
        lost = 1 - here - passed * (1 - there)
        precision = 1 / (1 - there) + passed / lost
        wiener_x = math.sqrt(here) * power / (here * power + 1 - here)
        slope = (math.sqrt(there) / (1 - there) * wiener_x + math.sqrt(passed) / lost) / precision
        variance = slope**2 * variance + 1 / precision
    last = alphas2[-1]
    expected = variance * last * (power / (last * power + 1 - last)) ** 2

    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(n, 1, 1, generator=generator, dtype=torch.float64)
    fields = Sampler(kind="ancestral", steps=steps).sample(
        wiener(torch.full((1,), power).double()), noise, torch.zeros(n, 0), RANGE, generator
    )
    assert expected < 0.9 * power
    assert float(fields.var()) == pytest.approx(expected, rel=4 * math.sqrt(2 / n))


@pytest.mark.parametrize("kind", ["ddim", "dpm"])
def test_equal_noise_gives_equal_fields(kind: str):
    power, noise = spectrum(), torch.randn(2, 1, 16, 16)
    sampler = Sampler(kind=kind, steps=5)
    fields = [sampler.sample(wiener(power), noise, torch.zeros(2, 0), RANGE) for _ in range(2)]
    assert torch.equal(*fields)


@pytest.mark.parametrize("kind", ["ancestral", "sde"])
def test_noise_on_the_way_comes_from_the_generator(kind: str):
    power, noise = spectrum(), torch.randn(2, 1, 16, 16)

    def fields(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        sampler = Sampler(kind=kind, steps=5)
        return sampler.sample(wiener(power), noise, torch.zeros(2, 0), RANGE, generator)

    assert torch.equal(fields(1), fields(1))
    assert not torch.equal(fields(1), fields(2))


def test_parameters_reach_the_denoiser():
    """The flow multiplies white noise by the square root of its variance, row by row."""
    denoiser = GaussianDenoiser(
        eigenvalues=lambda s: s[:, :1].expand(-1, 8), mean=lambda s: s[:, 1]
    )
    noise = torch.randn(3, 1, 8).double()
    s = torch.tensor([[0.1, 0.0], [1.0, 3.0], [5.0, -1.0]]).double()
    fields = Sampler(kind="dpm", steps=200).sample(denoiser, noise, s, RANGE)
    variance, mean = s.T[..., None, None]
    torch.testing.assert_close(fields, mean + variance.sqrt() * noise, rtol=5e-3, atol=1e-2)


def test_one_step_is_none():
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        Sampler(steps=1)
