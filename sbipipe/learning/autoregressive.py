"""zuko's autoregressive flows, with rows last.

Such a flow makes noise y of rows x of D numbers, one number after another,

    y_i = f(x_i; phi_i(x_1 ... x_(i-1), b)),

where a network with masked weights gives all phi at once (Papamakarios et al. 2017, arXiv
1705.07057), and f is a spline (`splines`) or affine. Here a network reads columns (D, N) and gives
columns of phi, those of one kind side by side, so that nothing is laid out anew between a matrix
product and the splines of all rows; and several networks of one shape are one, with one more axis.

To undo such a flow, zuko finds all phi D times, and each time one number more is right. Here only
those phi are found each time that are needed then: the hidden layers still go D times, but what is
dearest, the last layer and the inverses of all splines, once. Noise, densities and draws are
zuko's up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.flows.gaussianization import ElementWiseTransform
from zuko.nn import Linear, MaskedLinear
from zuko.transforms import AutoregressiveTransform, MonotonicAffineTransform, MonotonicRQSTransform
from zuko.utils import broadcast, unpack

from sbipipe.learning.splines import spline, undone

SLOPE = 1e-3
"""About the least slope, where zuko is told no other."""


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
            phi = phi.reshape(*phi.shape[:-1], len(own), lazy.total)
            x = x.index_copy(-1, own, lazy.undone(phi, y[..., own]))
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

    def undone(self, phi: Tensor, y: Tensor) -> Tensor:
        """The numbers (*, D) whose noise is y, given phi (*, D, total)."""
        if _kind(self) is MonotonicRQSTransform:
            first = phi.reshape(-1, *phi.shape[-2:]).permute(2, 1, 0).contiguous()
            last = y.reshape(-1, y.shape[-1]).T
            return undone(first, last, _slope(self)).T.reshape(y.shape)
        return cast(Tensor, self.univariate(*unpack(phi, self.shapes)).inv(y))


def _kind(transform: Any) -> Any:
    """The transform of each number."""
    return getattr(transform.univariate, "func", transform.univariate)


def _slope(transform: Any) -> float:
    """About the least one."""
    return float(getattr(transform.univariate, "keywords", {}).get("slope", SLOPE))


def _moved(transforms: Sequence[Any], x: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Noise of columns x (K, D, N) given b (K, E, N), and the logarithms of its slopes, (K, D, N),
    of K transforms of one shape."""
    one, dims = transforms[0], x.shape[-2]
    *layers, last = zip(*(transform.hyper for transform in transforms), strict=True)
    found = b if isinstance(one, ElementWiseTransform) else torch.cat([x, b], -2)
    for each in layers:
        found = found.relu() if isinstance(each[0], nn.ReLU) else _linear(each, found)
    phi = _linear(last, found, dims).reshape(-1, one.total, *x.shape[-2:])
    if _kind(one) is MonotonicRQSTransform:
        return spline(phi, x, _slope(one))
    shift, log_scale = phi.unbind(-3)
    log_scale = log_scale / (1 + abs(log_scale / math.log(_slope(one))))
    return x * log_scale.exp() + shift, log_scale


def _linear(layers: Sequence[Any], columns: Tensor, parts: int = 1) -> Tensor:
    """A layer of each flow, of columns (K, L, N); its outputs, one part behind the other, lie side
    by side."""
    weight, bias = (stacked([getattr(one, name) for one in layers]) for name in ("weight", "bias"))
    if isinstance(layers[0], MaskedLinear):
        weight = layers[0].mask * weight
    weight, bias = _side_by_side(weight, parts), _side_by_side(bias[..., None], parts)
    return torch.baddbmm(bias, weight, columns)


def _side_by_side(rows: Tensor, parts: int) -> Tensor:
    """Rows (K, parts m, L), the first of each part before the second of each."""
    if parts == 1:
        return rows
    return rows.reshape(len(rows), parts, -1, rows.shape[-1]).transpose(1, 2).flatten(1, 2)


def stacked(tensors: Sequence[Tensor]) -> Tensor:
    """K tensors as one, with one more axis before the others."""
    return torch.stack(list(tensors)) if len(tensors) > 1 else tensors[0][None]


def quickened(net: nn.Module) -> nn.Module:
    """The network, whose autoregressive transforms of zuko are these from now on."""
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


def is_quick(net: nn.Module) -> bool:
    """Whether sbi's estimator is a flow of zuko of such transforms alone, or of one number."""
    flow: Any = getattr(net, "net", None)
    transforms = getattr(getattr(flow, "transform", None), "transforms", ())
    return bool(transforms) and all(
        isinstance(one, _Lazy | ElementWiseTransform)
        and _kind(one) in (MonotonicRQSTransform, MonotonicAffineTransform)
        and all(isinstance(layer, Linear | MaskedLinear | nn.ReLU) for layer in one.hyper)
        for one in transforms
    )


def noise_of(nets: Sequence[Any], a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Of what noise K such flows of one shape make rows.

    Args:
        a: Rows for each flow, with shape (K, N, A).
        b: What each is given, with shape (K, N, E).

    Returns:
        The noise (K, N, A), and the logarithm of its determinant (K, N).
    """
    x, given = a.mT, b.mT
    total = torch.zeros_like(x[:, 0])
    for transforms in zip(*(net.net.transform.transforms for net in nets), strict=True):
        x, slopes = _moved(transforms, x, given)
        total = total + slopes.sum(-2)
    return x.mT, total


def log_normal(noise: Tensor) -> Tensor:
    """Of rows (..., D), the logarithm of the standard normal density."""
    return -0.5 * (noise.square().sum(-1) + noise.shape[-1] * math.log(2 * math.pi))


__all__ = ["is_quick", "log_normal", "noise_of", "quickened", "stacked"]
