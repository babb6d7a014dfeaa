"""The state of an interrupted fit, as what a file holds.

A checkpoint holds tensors by name, the moments of optimisers, and plain values, under the
fingerprint of its task (seed, settings, data, first weights). One of another task is not gone on
from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sbipipe.interfaces import Weights

State = dict[str, Tensor]

SECONDS = 20.0
"""A checkpoint is at least this old before it is written anew."""


def copied(module: nn.Module) -> State:
    """Weights and buffers as they stand."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


@torch.no_grad()
def average(into: State, module: nn.Module, decay: float, step: int) -> None:
    """EMA with the usual start-up correction, so that early weights are forgotten."""
    decay = min(decay, (1 + step) / (10 + step))
    for name, value in module.state_dict().items():
        if decay == 0 or not value.is_floating_point():
            into[name].copy_(value)
        else:
            into[name].lerp_(value, 1 - decay)


def fingerprint(words: bytes, tensors: Iterable[Tensor]) -> str:
    """Equal for two fits exactly when they would go the same way (as far as data can tell).

    Args:
        words: What is set.
    """
    digest = hashlib.blake2b(words)
    for tensor in tensors:
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def packed(
    mark: str,
    parts: Mapping[str, Mapping[str, Tensor]],
    optimisers: Mapping[str, torch.optim.Optimizer],
    meta: Mapping[str, Any],
) -> Weights:
    """A checkpoint.

    Args:
        mark: The fingerprint of its task.
        parts: Tensors by name, by the name of what they are part of.
        optimisers: By names that no part has.
        meta: Plain values.
    """
    arrays = {
        f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()
    }
    for part, optimiser in optimisers.items():
        for index, moments in optimiser.state_dict()["state"].items():
            arrays |= {f"{part}/{index}/{name}": value for name, value in moments.items()}
    numpy_arrays = {name: value.detach().cpu().numpy() for name, value in arrays.items()}
    return Weights(arrays=numpy_arrays, meta={"fingerprint": mark, **meta})


def unpacked(
    weights: Weights,
    mark: str,
    optimisers: Mapping[str, torch.optim.Optimizer],
    device: torch.device,
) -> tuple[dict[str, State], Mapping[str, Any]] | None:
    """The parts and the plain values of a checkpoint, whose optimisers are set back; None where it
    is one of another task."""
    if weights.meta.get("fingerprint") != mark:
        return None
    parts: dict[str, State] = {part: {} for part in optimisers}
    for key, array in weights.arrays.items():
        part, name = key.split("/", 1)
        parts.setdefault(part, {})[name] = torch.tensor(array, device=device)
    for part, optimiser in optimisers.items():
        moments: dict[int, State] = {}
        for key, value in parts.pop(part).items():
            index, name = key.split("/")
            moments.setdefault(int(index), {})[name] = value
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": moments, "param_groups": groups})
    return parts, weights.meta


__all__ = ["SECONDS", "State", "average", "copied", "fingerprint", "packed", "unpacked"]
