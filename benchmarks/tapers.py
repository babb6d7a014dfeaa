"""What tapers make of the power of maps whose sides do not meet (`physics.taper`).

Gaussian maps with P = k^n, four times as wide, are cut into crops of 64 x 64. Printed is, for bins
as wide as the fundamental wavenumber of a crop, the mean power of the crops over P; and how many
Gaussian modes would scatter as much at k = 8.

    python benchmarks/tapers.py [maps]
"""

from __future__ import annotations

import sys

import numpy as np

from sbipipe.interfaces import Array
from sbipipe.physics.fields import gaussian_field, power_spectrum, wavenumbers
from sbipipe.seeds import stream

SIDE, TIMES = 64, 4
X = (np.arange(SIDE) + 0.5) / SIDE
TAPERS = {
    "none": np.ones(SIDE),
    "Tukey, half": np.where(np.abs(X - 0.5) > 0.25, np.sin(2 * np.pi * X) ** 2, 1),
    "sine": np.sin(np.pi * X),
    "Hann": np.sin(np.pi * X) ** 2,
}
SHOWN = np.array([1, 2, 3, 4, 5, 8, 16, 31])
MODES = 8


def crops(slope: float, maps: int) -> Array:
    """With shape (maps * 16, 64, 64)."""
    k = wavenumbers(SIDE * TIMES, 2, TIMES) / (2 * np.pi)
    power, rng = np.where(k > 0, k, np.inf) ** slope, stream(0, "tapers")
    wide = [gaussian_field(rng.standard_normal(k.shape), power, TIMES) for _ in range(maps)]
    return np.reshape(wide, (maps, TIMES, SIDE, TIMES, SIDE)).swapaxes(2, 3).reshape(-1, SIDE, SIDE)


def power_over_truth(fields: Array, w: Array, slope: float) -> Array:
    """Of fields (N, 64, 64), with shape (N, 32)."""
    centred = fields - (w * fields).sum((1, 2), keepdims=True) / w.sum()
    found = power_spectrum(w * centred, 1.0, dimensions=2).power / (w**2).mean()
    k = wavenumbers(SIDE, 2, 1.0) / (2 * np.pi)
    which = np.searchsorted(np.arange(SIDE // 2 + 1) + 0.5, k.ravel(), "right")
    truth = np.where(k > 0, k, np.inf).ravel() ** slope
    return found / (np.bincount(which, truth) / np.bincount(which))[1 : SIDE // 2 + 1]


def main(maps: int) -> None:
    print(f"{'':24s}" + "".join(f"k = {k:<4d}" for k in SHOWN) + "modes")
    for slope in (0, -1, -2, -3, -4):
        fields = crops(slope, maps)
        for name, each in TAPERS.items():
            ratio = power_over_truth(fields, np.outer(each, each), slope)
            mean, sd = ratio.mean(0), ratio.std(0, ddof=1)
            modes = 2 * (mean / sd)[MODES - 1] ** 2
            values = "".join(f"{value:8.2f}" for value in mean[SHOWN - 1])
            print(f"n = {slope:2d}, {name:16s}{values}{modes:9.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
