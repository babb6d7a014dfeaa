"""Can a classifier tell generated fields from true ones?

Of what it says of fields that it was not trained on, the area under the ROC curve is the
probability that it finds the generated one of two more like a generated one than the true one: 0.5
where nothing tells them apart, 1 where it always does (Friedman 2003, SLAC-PUB-10325; Lopez-Paz &
Oquab 2017, arXiv:1610.06545). Small gradient-boosted trees read the statistics of a field. They see
a mean that is wrong as well as a scatter that is, and what several statistics say together.

A fold holds whole simulations, so that a classifier that knows a simulation by heart gains nothing.
"""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from sbipipe.emulation.sampled import Classified
from sbipipe.interfaces import Array
from sbipipe.seeds import number

FOLDS = 5
"""Parts in the cross-validation; there are as many simulations at least (`sample.FEWEST`)."""

TREES, LEAVES = 50, 8


def classified(a: Array, b: Array, seed: int) -> Classified:
    """Of the statistics of fields a and b (G, e, L)."""
    # Slow to import, and `ask` reads this module for none of it.
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_score

    groups, each, length = a.shape
    rows = np.concatenate([a, b]).reshape(-1, length)
    label = np.repeat([1, 0], groups * each)
    simulation = np.repeat(np.arange(2 * groups), each)
    root = number(seed, "judge", "folds") % 2**32
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=root)
    trees = HistGradientBoostingClassifier(
        max_iter=TREES, max_leaf_nodes=LEAVES, early_stopping=False, random_state=0
    )
    with threadpool_limits(1):  # on so few rows, threads wait for each other
        found = cross_val_score(
            trees, rows, label, groups=simulation, cv=folds, scoring="roc_auc", n_jobs=1
        )
    return Classified(auc=float(found.mean()), se=float(found.std(ddof=1) / np.sqrt(FOLDS)))


__all__ = ["FOLDS", "classified"]
