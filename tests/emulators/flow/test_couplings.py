"""Haar's wavelets, and the flow from coarse to fine, which is invertible whatever its weights."""

import numpy as np
import pytest
import torch
from gaussian_model import fields_of, parameters, whitening
from torch import Tensor

from sbipipe.emulators.flow.couplings import Couplings
from sbipipe.emulators.flow.haar import halvings, join, split
from sbipipe.emulators.flow.model import Model

GRIDS = [((8,), 1, 3), ((8,), 2, 2), ((4, 4), 1, 2), ((4, 8), 2, 2), ((4, 4, 4), 2, 2)]
"""Sides, channels and levels."""

either = pytest.mark.parametrize("periodic", [True, False])


def couplings(
    sides: tuple[int, ...], channels: int, levels: int, *, scale: float, periodic: bool
) -> Couplings:
    """With random last layers, zero for a scale of zero."""
    torch.manual_seed(0)
    flow = Couplings(
        channels=channels, sides=sides, levels=levels, each=2, parameters=2, width=3,
        periodic=periodic,
    )  # fmt: skip
    for step in flow._of(0) + [c for level in range(1, levels) for c in flow._of(level)]:
        torch.nn.init.normal_(step.outer.weight, std=scale)
    return flow.double()


def model(
    sides: tuple[int, ...], channels: int, levels: int, *, scale: float = 0.5, periodic: bool = True
) -> Model:
    closed = whitening(sides, channels, periodic=periodic)
    return Model(closed, couplings(sides, channels, levels, scale=scale, periodic=periodic))


@pytest.mark.parametrize("shape", [(2, 3, 8), (2, 1, 4, 6), (2, 2, 4, 4, 2)])
def test_haars_transform_is_orthonormal_and_undone(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    averages, differences = split(x)
    cells = 2 ** (len(shape) - 2)
    assert differences.shape[1] == (cells - 1) * shape[1]
    energy = averages.square().sum() + differences.square().sum()
    assert float(energy) == pytest.approx(float(x.square().sum()))
    np.testing.assert_allclose(join(averages, differences), x, atol=1e-12)
    constant = split(torch.ones(shape, dtype=torch.float64))
    np.testing.assert_allclose(constant[0], cells**0.5)
    np.testing.assert_allclose(constant[1], 0, atol=1e-12)


@pytest.mark.parametrize(
    ("sides", "count"), [((8,), 3), ((6, 4), 1), ((5, 4), 0), ((1,), 0), ((16, 16, 16), 4)]
)
def test_a_grid_halves_while_all_its_sides_do(sides: tuple[int, ...], count: int) -> None:
    assert halvings(sides) == count


@pytest.mark.parametrize(("sides", "channels", "levels"), GRIDS)
def test_the_flow_begins_as_the_identity(sides: tuple[int, ...], channels: int, levels: int):
    flow, s = model(sides, channels, levels, scale=0), parameters(3)
    y = fields_of(flow.whitening, s)
    with torch.no_grad():
        np.testing.assert_allclose(flow(y, s), flow.whitening.whiten(y, s), atol=1e-12)
        np.testing.assert_allclose(flow.gain(y, s), 0, atol=1e-12)


@either
@pytest.mark.parametrize(("sides", "channels", "levels"), GRIDS)
def test_its_jacobian_is_the_log_determinant_it_states(
    sides: tuple[int, ...], channels: int, levels: int, periodic: bool
) -> None:
    """Of the whole map, from log N(u) + log |du/dy|, for a field far from typical ones too."""
    flow, s = model(sides, channels, levels, periodic=periodic), parameters(1)
    for spread in (1.0, 4.0):
        y = spread * fields_of(flow.whitening, s)

        def flat(v: Tensor, like: Tensor = y) -> Tensor:
            return flow(v.view_as(like), s).flatten()

        jacobian = torch.autograd.functional.jacobian(flat, y.flatten())
        u = flat(y.flatten())
        normal = -(u.square().sum() + u.numel() * np.log(2 * np.pi)) / 2
        expected = (normal + torch.linalg.slogdet(jacobian)[1]).detach()
        for found in (flow.log_prob_each(y, s), flow.log_prob(y, s)[:, 0]):
            assert float(found) == pytest.approx(float(expected), rel=1e-9)


@either
@pytest.mark.parametrize(("sides", "channels", "levels"), GRIDS)
def test_noise_and_fields_are_each_others_images(
    sides: tuple[int, ...], channels: int, levels: int, periodic: bool
) -> None:
    flow, s = model(sides, channels, levels, periodic=periodic), parameters(4)
    u = torch.randn(
        (4, channels, *sides), generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    with torch.no_grad():
        y = flow.inverse(u, s)
        assert float((y - flow.whitening.colour(u, s)).abs().max()) > 0.1
        np.testing.assert_allclose(flow(y, s), u, atol=1e-8)


@either
def test_it_integrates_to_one_over_two_by_two_pixels(periodic: bool) -> None:
    """The mean of its density over that of the closed form, at draws of that."""
    flow = model((2, 2), 1, 1, scale=0.1, periodic=periodic)
    s = parameters(1).expand(200_000, 2)
    y = fields_of(flow.whitening, s)
    with torch.no_grad():
        ratio = torch.exp(flow.gain(y, s))
    error = float(ratio.std()) / len(ratio) ** 0.5
    assert 0.05 < ratio.std() < 3
    assert float(ratio.mean()) == pytest.approx(1, abs=4 * error)


def test_every_pair_of_a_field_and_parameters_has_the_same_density_alone() -> None:
    flow, s = model((4, 4), 1, 2), parameters(5)
    y = fields_of(flow.whitening, s)
    every = flow.log_prob(y, s)
    for i in range(5):
        each = flow.log_prob_each(y, s[i].expand(5, 2))
        np.testing.assert_allclose(every[:, i], each, rtol=1e-9)
