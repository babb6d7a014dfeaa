"""Conditional densities in pieces: the same numbers, and nothing left behind."""

import gc
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from sbipipe.learning import densities
from sbipipe.learning.densities import ConditionalDensity, build_density


def density(name: str = "zuko_nsf") -> ConditionalDensity:
    torch.manual_seed(0)
    rows = torch.randn(50, 3)
    return build_density(density=name, hidden=8, transforms=2, inputs=rows, conditions=rows).eval()


@pytest.fixture
def _collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def tensors() -> int:
    """How many Python holds."""
    return sum(isinstance(held, torch.Tensor) for held in gc.get_objects())


@pytest.mark.usefixtures("_collector_off")
@pytest.mark.parametrize("name", ["zuko_bpf", "zuko_gf", "zuko_maf", "zuko_nice", "zuko_nsf"])
def test_drawing_leaves_no_tensors_in_circles(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(densities, "PAIRS", 16)
    member = density(name)
    embedded = member.embed(torch.randn(4, 3))
    held = tensors()
    member.sample(20, embedded)
    assert tensors() <= held


@pytest.mark.parametrize("shape", [(4, 3), (7, 4, 3)])
def test_densities_in_pieces_are_the_same(shape: tuple, monkeypatch: pytest.MonkeyPatch):
    member = density()
    a, embedded = torch.randn(7, 4, 3), member.embed(torch.randn(shape).flatten(0, -2))
    embedded = embedded.reshape(*shape[:-1], -1)
    whole = member.log_prob(a, embedded)
    by_row = [
        member.log_prob(a[i : i + 1], embedded if embedded.ndim == 2 else embedded[i : i + 1])
        for i in range(7)
    ]
    monkeypatch.setattr(densities, "PAIRS", 5)
    np.testing.assert_allclose(member.log_prob(a, embedded), whole, atol=1e-5)
    np.testing.assert_allclose(torch.cat(by_row), whole, atol=1e-5)
