"""Correlations of P(k) between bins, from the residuals of each field about the mean at its theta,
in units of their scatter there."""

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


def correlations(
    k: Array, true: Array, generated: Array, control: Array, reference: Array
) -> Correlation:
    """Of spectra (T, fields, C * K) at wavenumbers k (K,), in each channel.

    The numbers take as many generated fields as the control has.

    Args:
        reference: What the control is set beside.
    """
    groups = np.array_split(np.arange(len(k)), min(MATRIX, len(k)))

    def matrices(power: Array) -> Array:
        """With shape (C, bins, bins)."""
        channels = np.split(power, power.shape[-1] // len(k), axis=-1)
        averaged = (
            np.stack([one[..., group].mean(-1) for group in groups], -1) for one in channels
        )
        return np.stack([correlation(one) for one in averaged])

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
    )
