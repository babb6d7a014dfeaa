"""Fields as a network reads them."""

import pytest
import torch
from torch import Tensor

from sbipipe.learning.channels import Channels

TORCH = torch.Generator().manual_seed(3)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=TORCH)


def test_mild_channels_are_standardised_and_read_once() -> None:
    fields = 3 + 2 * normal(50, 2, 16, 16)
    read = Channels.like(fields)
    assert read.twice == ()
    assert read.outputs == 2
    expected = (fields - fields.mean((0, 2, 3), keepdim=True)) / fields.std((0, 2, 3), keepdim=True)
    torch.testing.assert_close(read(fields), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("side", [(64,), (16, 16), (8, 8, 8)])
def test_a_heavy_tail_is_read_twice(side: tuple[int, ...]) -> None:
    """exp of a normal of unit variance beside a normal: one of two channels has a tail."""
    fields = torch.stack([normal(100, *side), normal(100, *side).exp()], 1)
    read = Channels.like(fields)
    assert read.twice == (1,)
    assert read.outputs == 3
    seen = read(fields)
    assert seen.shape == (100, 3, *side)
    axes = (0, *range(2, seen.ndim))
    torch.testing.assert_close(seen.mean(axes), torch.zeros(3), atol=0.05, rtol=0)
    torch.testing.assert_close(seen.std(axes), torch.ones(3), atol=0.05, rtol=0)
    bent, straight = seen[:, 2], seen[:, 1]
    assert bent.abs().max() < 8 < straight.abs().max()


def test_bending_keeps_the_order_of_pixels() -> None:
    fields = normal(100, 1, 16, 16).exp()
    seen = Channels.like(fields)(fields)
    order = fields.flatten().argsort()
    assert (seen[:, 1].flatten()[order].diff() >= 0).all()


def test_every_place_of_a_grid_is_looked_at() -> None:
    """A tail in one half of a grid is a tail, though its side divides the number of pixels."""
    fields = normal(2000, 1, 8, 8)
    fields[:, :, :, 4:] = normal(2000, 1, 8, 4).mul(2).exp()
    assert Channels.like(fields).twice == (0,)


def test_it_is_restored_from_its_state() -> None:
    fields = normal(100, 1, 16, 16).exp()
    read = Channels.like(fields)
    again = Channels(read.channels, read.twice)
    again.load_state_dict(read.state_dict())
    assert torch.equal(again(fields), read(fields))
