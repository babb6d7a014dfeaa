"""Networks of one shape that learn side by side: the members of an ensemble.

Members differ in their first weights alone; all see the same batches, in one optimisation
(`training`). While they learn, the loss is the mean of theirs, so that none knows of the others.
When they are judged, it is that of their mixture,

    -log (1/K) sum_k exp(-loss_k),

where exp(-loss) is a density, or the probability that a classifier gives to what is true: an
ensemble ends when its mixture no longer gets better, which is later than its members do.

Small networks of vectors cost what it takes to call them, not what they compute. So one call serves
all where one can: a method `losses` of their own, where they have it, or their weights are stacked
(`torch.func`). Networks that torch cannot stack (those of nflows, and of fields) are called one
after another, with the same result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from sbipipe.seeds import number, torch_scope
from sbipipe.storage import below

Build = Callable[[int], nn.Module]
"""The k-th new network, from torch's generator, with a method `loss(*rows) -> (b,)`."""


class Together(nn.Module):
    """K networks as one.

    Args:
        members: Networks of one shape.
        stacked: Whether one call serves all.
    """

    def __init__(self, members: Sequence[nn.Module], *, stacked: bool) -> None:
        super().__init__()
        self.count = len(members)
        self.at_once = getattr(members[0], "losses", None) if stacked else None
        self.stacked = stacked and self.count > 1
        self.by_torch = self.stacked and self.at_once is None
        if not self.by_torch:
            self.members = nn.ModuleList(members)
            return
        weights, buffers = stack_module_state(list(members))
        self.weights = nn.ParameterDict({_key(n): nn.Parameter(w) for n, w in weights.items()})
        self.names = {_key(n): n for n in (*weights, *buffers)}
        self.buffer_keys = tuple(map(_key, buffers))
        for name, buffer in buffers.items():
            self.register_buffer(_key(name), buffer)
        # Not a part of this module: its own weights are never used.
        self.shells = [_Loss(member) for member in members]

    def loss(self, *rows: Tensor) -> Tensor:
        """The members' mean, or that of their mixture where they are judged, with shape (b,)."""
        losses = self._losses(*rows)
        if self.training:
            return losses.mean(0)
        return math.log(self.count) - torch.logsumexp(-losses, 0)

    def _losses(self, *rows: Tensor) -> Tensor:
        if self.at_once:
            found: Tensor = self.at_once(list(self.members), *rows)
            return found
        if not self.by_torch:
            every: list[Any] = list(self.members)
            return torch.stack([member.loss(*rows) for member in every])
        shell = self.shells[0].to(rows[0].device).train(self.training)

        def one(state: dict[str, Tensor], *given: Tensor) -> Tensor:
            losses: Tensor = functional_call(shell, state, given)
            return losses

        nobody = (None,) * len(rows)
        mapped = torch.vmap(one, in_dims=(0, *nobody), randomness="different")
        losses: Tensor = mapped(self._state(), *rows)
        return losses

    def _state(self) -> dict[str, Tensor]:
        weights = {f"member.{self.names[key]}": value for key, value in self.weights.items()}
        buffers = {f"member.{self.names[key]}": getattr(self, key) for key in self.buffer_keys}
        return weights | buffers

    def apart(self) -> tuple[Any, ...]:
        """The networks, each with its own weights, in evaluation mode."""
        if not self.by_torch:
            return tuple(member.eval() for member in self.members)
        state = self._state()
        for k, shell in enumerate(self.shells):
            shell.load_state_dict({name: value[k].detach() for name, value in state.items()})
        return tuple(shell.member.to(self._device).eval() for shell in self.shells)

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device


class _Loss(nn.Module):
    """A network whose call is its loss."""

    def __init__(self, member: nn.Module) -> None:
        super().__init__()
        self.member: Any = member

    def forward(self, *rows: Tensor) -> Tensor:
        losses: Tensor = self.member.loss(*rows)
        return losses


def _key(name: str) -> str:
    return name.replace(".", "-")


def together(build: Build, size: int, seed: int, *, stacked: bool) -> Together:
    """New networks, each from a seed of its own."""
    members = []
    for k in range(size):
        with torch_scope(number(seed, f"member{k}", "initialise")):
            members.append(build(k))
    return Together(members, stacked=stacked)


def named_arrays(module: nn.Module, prefix: str) -> dict[str, NDArray[Any]]:
    """Weights and buffers of a network, by names that begin with a prefix."""
    state = module.state_dict().items()
    return {f"{prefix}{name}": value.detach().cpu().numpy() for name, value in state}


def load_named(module: nn.Module, arrays: Mapping[str, NDArray[Any]], prefix: str) -> None:
    """Put back what `named_arrays` gave, found among other arrays."""
    own = below(arrays, prefix)
    module.load_state_dict({name: torch.as_tensor(value) for name, value in own.items()})


def member_arrays(members: Sequence[nn.Module]) -> dict[str, NDArray[Any]]:
    """Weights and buffers of networks as `member0/...`, `member1/...`."""
    each = (named_arrays(member, f"member{k}/") for k, member in enumerate(members))
    return {name: value for arrays in each for name, value in arrays.items()}


def load_members(
    builds: Sequence[Build], arrays: Mapping[str, NDArray[Any]], device: str = "cpu"
) -> tuple[Any, ...]:
    """Networks with the weights that `member_arrays` gave, on a device."""
    return tuple(member.to(device) for member in _load_members(builds, arrays))


def _load_members(
    builds: Sequence[Build], arrays: Mapping[str, NDArray[Any]]
) -> Iterator[nn.Module]:
    for k, build in enumerate(builds):
        with torch_scope(0):
            member = build(k)
        load_named(member, arrays, f"member{k}/")
        yield member.eval()
