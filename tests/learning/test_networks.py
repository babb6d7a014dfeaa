"""Which moves of a field its features and its augmented copies know."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional

from sbipipe.learning.networks import (
    FieldNetwork,
    random_symmetry,
    repeat_edges,
    symmetries,
    wrap,
)


def network(periodic: bool, dimensions: int = 2) -> FieldNetwork:
    """Two stages."""
    torch.manual_seed(0)
    made = FieldNetwork(
        channels=1, dimensions=dimensions, widths=(3, 5), outputs=4, periodic=periodic
    )
    return made.double()


def noise(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(1).standard_normal(shape))


@pytest.mark.parametrize("space", [(6,), (6, 4), (4, 6, 2)])
def test_wrap_is_the_periodic_padding_and_so_is_its_gradient(space: tuple[int, ...]):
    torch.manual_seed(1)
    x = torch.randn(2, 3, *space, dtype=torch.float64, requires_grad=True)
    expected = functional.pad(x, (2, 2) * len(space), mode="circular")
    assert torch.equal(wrap(x, 2), expected)
    assert torch.equal(wrap(x, 0), x)
    assert torch.autograd.gradcheck(lambda x: wrap(x, 2), x)


@pytest.mark.parametrize("space", [(6,), (6, 4), (4, 6, 2)])
def test_repeated_edges_are_the_nearest_cells(space: tuple[int, ...]):
    x = np.random.default_rng(1).standard_normal((2, 3, *space))
    expected = np.pad(x, ((0, 0), (0, 0), *[(2, 2)] * len(space)), mode="edge")
    np.testing.assert_array_equal(repeat_edges(torch.from_numpy(x), 2).numpy(), expected)


def test_there_are_eight_symmetries_of_a_square_and_48_of_a_cube():
    for shape, count in (((1, 1, 4, 4), 8), ((1, 1, 4, 4, 4), 48), ((1, 1, 4, 6), 4)):
        images = list(symmetries(torch.arange(np.prod(shape)).reshape(shape)))
        assert len({tuple(image.flatten().tolist()) for image in images}) == count
        assert all(image.shape == torch.Size(shape) for image in images)


@torch.no_grad()
@pytest.mark.parametrize("space", [(16,), (8, 16), (8, 8, 8)])
def test_features_of_a_periodic_field_move_with_it(space: tuple[int, ...]):
    net, x = network(True, len(space)), noise(2, 1, *space)
    axes = tuple(range(2, 2 + len(space)))
    moved = torch.roll(x, (4,) * len(space), axes)
    pairs = zip(net.features(x), net.features(moved), strict=True)
    for stage, (before, after) in enumerate(pairs, 1):
        shift = (4 // 2**stage,) * len(space)
        torch.testing.assert_close(after, torch.roll(before, shift, axes))
    torch.testing.assert_close(net(moved), net(x))


@torch.no_grad()
@pytest.mark.parametrize("periodic", [True, False])
def test_opposite_corners_know_of_each_other_where_the_field_is_periodic(periodic: bool):
    net, x = network(periodic), noise(1, 1, 32, 32)
    other = x.clone()
    other[..., -1, -1] += 1
    assert torch.isfinite(net(x)).all()
    assert not torch.allclose(net(other), net(x))
    for before, after in zip(net.features(x), net.features(other), strict=True):
        assert torch.equal(before[..., 0, 0], after[..., 0, 0]) != periodic


@torch.no_grad()
def test_a_field_without_structure_has_no_edges():
    """Repeated edges leave a constant field constant, so its features are as well."""
    for features in network(False).features(torch.full((1, 1, 16, 16), 0.7).double()):
        torch.testing.assert_close(features, features[..., :1, :1].expand_as(features))


@pytest.mark.parametrize("mirrored", [False, True])
def test_without_shifts_the_copies_are_the_symmetries_equally_often(mirrored: bool):
    x, draws = torch.arange(16.0).reshape(1, 1, 4, 4), 4000
    images = [tuple(image.flatten().tolist()) for image in symmetries(x)]
    torch.manual_seed(int(mirrored))
    given = x.flip(2) if mirrored else x
    counts = dict.fromkeys(images, 0)
    for _ in range(draws):
        counts[tuple(random_symmetry(given, periodic=False).flatten().tolist())] += 1
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_with_shifts_every_pixel_comes_everywhere():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    torch.manual_seed(0)
    first = [int(random_symmetry(x)[0, 0, 0, 0]) for _ in range(4000)]
    assert stats.chisquare(np.bincount(first, minlength=16)).pvalue > 1e-3
