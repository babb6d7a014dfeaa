import numpy as np

from sbipipe.learning.lattice import spacings

RNG = np.random.default_rng(5)


def test_counts_are_told_from_what_only_looks_like_them():
    columns = {
        "counts": (RNG.poisson(3.0, 400), 1.0),
        "tenths": (RNG.integers(0, 9, 400) / 10, 0.1),
        "even": (2 * RNG.poisson(3.0, 400), 2.0),
        "real": (RNG.normal(size=400), 0.0),
        "rounded, but each value once": (np.arange(400), 0.0),
        "uneven": (RNG.choice([0.0, 1.0, 2.5, 3.1], 400), 0.0),
        "constant": (np.full(400, 3.0), 0.0),
        "zero for many, real for the others": (RNG.normal(size=400).clip(0), 0.0),
    }
    found = spacings(np.stack([values for values, _ in columns.values()], 1))
    np.testing.assert_allclose(found, [spacing for _, spacing in columns.values()], rtol=1e-9)
