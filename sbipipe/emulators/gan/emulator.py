"""The fitted generator."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor

from sbipipe.emulators.gan.noise import TOGETHER, drawn
from sbipipe.emulators.gan.settings import Settings
from sbipipe.interfaces import Array, Fields, Generator, Weights
from sbipipe.learning.chebyshev import scaled
from sbipipe.learning.members import named_arrays
from sbipipe.learning.pixels import Pixels
from sbipipe.protocols import Prior


@dataclass(frozen=True, kw_only=True)
class GanEmulator:
    """Draws fields in one pass of its generator.

    Attributes:
        settings: What it was trained with.
        pixels: The map of pixel values.
        generator: `(s, noise) -> fields`.
        critic: What the generator played against, as it was at the end.
        data: What it draws.
    """

    prior: Prior
    settings: Settings
    pixels: Pixels
    generator: Any
    critic: Any
    data: Fields
    device: str

    @torch.no_grad()
    def draw(self, theta: Array, rng: Generator, *, same_noise: bool = False) -> Array:
        """Fields (N, C, *space) in the simulator's units, for theta (N, D)."""
        source = torch.Generator().manual_seed(int(rng.integers(2**62)))
        parts = drawn(self.generator, self.told(theta), source, self.device, same_noise=same_noise)
        none = np.empty((0, *self.data.shape), np.float32)
        return self.pixels.inverse(np.concatenate([none, *(part.numpy() for part in parts)]))

    @torch.no_grad()
    def features(self, fields: Array, theta: Array) -> Array:
        """What the critic's answer is made of, (N, L), for fields (N, C, *space) in the simulator's
        units, at one theta (D,)."""
        s, parts = self.told(theta[None]).to(self.device), []
        for part in torch.split(torch.from_numpy(self.pixels(fields)), TOGETHER):
            read = self.critic.read(part.to(self.device))
            parts.append(self.critic.features(read, s.expand(len(part), -1)).cpu())
        found: Array = torch.cat(parts).numpy()
        return found

    def told(self, theta: Array) -> Tensor:
        """What the generator is told of theta (N, D)."""
        columns = list(self.settings.told(self.prior.names))
        return scaled(self.prior.to_unit(theta))[:, columns].float()

    @property
    def latents(self) -> int:
        """The numbers that a field grows from."""
        return sum(map(math.prod, self.generator.noise_shapes))

    @property
    def bends(self) -> bool:
        """Whether the generator has second derivatives."""
        return self.settings.bend != "relu"

    def values(self, z: Tensor, theta: Array) -> Tensor:
        """The generator's pixels (n, N) for latents z (n, M) at one theta (D,), in float64; both in
        main memory, whatever it is computed on."""
        shapes = self.generator.noise_shapes
        parts = torch.split(z, [math.prod(shape) for shape in shapes], dim=1)
        grids = [
            part.reshape(len(z), *shape).to(self.device)
            for part, shape in zip(parts, shapes, strict=True)
        ]
        s = self.told(theta[None]).double().expand(len(z), -1)
        drawn: Tensor = self._precise(s.to(self.device), grids)
        return drawn.flatten(1).cpu()

    def fields(self, values: Tensor) -> Array:
        """Fields (n, C, *space) in the simulator's units, for such values."""
        return self.pixels.inverse(values.detach().numpy().reshape(-1, *self.data.shape))

    @cached_property
    def _precise(self) -> Any:
        """The generator in float64, with weights that stay."""
        return copy.deepcopy(self.generator).double().eval().requires_grad_(False)

    @property
    def weights(self) -> Weights:
        """All that `Gan.restore` needs."""
        arrays = named_arrays(self.generator, "generator/")
        arrays |= named_arrays(self.critic, "critic/")
        arrays |= {f"pixels/{name}": value for name, value in self.pixels.arrays.items()}
        data = TypeAdapter(Fields).dump_python(self.data, mode="json")
        return Weights(arrays=arrays, meta={"config": self.settings.trained, "data": data})


__all__ = ["GanEmulator"]
