r"""The shortest path between two points, as the field measures it.

Of all paths z(t) between two points, a geodesic has the least energy

    E = 1/2 int_0^1 |d f(z(t)) / dt|^2 dt  ~  T/2 sum_i |f(z_{i+1}) - f(z_i)|^2,

and runs along it at constant speed (Shao, Kumar & Fletcher 2017, arXiv:1711.08014). The T - 1
points between the ends are moved by L-BFGS until E falls no further. It is the shortest of the
paths nearby, not of all.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sbipipe.latent.metric import Map

ITERATIONS, GRADIENT, CHANGE = 500, 1e-9, 1e-13
"""Where the minimisation ends: after so many iterations, or where the largest gradient, or the
change of E / E_0 in an iteration, is less."""


def energy(f: Map, path: Tensor) -> Tensor:
    """E of a path (T + 1, M)."""
    return (len(path) - 1) / 2 * f(path).diff(dim=0).square().sum()


def geodesic(f: Map, path: Tensor) -> Tensor:
    """The path (T + 1, M) with the least energy that is found from this one, with its ends."""
    inner = path[1:-1].clone().requires_grad_()
    scale = energy(f, path).detach()
    optimiser = torch.optim.LBFGS(
        [inner], max_iter=ITERATIONS, tolerance_grad=GRADIENT, tolerance_change=CHANGE,
        history_size=20, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = energy(f, torch.cat([path[:1], inner, path[-1:]])) / scale
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return torch.cat([path[:1], inner.detach(), path[-1:]])


__all__ = ["energy", "geodesic"]
