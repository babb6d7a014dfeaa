"""Draws of autoregressive flows, one number of each row after another.

Such a flow makes a row of D numbers of noise, y_i = f(x_i; phi_i(x_1 ... x_(i-1))), where a network
gives all phi at once (Papamakarios et al. 2017, arXiv 1705.07057). To undo it, zuko finds all phi D
times, and each time one number more is right. Here only those phi are found each time that are
needed then: the hidden layers still go D times, but what is dearest, the last layer and the
inverses of all splines, once. The draws are the same up to rounding.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.nn import MaskedLinear
from zuko.transforms import AutoregressiveTransform
from zuko.utils import broadcast, unpack


class _InTurn(AutoregressiveTransform):  # type: ignore[misc]
    """zuko's, undone in turn.

    Args:
        lazy: What gives phi.
        condition: What the flow is given, with shape (*, E), or None.
    """

    def __init__(self, lazy: Any, condition: Tensor | None) -> None:
        super().__init__(partial(lazy.meta, condition), lazy.passes)
        self.lazy = lazy
        self.condition = condition

    def _inverse(self, y: Tensor) -> Tensor:
        lazy, x = self.lazy, torch.zeros_like(y)
        *layers, last = lazy.hyper
        hidden = nn.Sequential(*layers)
        weight = (last.mask * last.weight).reshape(-1, lazy.total, last.in_features)
        bias = last.bias.reshape(-1, lazy.total)
        for turn in lazy.turns:
            own = torch.tensor(turn, device=y.device)
            given = x
            if self.condition is not None:
                given = torch.cat(broadcast(x, self.condition, ignore=1), -1)
            phi = functional.linear(hidden(given), weight[own].flatten(0, 1), bias[own].flatten())
            parts = unpack(phi.reshape(*phi.shape[:-1], len(own), lazy.total), lazy.shapes)
            x = x.index_copy(-1, own, lazy.univariate(*parts).inv(y[..., own]))
        return x


class _Lazy(MaskedAutoregressiveTransform):  # type: ignore[misc]
    """What gives such a transform for each condition.

    Attributes:
        turns: The numbers of a row that are known at once, in order; on no device, so that none
            waits for them.
    """

    turns: list[list[int]]

    def forward(self, c: Tensor | None = None) -> AutoregressiveTransform:
        return _InTurn(self, c)


def drawn_in_turn(net: nn.Module) -> nn.Module:
    """The network, whose autoregressive transforms of zuko are undone in turn from now on."""
    every: list[Any] = list(net.modules())
    for module in every:
        if (
            type(module) is MaskedAutoregressiveTransform
            and module.order is not None
            and isinstance(module.hyper[-1], MaskedLinear)
        ):
            module.__class__ = _Lazy
            order = module.order.tolist()
            module.turns = [
                [i for i, turn in enumerate(order) if turn == now] for now in range(module.passes)
            ]
    return net


__all__ = ["drawn_in_turn"]
