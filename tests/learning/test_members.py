"""Members side by side are those that would be called one after another."""

import math

import numpy as np
import pytest
import torch

from sbipipe.interfaces import Run
from sbipipe.learning.densities import DENSITIES, STACKED, build_density
from sbipipe.learning.members import Together, load_members, member_arrays, together
from sbipipe.learning.schedules import Annealed
from sbipipe.learning.training import optimise

torch.manual_seed(1)
A, B = torch.randn(60, 2), torch.randn(60, 3)


def build(name: str):
    return lambda _: build_density(density=name, hidden=8, transforms=2, inputs=A, conditions=B)


@pytest.mark.parametrize("name", DENSITIES)
def test_one_call_gives_what_several_give(name: str):
    module = together(build(name), 3, 5, stacked=name in STACKED)
    assert module.stacked == (name in STACKED)
    each = torch.stack([member.loss(A, B) for member in module.eval().apart()])
    with torch.no_grad():
        judged = module.loss(A, B)
        learning = module.train().loss(A, B)
    mixture = math.log(3) - torch.logsumexp(-each, 0)
    torch.testing.assert_close(judged, mixture.detach(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(learning, each.mean(0).detach(), rtol=1e-4, atol=1e-4)


def test_members_begin_apart_and_alike_for_equal_seeds():
    one, two = (together(build("zuko_maf"), 2, 5, stacked=True).apart() for _ in range(2))
    np.testing.assert_equal(member_arrays(one), member_arrays(two))
    first, second = (torch.cat([w.flatten() for w in member.parameters()]) for member in one)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("name", STACKED)
def test_stacked_members_learn_as_they_would_one_after_another(name: str):
    settings = Annealed(steps=12, batch=20, learning_rate=1e-2, clip=1e9)
    apart = []
    for stacked in (True, False):
        module = together(build(name), 3, 5, stacked=stacked)
        optimise(module, module.loss, (A, B), (A, B), settings, Run(seed=2))
        apart.append(member_arrays(module.apart()))
    assert apart[0].keys() == apart[1].keys()
    for key, value in apart[0].items():
        np.testing.assert_allclose(value, apart[1][key], rtol=2e-3, atol=2e-4, err_msg=key)


def test_one_member_is_not_stacked():
    assert not together(build("zuko_maf"), 1, 5, stacked=True).stacked


def test_each_member_draws_its_own_random_numbers():
    class Noise(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))

        def loss(self, rows: torch.Tensor) -> torch.Tensor:
            return self.weight + torch.randn(len(rows))

    module = Together([Noise(), Noise()], stacked=True)
    one = module._losses(A)
    assert not torch.equal(one[0], one[1])


def test_members_are_loaded_onto_a_device():
    member = build("zuko_nsf")(0)
    arrays = member_arrays([member])
    (here,) = load_members([build("zuko_nsf")], arrays, "cpu")
    (elsewhere,) = load_members([build("zuko_nsf")], arrays, "meta")
    np.testing.assert_equal(member_arrays([here]), arrays)
    assert {value.device.type for value in elsewhere.state_dict().values()} == {"meta"}
