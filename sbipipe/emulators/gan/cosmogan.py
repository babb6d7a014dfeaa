r"""The players of CosmoGAN (Mustafa et al. 2019, arXiv 1706.02390), at any size.

A DCGAN (Radford et al. 2015, arXiv 1511.06434): a latent vector goes through a dense layer to
512 x s/16 x s/16 and four transposed 5 x 5 convolutions of stride 2 to s x s, with batch
normalisation and ReLU between and tanh at the end, so pixels lie in (-1, 1). The discriminator is
its mirror image, 64-128-256-512 features with LeakyReLU of 0.2 and no normalisation of the first.
At s = 256, one channel and no parameters they have 12.82 and 4.43 million weights.

Where this differs from the authors' code. **Labels** are flipped field by field, each with its
probability, as their paper reads; the code flips those of whole batches. **The discriminator** ends
as the paper's table says, with 512 features, all of them flattened into one linear layer, whose
sigmoid is part of the loss; the code ends it at 384.

Parameters, which theirs has not, are joined to the latent vector and, as constant maps, to the
discriminator's channels. Nothing here wraps around: edges are padded with zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

WIDTHS = (512, 256, 128, 64)
"""The features of each grid, the coarsest first."""

LEVELS = len(WIDTHS)
"""How often the grid is halved."""

DEVIATION = 0.02
"""The standard deviation of the first weights."""


class CosmoGenerator(nn.Module):
    """Fields (n, C, *space) in (-1, 1) from a latent vector and theta.

    Args:
        shape: Of a field, (C, *space).
        conditions: The number of parameters it is given.
        latent: The length of the latent vector.
        bend: The activation between the layers.
    """

    def __init__(
        self, *, shape: Sequence[int], conditions: int, latent: int, bend: type[nn.Module] = nn.ReLU
    ) -> None:
        super().__init__()
        self.noise_shapes = ((latent,),)
        self.grid = tuple(side // 2**LEVELS for side in shape[1:])
        cells = self.grid[0] * self.grid[1]
        self.dense = nn.Linear(latent + conditions, WIDTHS[0] * cells)
        layers: list[nn.Module] = [nn.BatchNorm2d(WIDTHS[0]), bend()]
        for before, after in pairwise((*WIDTHS, shape[0])):
            layers += [
                nn.ConvTranspose2d(before, after, 5, stride=2, padding=2, output_padding=1),
                *((nn.BatchNorm2d(after), bend()) if after in WIDTHS else (nn.Tanh(),)),
            ]
        self.layers = nn.Sequential(*layers)
        _begin(self)

    def forward(self, s: Tensor, noise: Sequence[Tensor]) -> Tensor:
        h = self.dense(torch.cat([noise[0], s], 1))
        fields: Tensor = self.layers(h.view(-1, WIDTHS[0], *self.grid))
        return fields


class CosmoCritic(nn.Module):
    """How true a field looks, (n,): the discriminator before its sigmoid.

    Args:
        shape, conditions: Those of the generator.
    """

    def __init__(self, *, shape: Sequence[int], conditions: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*self._layers(shape[0] + conditions))
        cells = (shape[1] // 2**LEVELS) * (shape[2] // 2**LEVELS)
        self.answer = nn.Linear(WIDTHS[0] * cells, 1)
        _begin(self)

    @staticmethod
    def _layers(channels: int) -> Iterator[nn.Module]:
        for index, (before, after) in enumerate(pairwise((channels, *WIDTHS[::-1]))):
            yield nn.Conv2d(before, after, 5, stride=2, padding=2)
            if index:
                yield nn.BatchNorm2d(after)
            yield nn.LeakyReLU(0.2)

    def read(self, fields: Tensor) -> tuple[Tensor, ...]:
        """What it reads of fields: themselves."""
        return (fields,)

    def forward(self, read: Sequence[Tensor], s: Tensor) -> Tensor:
        answer: Tensor = self.answer(self._layers_of(read, s).flatten(1))
        return answer[:, 0]

    def features(self, read: Sequence[Tensor], s: Tensor) -> Tensor:
        """The mean over cells of what it answers from, (n, 512)."""
        return self._layers_of(read, s).mean((2, 3))

    def _layers_of(self, read: Sequence[Tensor], s: Tensor) -> Tensor:
        (fields,) = read
        maps = s[..., None, None].expand(-1, -1, *fields.shape[2:])
        found: Tensor = self.layers(torch.cat([fields, maps], 1))
        return found


def _begin(player: nn.Module) -> None:
    """First weights as in DCGAN."""
    for module in player.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, std=DEVIATION)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


__all__ = ["LEVELS", "CosmoCritic", "CosmoGenerator"]
