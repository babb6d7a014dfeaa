r"""How far a likelihood may be believed.

The bound of an imperfect denoiser is a likelihood that misses correlations, and too sharp. Raised
to a power b, the same for every observation, it gives the posteriors

    p_b(theta | x) = p(theta) exp(b l(theta, x)) / Z_b(x).

The strength b is the one with the highest mean log p_b at the true parameters of held-out fields.
One number cannot mend a bias, nor an error that differs between observations: the gate judges.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from scipy.stats import qmc
from torch import Tensor

from sbipipe.diffusion.chebyshev import Basis
from sbipipe.interfaces import Array

POINTS = 2**12
"""Of the prior's cube, over which Z_b is a mean."""

LEAST, MOST = 0.02, 2.0


def likelihoods(coefficients: Array, basis: Basis, s: Tensor) -> tuple[Array, Array]:
    """l of surfaces (B, M') over the prior's cube, with shape (B, POINTS), and at the true
    parameters s (B, D), with shape (B,)."""
    cube = 2 * qmc.Sobol(s.shape[1], rng=0).random(POINTS) - 1
    everywhere = coefficients @ basis(torch.from_numpy(cube)).numpy().T
    return everywhere, (coefficients * basis(s.double()).numpy()).sum(1)


def strength(everywhere: Array, truth: Array) -> float:
    """b for fields with these `likelihoods`."""

    def cost(b: float) -> float:
        evidence = logsumexp(b * everywhere, axis=1) - np.log(POINTS)
        return float((evidence - b * truth).mean())

    return float(minimize_scalar(cost, bounds=(LEAST, MOST), method="bounded").x)


def coverage(everywhere: Array, truth: Array, power: float, level: float) -> float:
    """The share of true parameters within the highest-density regions of p_b."""
    mass = softmax(power * everywhere, axis=1)
    above = (mass * (everywhere > truth[:, None])).sum(1)
    return float((above < level).mean())


__all__ = ["coverage", "likelihoods", "strength"]
