import numpy as np
import pytest
from scipy.stats import chisquare

from sbipipe.config import Simulations
from sbipipe.interfaces import SPLITS
from sbipipe.priors.prior import uniform_prior
from sbipipe.records import InputError
from sbipipe.sets.splits import assign, counts, design

PRIOR = uniform_prior(omega_m=(0.1, 0.5), sigma_8=(0.6, 1.0))
SHARES = Simulations(train=0.7, valid=0.1, calibrate=0.05, test=0.15)


@pytest.mark.parametrize("split", SPLITS)
def test_a_longer_design_begins_with_the_shorter(split: str) -> None:
    assert np.array_equal(design(PRIOR, split, 50, 1), design(PRIOR, split, 200, 1)[:50])


def test_splits_have_designs_of_their_own() -> None:
    first = [design(PRIOR, split, 1, 1)[0, 0] for split in SPLITS]
    assert len(set(first)) == len(SPLITS)


def test_training_covers_the_prior_evenly() -> None:
    """256 points of a Sobol sequence: exactly one in each of 256 slices of either parameter."""
    q = PRIOR.to_unit(design(PRIOR, "train", 256, 3))
    assert all(len(set(np.floor(column * 256))) == 256 for column in q.T)


def test_assignment_depends_on_the_simulation_alone() -> None:
    few, many = np.arange(1000), np.arange(3000)
    small, large = assign(few, SHARES, 5), assign(many, SHARES, 5)
    for split in SPLITS:
        assert np.array_equal(small[split], large[split][large[split] < 1000])


def test_rows_of_one_simulation_stay_together() -> None:
    group = np.repeat(np.arange(200), 15)
    sets = [set(group[rows]) for rows in assign(group, SHARES, 5).values()]
    assert sum(map(len, sets)) == 200
    assert set().union(*sets) == set(range(200))


def test_shares_are_kept_on_average() -> None:
    found = [len(rows) for rows in assign(np.arange(20_000), SHARES, 1).values()]
    expected = [20_000 * SHARES[split] for split in SPLITS]
    assert chisquare(found, expected).pvalue > 0.001


def test_shares_are_no_counts() -> None:
    with pytest.raises(InputError, match=r"s\.train: given 0\.7; allowed: whole numbers"):
        counts(SHARES, "s")
    with pytest.raises(InputError, match="s: missing"):
        counts(None, "s")
