"""What a density reads of its conditions."""

from functools import partial

import pytest
import torch

from sbipipe.learning.densities import build_density, reader
from sbipipe.learning.members import together
from sbipipe.learning.whiten import Whiten

GENERATOR = torch.Generator().manual_seed(3)
A = torch.randn(200, 2, generator=GENERATOR)
B = torch.randn(200, 6, generator=GENERATOR) * torch.arange(1, 7)


@pytest.mark.parametrize("k", range(3))
def test_a_part_is_read_as_if_it_were_alone(k: int) -> None:
    own = B[:, 2 * k : 2 * k + 2]
    torch.testing.assert_close(reader(B, (k, 3))(B), Whiten(own)(own))


def test_the_whole_is_read_where_there_is_one_part() -> None:
    torch.testing.assert_close(reader(B)(B), Whiten(B)(B))


@pytest.mark.parametrize("stacked", [False, True])
def test_members_read_parts_of_their_own(stacked: bool) -> None:
    """Each is blind to what the others read, called apart or as one."""

    def build(k: int) -> torch.nn.Module:
        reads = partial(reader, B, (k, 3))
        return build_density(
            density="zuko_maf", hidden=8, transforms=2, inputs=A, conditions=B, reads=reads
        )

    module = together(build, 3, 5, stacked=stacked)
    losses = module._losses(A, B)
    for k in range(3):
        moved = B.clone()
        moved[:, 2 * k : 2 * k + 2] += 5
        same = torch.isclose(module._losses(A, moved), losses, atol=1e-4).all(1)
        assert same.tolist() == [j != k for j in range(3)]
