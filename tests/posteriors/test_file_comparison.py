"""Differences between files of Gaussian posteriors are those that were put in."""

from dataclasses import replace

import numpy as np
import pytest

from sbipipe.interfaces import Samples
from sbipipe.posteriors.content import PosteriorFile
from sbipipe.posteriors.file_comparison import compare_files
from sbipipe.records import InputError


def content(shift: float = 0.0, width: float = 1.0, observed: str = "one") -> PosteriorFile:
    rng = np.random.default_rng(2)
    draws = shift + width * rng.normal(size=(2000, 2, 1))
    return PosteriorFile(
        parameters=("a",),
        samples=Samples(
            draws=draws, log_prob=-(draws[..., 0] ** 2), effective_sample_size=np.full(2, 2000.0)
        ),
        x=np.zeros((2, 3)),
        prior=rng.normal(size=(100, 1)),
        attributes={"observation_hash": observed},
    )


def test_equal_files_do_not_differ():
    (pair,) = compare_files({"a": content(), "b": content()})
    assert pair.by_parameter["a"].signed_shift_sigma == 0
    assert pair.by_parameter["a"].width_ratio == 1
    assert pair.c2st == pytest.approx(0.5, abs=0.03)


def test_a_shift_and_a_width_are_found():
    (pair,) = compare_files({"a": content(shift=3, width=2), "b": content()})
    width = np.sqrt((2**2 + 1) / 2)
    assert pair.by_parameter["a"].signed_shift_sigma == pytest.approx(3 / width, rel=0.05)
    assert pair.by_parameter["a"].width_ratio == pytest.approx(2)
    assert pair.c2st > 0.7


def test_every_pair_is_compared():
    pairs = compare_files({name: content() for name in "abc"})
    assert [(pair.a, pair.b) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]


def test_other_observations_and_parameters_are_named_together():
    others = {
        "a": content(),
        "b": content(observed="two"),
        "c": replace(content(), parameters=("z",)),
    }
    with pytest.raises(InputError) as error:
        compare_files(others)
    assert error.value.problems == (
        "b: of other observations than a",
        "c: given parameters z; a has a",
    )
    with pytest.raises(InputError, match="given 1 file; allowed: two or more"):
        compare_files({"a": content()})
