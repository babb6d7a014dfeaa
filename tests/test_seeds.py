import numpy as np
import torch

from sbipipe.seeds import number, stream, torch_scope


def test_a_name_is_a_stream() -> None:
    assert np.array_equal(stream(1, "a", 2).random(4), stream(1, "a", 2).random(4))


def test_streams_differ_in_every_label_and_in_the_root() -> None:
    names = [(1, "a", 2), (1, "a", 3), (1, "b", 2), (2, "a", 2), (1, "a2"), (1, "a")]
    first = {stream(*name).random() for name in names}
    assert len(first) == len(names)


def test_streams_are_independent() -> None:
    """Correlations of 400 neighbouring streams are those of chance."""
    draws = np.stack([stream(7, "simulate", i).standard_normal(500) for i in range(400)])
    off = np.corrcoef(draws)[np.triu_indices(400, 1)]
    assert abs(off.std() * np.sqrt(500) - 1) < 0.02
    assert np.abs(off).max() < 6 / np.sqrt(500)


def test_numbers_are_seeds() -> None:
    assert number(1, "a") == number(1, "a")
    assert 0 <= number(1, "a") < 2**63


def test_torch_scope_starts_from_its_seed_and_leaves_no_trace() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    with torch_scope(5):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with torch_scope(5):
        assert torch.equal(torch.rand(3), inside)
