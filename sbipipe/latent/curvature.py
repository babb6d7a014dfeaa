r"""The curvature of a surface in flat space, from its second derivatives.

Let f map points of m coordinates to N > m values, with a Jacobian J of rank m and the metric g =
J^T J. What is left of the second derivatives normal to the surface is its second fundamental form,

    II_ij = (1 - J g^-1 J^T) d_i d_j f.

The space around it is flat, so the equation of Gauss gives all of the curvature,

    R_ijkl = II_ik . II_jl - II_il . II_jk

(do Carmo 1992, Riemannian Geometry, ch. 6): of a plane through u and v the sectional curvature

    K(u, v) = R(u, v, u, v) / (|u|^2 |v|^2 - (u . v)^2),

and the scalar curvature S = g^ik g^jl R_ijkl, which is 2 K where m = 2. No derivative of g is
taken, so there are no Christoffel symbols, and errors are those of rounding.

A map of ReLU activations is piecewise linear: its second derivatives are zero wherever they exist,
and what bends lies in the kinks, of which they know nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import jvp

from sbipipe.latent.metric import Map


def second_form(f: Map, x: Tensor) -> tuple[Tensor, Tensor]:
    """g (n, m, m) and II (n, m, m, N) at points x (n, m)."""
    first, second = _derivatives(f, x)
    g = first @ first.mT
    flat = second.flatten(1, 2)
    tangent = torch.linalg.solve(g, first @ flat.mT)  # (n, m, m * m)
    return g, (flat - tangent.mT @ first).view_as(second)


def scalar(f: Map, x: Tensor) -> Tensor:
    """S at points x (n, m), with shape (n,)."""
    g, form = second_form(f, x)
    inverse = torch.linalg.inv(g)
    raised = torch.einsum("nik,njl,nklv->nijv", inverse, inverse, form)
    trace = torch.einsum("nij,nijv->nv", inverse, form)
    return trace.square().sum(1) - (raised * form).sum((1, 2, 3))


def sectional(f: Map, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """K(u, v) at points x (n, m), for directions u and v (m,), with shape (n,)."""
    g, form = second_form(f, x)
    pair = torch.stack([u, v])
    lengths = pair @ g @ pair.T
    bent = torch.einsum("ai,nijv,bj->nabv", pair, form, pair)
    turned = (bent[:, 0, 0] * bent[:, 1, 1]).sum(1) - bent[:, 0, 1].square().sum(1)
    found: Tensor = turned / torch.linalg.det(lengths)
    return found


def _derivatives(f: Map, x: Tensor) -> tuple[Tensor, Tensor]:
    """d_i f (n, m, N) and d_i d_j f (n, m, m, N) at points x (n, m)."""
    m = x.shape[1]
    axes = torch.eye(m, dtype=x.dtype)

    def along(i: int) -> Map:
        return lambda points: jvp(f, (points,), (axes[i].expand_as(points).clone(),))[1]

    second = {
        (i, j): jvp(along(i), (x,), (axes[j].expand_as(x).clone(),))[1]
        for i in range(m)
        for j in range(i + 1)
    }
    rows = [torch.stack([second[max(i, j), min(i, j)] for j in range(m)], 1) for i in range(m)]
    return torch.stack([along(i)(x) for i in range(m)], 1), torch.stack(rows, 1)


__all__ = ["scalar", "second_form", "sectional"]
