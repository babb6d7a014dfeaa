"""Rational-quadratic splines, with their bins before their rows, and their derivatives written out.

Each number x of a spline flow goes through a spline of its own, of K bins (Durkan et al. 2019,
arXiv 1906.04032, eqs. 4 to 6). A network gives 3 K - 1 numbers phi for each: the bins' widths and
heights, up to a softmax, and the slopes between bins, up to an exponential. In the bin of x, of
width w, height h, mean slope s = h / w and slopes d_0 and d_1 at its ends (x_0, y_0), with
q = (x - x_0) / w and t = q (1 - q),

    y = y_0 + h a / b,    a = s q^2 + d_0 t,    b = s + (d_0 + d_1 - 2 s) t,
    log dy/dx = log(s^2 c / b^2),    c = 2 s t + d_0 (1 - q)^2 + d_1 q^2;

beyond the bound the spline is the identity. A flow spends most of its time here, and automatic
differentiation half of that: it keeps and undoes sixty small operations for each transform. So they
are one operation (`spline`), whose derivatives stand below. zuko keeps the numbers of its bins
last, and torch then takes their softmax and their sums row by row, K at a time; here all rows are
worked on at once. The splines are zuko's up to rounding.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

BINS = -3
"""The axis of the bins in phi (..., 3 K - 1, D, N)."""

BOUND = 5.0
"""Where splines end."""


def spline(phi: Tensor, x: Tensor, slope: float) -> tuple[Tensor, Tensor]:
    """Values of splines, and the logarithms of their slopes there.

    Args:
        phi: Their numbers (..., 3 K - 1, D, N): widths, heights and slopes between bins.
        x: Where, with shape (..., D, N).
        slope: About the least slope.

    Returns:
        Two tensors with the shape of x.
    """
    apply: Any = _Spline.apply
    y, log_slope, *_ = apply(phi, x, abs(math.log(slope)))
    return y, log_slope


class _Spline(Function):
    """The values, the slopes' logarithms, and what their derivatives are made of."""

    @staticmethod
    def forward(phi: Tensor, x: Tensor, softest: float) -> tuple[Tensor, ...]:
        bins = (phi.shape[BINS] + 1) // 3
        share = _shares(phi, bins, softest)
        ends = share.cumsum(BINS)
        k = _bin(ends.select(BINS - 1, 0), x)
        w, h, x0, y0 = _bin_of(share, ends, k)
        d0, d1 = _slopes(phi, bins, k, softest)
        inside = x.abs() < BOUND
        q = ((x - x0) / w).clamp(0.0, 1.0)

        s, p = h / w, 1 - q
        t, q2 = q * p, q * q
        below = torch.addcmul(s, torch.sub(d0 + d1, s, alpha=2), t)
        rise = torch.addcmul(d0 * t, s, q2) / below
        c = (d1 * q2).addcmul_(d0, p * p).addcmul_(s, t, value=2)
        y = torch.where(inside, torch.addcmul(y0, h, rise), x)
        log_slope = torch.where(inside, ((s / below).square() * c).log(), 0.0)
        return y, log_slope, share, k, torch.stack([w, h, d0, d1, q, below, rise, c]), inside

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        phi, _, ctx.softest = inputs
        ctx.mark_non_differentiable(*output[2:])
        ctx.set_materialize_grads(True)
        ctx.save_for_backward(phi, *output[2:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        phi, share, k, parts, inside = ctx.saved_tensors
        bins = (phi.shape[BINS] + 1) // 3
        w, h, d0, d1, q, below, rise, c = parts
        g_y, g_l = (torch.where(inside, one, 0.0) for one in grads[:2])
        s, p, q2 = h / w, 1 - q, q * q
        t, u = q * p, p - q
        excess = torch.sub(d0 + d1, s, alpha=2)

        # The derivatives by a, by b and by c.
        g_h = g_y * h
        by_a, by_c = g_h / below, g_l / c
        by_b = torch.addcmul(2 * g_l, g_h, rise).div_(below).neg_()
        # Those by q, of which dy/dq = w dy/dx, and c has a derivative of its own.
        of_c = (s * u).addcmul_(d0, p, value=-1).addcmul_(d1, q)
        by_q = (s / below).square_().mul_(c).mul_(w).mul_(g_y).addcmul_(by_c, of_c, value=2)
        by_q.addcmul_(g_l / below * excess, u, value=-2)
        by_s = (by_a * q2).addcmul_(by_c - by_b, t, value=2).add_(by_b).add_(g_l / s, alpha=2)
        by_d0 = ((by_a + by_b) * t).addcmul_(by_c, p * p)
        by_d1 = (by_b * t).addcmul_(by_c, q2)
        by_x, by_s = by_q / w, by_s / w
        by_w = (by_x * q).addcmul_(by_s, s).neg_()
        by_h = torch.addcmul(by_s, g_y, rise)

        sides = _sides(phi, bins)
        g_phi = torch.zeros_like(phi)
        by_share = _by_shares((-by_x, g_y), (by_w, by_h), share, k)
        bent = (1 + sides.abs() * (2 / ctx.softest)).square()
        torch.div(by_share, bent, out=_sides(g_phi, bins))

        at = torch.cat([k, k + 1], BINS)
        padded = _padded(phi, bins)
        bent = (1 + padded.gather(BINS, at).abs() / ctx.softest).square()
        by_ends = torch.stack([by_d0 * d0, by_d1 * d1], BINS).div_(bent)
        by_padded = torch.zeros_like(padded).scatter_add_(BINS, at, by_ends)
        g_phi.narrow(BINS, 2 * bins, bins - 1).copy_(by_padded.narrow(BINS, 1, bins - 1))
        return g_phi, torch.where(inside, by_x, grads[0]), None


def undone(phi: Tensor, y: Tensor, slope: float) -> Tensor:
    """Where splines have these values: the root of a quadratic equation (the paper's eqs. 6 to 8).

    Args:
        phi: Their numbers (..., 3 K - 1, D, N).
        y: Their values, with shape (..., D, N).
        slope: About the least slope.
    """
    bins, softest = (phi.shape[BINS] + 1) // 3, abs(math.log(slope))
    share = _shares(phi, bins, softest)
    ends = share.cumsum(BINS)
    k = _bin(ends.select(BINS - 1, 1), y)
    w, h, x0, y0 = _bin_of(share, ends, k)
    d0, d1 = _slopes(phi, bins, k, softest)
    s = h / w
    inside = y.abs() < BOUND
    up = torch.where(inside, y - y0, 0.0).clamp(min=0.0)
    bend = up * (d0 + d1 - 2 * s)
    a, b, c = h * (s - d0) + bend, h * d0 - bend, -s * up
    root = (b.square() - 4 * a * c).clamp(min=0.0).sqrt()
    return torch.where(inside, x0 + w * 2 * c / (-b - root), y)


def _sides(phi: Tensor, bins: int) -> Tensor:
    """The widths and heights in phi, a view with shape (..., 2, K, D, N)."""
    several, rows = phi.shape[:BINS], phi.shape[BINS + 1 :]
    return phi.narrow(BINS, 0, 2 * bins).view(*several, 2, bins, *rows)


def _shares(phi: Tensor, bins: int, softest: float) -> Tensor:
    """The shares of all that bins are wide and high, with shape (..., 2, K, D, N)."""
    sides = _sides(phi, bins)
    return torch.softmax(sides / (1 + sides.abs() * (2 / softest)), BINS)


def _bin(ends: Tensor, x: Tensor) -> Tensor:
    """The bin (..., 1, D, N) that x (..., D, N) is in, of those that end at (..., K, D, N), as
    shares; the first or the last for what is beyond them."""
    place = (x / BOUND + 1) / 2
    inner = ends.narrow(BINS, 0, ends.shape[BINS] - 1)
    return (inner < place.unsqueeze(BINS)).sum(BINS, keepdim=True)


def _by_shares(
    low: tuple[Tensor, ...], own: tuple[Tensor, ...], share: Tensor, k: Tensor
) -> Tensor:
    """The derivatives by what the softmax was given, of those by where a bin begins and by how
    large it is (width and height, each with shape (..., D, N))."""
    below = torch.arange(share.shape[BINS], device=k.device)[:, None, None] < k
    by = torch.stack(low, BINS).unsqueeze(BINS) * below.unsqueeze(BINS - 1)
    by = by.scatter_add(BINS, _in_sides(k), torch.stack(own, BINS).unsqueeze(BINS))
    by -= (by * share).sum(BINS, keepdim=True)
    return by * share * (2 * BOUND)


def _in_sides(k: Tensor) -> Tensor:
    """An index of one bin into shares."""
    return k.unsqueeze(BINS - 1).expand(*k.shape[:BINS], 2, *k.shape[BINS:])


def _bin_of(share: Tensor, ends: Tensor, k: Tensor) -> tuple[Tensor, ...]:
    """The width and height of a bin, and where it begins, each with shape (..., D, N)."""
    at = _in_sides(k)
    own = share.gather(BINS, at).squeeze(BINS)
    low = ends.gather(BINS, at).squeeze(BINS) - own
    (w, h), (x0, y0) = (2 * BOUND * own).unbind(BINS), (2 * BOUND * low - BOUND).unbind(BINS)
    return w, h, x0, y0


def _padded(phi: Tensor, bins: int) -> Tensor:
    """The slopes in phi between two more, of the spline's ends, with shape (..., K + 1, D, N)."""
    return functional.pad(phi.narrow(BINS, 2 * bins, bins - 1), (0, 0, 0, 0, 1, 1))


def _slopes(phi: Tensor, bins: int, k: Tensor, softest: float) -> tuple[Tensor, ...]:
    """The slopes at both ends of a bin, each with shape (..., D, N)."""
    given = _padded(phi, bins).gather(BINS, torch.cat([k, k + 1], BINS))
    return (given / (1 + given.abs() / softest)).exp().unbind(BINS)


__all__ = ["spline", "undone"]
