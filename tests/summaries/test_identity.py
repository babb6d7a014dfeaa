import numpy as np
import pytest

from rows import rows_of
from sbipipe.interfaces import Dataset, Run
from sbipipe.records import InputError
from sbipipe.summaries.identity import Identity


def dataset(*shape: int) -> Dataset:
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)
    return rows_of(theta=rng.normal(size=(len(x), 2)), x=x)


def test_vectors_go_on_unchanged():
    data = dataset(5, 3)
    summariser, history = Identity().fit(data, data, Run(seed=1))
    np.testing.assert_array_equal(summariser(data.x), data.x)
    assert summariser.names == data.data.components
    assert not history.curves


def test_fields_are_refused_with_advice():
    data = dataset(5, 1, 8, 8)
    message = r"given fields with shape \(N, 1, 8, 8\).*Use field_statistics or cnn"
    with pytest.raises(InputError, match=message):
        Identity().fit(data, data, Run(seed=1))


def test_another_number_of_components_is_refused():
    data = dataset(5, 3)
    summariser, _ = Identity().fit(data, data, Run(seed=1))
    with pytest.raises(InputError, match=r"given rows with shape \(N, 4\); allowed: \(N, 3\)"):
        summariser(dataset(5, 4).x)
