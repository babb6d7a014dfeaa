"""Parts of the work go to the threads, and come back in their order."""

from __future__ import annotations

import threading

import pytest
import torch

from sbipipe.learning.threads import each, threads


@pytest.mark.parametrize("count", [1, 3])
def test_parts_come_back_in_order(count: int) -> None:
    with threads(count):
        assert each(lambda part: part**2, range(20)) == [part**2 for part in range(20)]
        assert torch.get_num_threads() == count
    assert not each(abs, [])


@pytest.mark.parametrize(("count", "parts", "own"), [(1, 5, 1), (4, 8, 1), (4, 2, 2), (4, 1, 4)])
def test_no_more_threads_than_there_are(count: int, parts: int, own: int) -> None:
    with threads(count):
        assert each(lambda _: torch.get_num_threads(), range(parts)) == [own] * parts


def test_parts_are_worked_on_at_once() -> None:
    meet = threading.Barrier(2, timeout=60)
    with threads(2):
        each(lambda _: meet.wait(), range(2))


@pytest.mark.parametrize("count", [1, 2])
def test_no_gradients_are_kept(count: int) -> None:
    weight = torch.ones(3, requires_grad=True)
    with threads(count):
        assert not any(each(lambda part: (part * weight).requires_grad, [1, 2, 3]))


def test_an_error_of_a_part_is_raised() -> None:
    with threads(2), pytest.raises(ZeroDivisionError):
        each(lambda part: 1 / part, [1, 0, 2])
