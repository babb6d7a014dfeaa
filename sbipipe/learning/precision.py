"""How precisely networks multiply while they learn."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bf16"]
"""bf16 multiplies matrices and convolves in bfloat16; weights, and the mean of the losses, stay in
float32. Faster only where the hardware has it."""


def cast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """What is computed inside has this precision."""
    if precision == "bf16":
        import torch

        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


__all__ = ["Precision", "cast"]
