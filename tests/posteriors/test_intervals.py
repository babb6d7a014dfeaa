"""Numbers for a paper have the digits that their widths call for."""

import numpy as np
import pytest
from scipy import stats

from sbipipe.posteriors.intervals import Summary, latex, summary


def test_intervals_are_central():
    quantiles = stats.norm(2, 0.5).ppf((np.arange(20_000) + 0.5) / 20_000)
    (found,) = summary(["omega_m"], quantiles[:, None])
    expected = [stats.norm(2, 0.5).ppf(q) for q in (0.5, 0.16, 0.84, 0.025, 0.975)]
    given = [found.median, found.low_68, found.high_68, found.low_95, found.high_95]
    np.testing.assert_allclose(given, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("median", "down", "up", "arms", "written"),
    [
        (0.31234, 0.0193, 0.0213, ("0.312", "0.021", "0.019"), r"0.312^{+0.021}_{-0.019}"),
        (-1.5, 0.52, 0.52, ("-1.50", "0.52", "0.52"), r"-1.50 \pm 0.52"),
        (1234.5, 67.8, 67.8, ("1234", "68", "68"), r"1234 \pm 68"),
        (-0.001, 0.52, 0.52, ("0.00", "0.52", "0.52"), r"0.00 \pm 0.52"),
        (np.nan, np.nan, np.nan, ("nan", "nan", "nan"), r"nan \pm nan"),
    ],
)
def test_digits_follow_the_shorter_arm(median, down, up, arms, written):
    one = Summary(
        parameter="omega_m", median=median, low_68=median - down, high_68=median + up,
        low_95=median - 2 * down, high_95=median + 2 * up,
    )  # fmt: skip
    assert one.arms == arms
    assert latex([one]) == rf"$\Omega_\mathrm{{m}} = {written}$"


def test_names_that_latex_would_read_as_an_index_are_escaped():
    (one,) = summary(["my_name"], np.zeros((4, 1)))
    assert latex([one]) == r"$\mathrm{my\_name} = 0.000 \pm 0.000$"
