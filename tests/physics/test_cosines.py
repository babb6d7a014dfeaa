"""The cosine transform, beside scipy's."""

import numpy as np
import pytest
import scipy.fft
import torch

from sbipipe.physics.cosines import cosines, of_cosines

SHAPES = [(2, 1, 7), (2, 3, 8, 5), (1, 2, 4, 4, 6)]


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_scipys_and_undone(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    expected = scipy.fft.dctn(x, axes=range(2, len(shape)), norm="ortho")
    waves = cosines(torch.from_numpy(x))
    np.testing.assert_allclose(waves, expected, atol=1e-12)
    np.testing.assert_allclose(of_cosines(waves), x, atol=1e-12)


def test_it_keeps_the_precision_of_the_fields() -> None:
    assert cosines(torch.ones(1, 1, 4, 4)).dtype == torch.float32
