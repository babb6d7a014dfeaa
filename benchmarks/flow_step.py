"""A training step of three autoregressive flows: as sbipipe calls them, and as zuko and torch do.

    python benchmarks/flow_step.py [--rows 256] [--repeats 20]

`learning/autoregressive` calls the flows of an ensemble as one, with splines whose derivatives are
written out. Beside it are the same flows with zuko's own transforms, stacked by `torch.vmap`. Both
take turns, with one thread; times are the least of the processor's, and losses are compared, too.
"""

from __future__ import annotations

import argparse
import copy
import json
from functools import partial

import torch
from torch import Tensor, nn
from zuko.flows.autoregressive import MaskedAutoregressiveTransform

from contenders.clock import timed
from sbipipe.learning.densities import ConditionalDensity
from sbipipe.learning.members import Together
from sbipipe.learning.shapes import Shape, candidates

MEMBERS = 3
FLOWS = (("zuko_nsf 64x5", 2), ("zuko_nsf 64x5", 4), ("zuko_nsf 64x5", 10), ("zuko_maf 64x5", 10))


class Zuko(nn.Module):
    """A density by zuko's own transforms."""

    def __init__(self, density: ConditionalDensity) -> None:
        super().__init__()
        self.density = copy.deepcopy(density)
        for module in self.density.modules():
            if isinstance(module, MaskedAutoregressiveTransform):
                module.__class__ = MaskedAutoregressiveTransform
        self.density.quick = False

    def loss(self, a: Tensor, b: Tensor) -> Tensor:
        return self.density.loss(a, b)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, dims in FLOWS:
        print(json.dumps({"flow": name, "numbers": dims, **compared(name, dims, options)}))


def compared(name: str, dims: int, options: argparse.Namespace) -> dict[str, float]:
    """Milliseconds of a step in both ways, their ratio, and how far apart the losses are."""
    torch.manual_seed(0)
    rows = torch.randn(options.rows, dims), torch.randn(options.rows, 2)
    (shape,) = candidates([Shape.named(name)], *rows)
    members = [shape.build(k) for k in range(MEMBERS)]
    both = [
        Together(members, stacked=True),
        Together([Zuko(member) for member in members], stacked=True),
    ]
    apart = (both[0].loss(*rows) - both[1].loss(*rows)).detach().abs().max()
    least = [float("inf")] * 2
    for _ in range(options.repeats):
        for k, way in enumerate(both):
            least[k] = min(least[k], timed(partial(step, way, rows))[1].cpu)
    ours, theirs = (1e3 * one for one in least)
    return {"ours": ours, "zuko": theirs, "ratio": ours / theirs, "losses_apart": float(apart)}


def step(module: Together, rows: tuple[Tensor, Tensor]) -> None:
    """The loss and its derivatives."""
    module.zero_grad()
    torch.autograd.backward(module.loss(*rows).mean())


if __name__ == "__main__":
    main()
