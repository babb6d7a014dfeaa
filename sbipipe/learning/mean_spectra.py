r"""The mean spectra of the channels of fields in bands, as functions of theta.

In a band, the power P_c(s) of channel c is that of `learning.mean_power`. In units of its root, the
waves of a channel are predicted from those of the channels before it by row c of a matrix R,
strictly lower triangular,

    F_c / sqrt P_c = sum_{j < c} R_cj F_j / sqrt P_j + a rest,        R(s) = sum_m r_m T_m(s),

where r is a least-squares fit over fields and modes. P and R are equal where all auto- and
cross-spectra are. Where the parameters tell fewer polynomials apart than there are, the shortest r
does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sbipipe.learning.mean_power import log_mean_power


def mean_spectra(spectra: Tensor, terms: Tensor) -> tuple[Tensor, Tensor]:
    """log P, with shape (b, C, M), and R, with shape (b, C, C, M), as polynomials of theta.

    Args:
        spectra: Of fields in bands (`physics.bands`), with shape (N, b, C, C).
        terms: T at their parameters, with shape (N, M), in float64.
    """
    log_power = log_mean_power(spectra.diagonal(dim1=-2, dim2=-1), terms)
    unit = (torch.einsum("bcm,nm->nbc", log_power, terms) / 2).exp()
    own = spectra / (unit[..., None] * unit[..., None, :])
    bands, channels = own.shape[1:3]
    r = own.new_zeros(bands, channels, channels, terms.shape[1])
    for c in range(1, channels):
        normal = torch.einsum("nbij,nm,nl->bimjl", own[..., :c, :c], terms, terms)
        given = torch.einsum("nbi,nm->bim", own[..., :c, c], terms).flatten(1)
        known = torch.linalg.pinv(normal.flatten(1, 2).flatten(2), hermitian=True)
        r[:, c, :c] = (known @ given[..., None]).reshape(bands, c, -1)
    return log_power, r


__all__ = ["mean_spectra"]
