r"""The mean power of fields in bands, as a function of theta.

A field's power p in a band of n modes scatters about its mean P as in a gamma distribution,
whatever n. With

    log P(s) = sum_m a_m T_m(s)

in every band, a solves sum (p / P - 1) T_m = 0 over the fields (McCullagh & Nelder 1989, chapter
8), by Fisher's scoring. Where the parameters tell fewer polynomials apart than there are, the
shortest a does.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SCORINGS = 20


def log_mean_power(power: Tensor, terms: Tensor) -> Tensor:
    """a, with shape (b, C, M).

    Args:
        power: Of fields in bands (`physics.bands`), with shape (N, b, C).
        terms: T at their parameters, with shape (N, M), in float64.
    """
    flat = power.flatten(1)
    onto = torch.linalg.pinv(terms)
    a = torch.zeros(terms.shape[1], flat.shape[1], dtype=torch.float64)
    a[0] = flat.mean(0).log()
    for _ in range(_SCORINGS):
        a = a + onto @ (flat / (terms @ a).exp() - 1)
    return a.T.reshape(*power.shape[1:], -1)


__all__ = ["log_mean_power"]
