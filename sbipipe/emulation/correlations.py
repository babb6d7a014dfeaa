r"""How P(k) varies together in several bins, from the residuals of each field about the mean at its
theta.

Correlations take residuals in units of their own scatter there, so they forgive fields that scatter
too little or too much. Covariances take those of all fields in units of the scatter of true ones,
and those between channels as well; of C_ij only i != j counts, since `z_scores` and others have the
rest.
"""

from __future__ import annotations

import numpy as np

from sbipipe.emulation.judgement import Against, Correlation, short
from sbipipe.emulation.z_scores import rms
from sbipipe.interfaces import Array

MATRIX = 24
"""Bins of a correlation matrix, at most: neighbours are averaged."""


def correlation(power: Array) -> Array:
    """Between bins of the spectra (T, m, K), within each theta, with shape (K, K)."""
    residual = (power - power.mean(1, keepdims=True)) / power.std(1, keepdims=True, ddof=1)
    return np.asarray(np.corrcoef(residual.reshape(-1, power.shape[-1]), rowvar=False))


def covariance(power: Array, scatter: Array) -> Array:
    """Between bins of the spectra (T, m, K), within each theta, in units of the scatter (T, 1, K)
    of true ones, with shape (K, K)."""
    T, m, K = power.shape
    residual = ((power - power.mean(1, keepdims=True)) / scatter).reshape(-1, K)
    return np.asarray(residual.T @ residual / (T * (m - 1)))


def correlations(
    k: Array, true: Array, generated: Array, control: Array, reference: Array
) -> Correlation:
    """Of spectra (T, fields, C * K) at wavenumbers k (K,), in each channel.

    The numbers take as many generated fields as the control has.

    Args:
        reference: What the control is set beside.
    """
    groups = np.array_split(np.arange(len(k)), min(MATRIX, len(k)))

    def averaged(power: Array) -> list[Array]:
        """Each channel with neighbouring bins averaged, (T, fields, bins)."""
        channels = np.split(power, power.shape[-1] // len(k), axis=-1)
        return [np.stack([one[..., group].mean(-1) for group in groups], -1) for one in channels]

    def matrices(power: Array) -> Array:
        """With shape (C, bins, bins)."""
        return np.stack([correlation(one) for one in averaged(power)])

    def differ(power: Array, others: Array) -> float:
        """The rms difference of covariances off the diagonal."""
        a, b = (np.concatenate(averaged(one), -1) for one in (power, others))
        scatter = b.std(1, keepdims=True, ddof=1)
        difference = covariance(a, scatter) - covariance(b, scatter)
        return rms(difference[~np.eye(len(difference), dtype=bool)])

    of_true, of_control = matrices(true), matrices(control)
    off = ~np.eye(len(groups), dtype=bool)
    few = matrices(generated[:, : control.shape[1]])
    return Correlation(
        k=short(np.array([k[group].mean() for group in groups])),
        true=np.round(of_true[0], 3),
        generated=np.round(matrices(generated)[0], 3),
        control=np.round(of_control[0], 3),
        rms_difference=Against(
            generated=rms((few - of_true)[:, off]),
            control=rms((of_control - matrices(reference))[:, off]),
        ),
        covariance_difference=Against(
            generated=differ(generated[:, : control.shape[1]], true),
            control=differ(control, reference),
        ),
    )
