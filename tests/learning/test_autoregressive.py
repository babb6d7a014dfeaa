"""Flows of zuko with rows last, undone in turn: noise, densities and draws are zuko's."""

import copy
from typing import Any

import pytest
import torch
from zuko.flows.autoregressive import MaskedAutoregressiveTransform

from sbipipe.learning.autoregressive import is_quick, log_normal, noise_of, quickened
from sbipipe.learning.densities import ConditionalDensity, build_density

NAMES = ("zuko_nsf", "zuko_maf", "zuko_nice", "zuko_bpf")


def built(name: str, dims: int) -> ConditionalDensity:
    torch.manual_seed(dims)
    rows = torch.randn(20, dims)
    density = build_density(
        density=name, hidden=8, transforms=3, inputs=rows, conditions=torch.randn(20, 4)
    ).eval()
    for parameter in density.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return density


def as_zuko_does(density: ConditionalDensity) -> ConditionalDensity:
    """A copy whose transforms are zuko's own."""
    found = copy.deepcopy(density)
    for module in found.modules():
        if isinstance(module, MaskedAutoregressiveTransform):
            module.__class__ = MaskedAutoregressiveTransform
    return found


def flow_of(density: ConditionalDensity, conditions: int) -> Any:
    return density.net.net(density.embed(torch.randn(conditions, 4)))  # type: ignore[operator]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dims", [1, 2, 5])
def test_draws_are_those_of_zuko(name: str, dims: int) -> None:
    density = built(name, dims)
    noise = torch.randn(7, 6, dims)
    x = torch.randn(6, 4)
    found, expected = (
        one.net.net(one.embed(x)).transform.inv(noise)  # type: ignore[operator]
        for one in (density, as_zuko_does(density))
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES[:2])
@pytest.mark.parametrize("dims", [1, 2, 5])
def test_noise_and_densities_are_those_of_zuko(name: str, dims: int) -> None:
    density = built(name, dims)
    assert is_quick(density.net)
    a, b = 2 * torch.randn(50, dims), torch.randn(50, 4)
    flow = as_zuko_does(density).net.net(b)  # type: ignore[operator]
    noise, slope = (one[0] for one in noise_of([density.net], a[None], b[None]))
    expected = flow.transform.call_and_ladj(a)
    torch.testing.assert_close((noise, slope), expected, rtol=1e-4, atol=1e-4)
    found = log_normal(noise) + slope
    torch.testing.assert_close(found, flow.log_prob(a), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["zuko_nice", "zuko_bpf", "nsf", "mdn"])
def test_densities_of_another_kind_are_left_to_theirs(name: str) -> None:
    density = built(name, 2)
    assert not density.quick
    a, b = torch.randn(5, 2), torch.randn(5, 4)
    expected = density.net.loss(density.inputs(a), density.embedding(b))  # type: ignore[operator]
    torch.testing.assert_close(density.loss(a, b), expected)


@pytest.mark.parametrize("name", NAMES[:2])
def test_a_density_undoes_its_draws(name: str) -> None:
    flow = flow_of(built(name, 4), 6)
    noise = torch.randn(7, 6, 4)
    torch.testing.assert_close(flow.transform(flow.transform.inv(noise)), noise, rtol=0, atol=2e-3)


def test_draws_have_gradients() -> None:
    flow = flow_of(built("zuko_nsf", 3), 1)
    noise = torch.randn(1, 3, requires_grad=True)
    draw = flow.transform.inv(noise)
    slopes = torch.stack([torch.autograd.grad(one, noise, retain_graph=True)[0] for one in draw[0]])
    log_det = torch.linalg.slogdet(slopes[:, 0]).logabsdet
    ladj = flow.transform.log_abs_det_jacobian(draw, noise)
    torch.testing.assert_close(log_det, -ladj[0], rtol=1e-3, atol=1e-3)


def test_other_networks_stay_as_they_are() -> None:
    net = torch.nn.Linear(2, 2)
    assert quickened(net) is net
    assert not is_quick(net)
