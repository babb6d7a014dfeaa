r"""Can two samples be told apart? A classifier two-sample test (C2ST).

The accuracy, in cross-validation, of a classifier that must tell draws of one posterior from draws
of the other (Lopez-Paz & Oquab 2017, arXiv:1610.06545). 0.5: indistinguishable; 1: disjoint. The
classifier is a logistic regression on quadratic and 50 radial features of the standardised draws.
The logarithm of a ratio of two Gaussians *is* quadratic, so for Gaussians the best classifier is
among these; the radial features (kernel exp(-|a - b|^2 / 2) at random draws, Nyström's method)
follow modes and bends. Smooth features also cannot memorise single draws, which matters where
importance resampling has repeated some: nearest neighbours and trees would call the repetitions a
difference.
"""

from __future__ import annotations

import numpy as np
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sbipipe.interfaces import Array

RADIAL = 50
"""Number of radial features."""

FOLDS = 4
"""Number of parts in the cross-validation."""


def c2st(a: Array, b: Array, seed: int) -> float:
    """Accuracy of a classifier between two samples, (n, D) and (m, D); 0.5 if n = m and equal."""
    n = min(len(a), len(b))
    rows = StandardScaler().fit_transform(np.concatenate([a[:n], b[:n]]).astype(np.float64))
    label = np.repeat([0, 1], n)
    radial = Nystroem(gamma=0.5, n_components=min(RADIAL, 2 * n), random_state=seed)
    quadratic = PolynomialFeatures(2, include_bias=False)
    features = np.hstack([quadratic.fit_transform(rows), radial.fit_transform(rows)])
    classifier = LogisticRegression(solver="newton-cholesky")
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return float(cross_val_score(classifier, features, label, cv=folds).mean())
