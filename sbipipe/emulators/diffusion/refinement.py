"""The coefficients of a trained factorised denoiser, by least squares.

Each training field gives equations at several levels, one from each of as many strata of the
density it was trained on, with the weight of the bound. The solution is sought near the one of
gradient descent; how near, the bound of `valid` decides, and staying there is one of the choices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sbipipe.emulators.diffusion.factorised import KNOTS, Factorised, Normal
from sbipipe.emulators.diffusion.schedule import Density
from sbipipe.interfaces import Run
from sbipipe.learning.training import Rows
from sbipipe.seeds import number, stream

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
_CHUNK = 256
_VALID_PASSES = 16


def refine(
    model: Factorised, train: Rows, valid: Rows, density: Density, passes: int, run: Run
) -> dict[str, Any]:
    """Solve for the coefficients of `model` in place.

    Args:
        train, valid: Fields (N, C, *space) and polynomials T(s) (N, M).
        passes: Levels of each training field.

    Returns:
        The ridge chosen (None for the coefficients of gradient descent), and the bound gained on
        `valid` in nats a field.
    """
    if not passes:
        return {}
    learning = _equations(model, train, density, passes, run, "refine train")
    judging = _equations(model, valid, density, _VALID_PASSES, run, "refine valid")
    start = model.table.detach().cpu().double().flatten(1)
    found: list[tuple[float, float | None, Tensor]] = [(float(judging.loss(start)), None, start)]
    for ridge in RIDGES:
        solved = learning.solve(start, ridge)
        found.append((float(judging.loss(solved)), ridge, solved))
    least, chosen, best = min(found, key=lambda entry: entry[0])
    with torch.no_grad():
        model.table.copy_(best.view(KNOTS, model.fields, -1))
    return {"refined_ridge": chosen, "refined_gain": (found[0][0] - least) / 2 / len(valid[0])}


def _equations(
    model: Factorised, rows: Rows, density: Density, passes: int, run: Run, label: str
) -> Normal:
    """Sums over all rows, each at `passes` levels; weighted so that the loss is a sum of bounds."""
    rng = stream(run.seed, label)
    generator = torch.Generator().manual_seed(number(run.seed, label, "noise"))
    total: Normal | None = None
    for start in range(0, len(rows[0]), _CHUNK):
        x, terms = (tensor[start : start + _CHUNK] for tensor in rows)
        for stratum in range(passes):
            q = (stratum + (rng.permutation(len(x)) + rng.random(len(x))) / len(x)) / passes
            levels = density.quantile(q)
            weight = 1 / (passes * density.density(levels))
            eps = torch.randn(x.shape, generator=generator)
            part = model.normal(
                *(tensor.to(run.device) for tensor in (
                    x, eps, torch.from_numpy(np.float32(levels)), torch.from_numpy(weight), terms
                ))
            ).cpu()  # fmt: skip
            total = part if total is None else total + part
    assert total is not None
    return total


__all__ = ["RIDGES", "refine"]
