"""Processes that train one network together, each on its own device.

Lightning Fabric starts them, as many as `runtime.devices` asks for, or finds them where a cluster
has started them. All hold the same weights and data. Each takes its share of every batch; the sum
of their gradients, each in proportion to its rows, is the gradient of the batch. Everything else
they do alike, and the first one alone writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed, nn

from sbipipe.seeds import number

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Processes:
    """One process, or those of a `Fabric`."""

    fabric: Fabric | None = None

    def share(self, index: Tensor) -> Tensor:
        """This process's rows of a batch; none where there are fewer rows than processes."""
        if self.fabric is None:
            return index
        return index.tensor_split(self.fabric.world_size)[self.fabric.global_rank]

    def part(self, seed: int) -> None:
        """From here on, random numbers of torch differ between processes; the first one's are
        those it would draw alone."""
        if self.fabric is not None and self.fabric.global_rank:
            torch.manual_seed(number(seed, "process", self.fabric.global_rank))

    def sum(self, value: float) -> float:
        """Over processes."""
        if self.fabric is None:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=self.fabric.device)
        distributed.all_reduce(total)
        return float(total)

    def agreed(self, value: float) -> float:
        """The mean over processes of what should be one value, but may differ by rounding."""
        return self.sum(value) / (self.fabric.world_size if self.fabric else 1)

    def add_gradients(self, module: nn.Module) -> None:
        """Replace each gradient by its sum over processes."""
        if self.fabric is None:
            return
        for weight in module.parameters():
            if weight.requires_grad and weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    @torch.no_grad()
    def average_buffers(self, module: nn.Module) -> None:
        """Replace each buffer, a statistic of the batches seen, by its mean over processes."""
        if self.fabric is None:
            return
        for buffer in module.buffers():
            if buffer.is_floating_point():
                distributed.all_reduce(buffer)
                buffer /= self.fabric.world_size


@cache
def start(device: str, count: int) -> Processes:
    """So many processes that run this script from its beginning to here, and on.

    Args:
        device: "cuda" or "cpu".
    """
    if count == 1:
        return Processes()
    from lightning_fabric import Fabric

    fabric = Fabric(accelerator=device, devices=count, strategy="ddp")
    fabric.launch()
    return Processes(fabric)


def first() -> bool:
    """Whether this process is the one that writes."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


__all__ = ["Processes", "first", "start"]
