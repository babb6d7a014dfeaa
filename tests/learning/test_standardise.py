"""Standard rows: moments, tails, the way back, and the Jacobian."""

import numpy as np
import pytest
import torch

from sbipipe.learning.standardise import Standardise

ROWS = 4_000
RNG = np.random.default_rng(3)
COLUMNS = {
    "normal": RNG.normal(3.0, 2.0, ROWS),
    "flat": RNG.uniform(-1.0, 1.0, ROWS),
    "small": 1e-9 * RNG.normal(size=ROWS),
    "constant": np.full(ROWS, 7.0),
    "cauchy": RNG.standard_cauchy(ROWS),
    "explosive": np.exp(4 * RNG.normal(size=ROWS)),
}


def rows() -> torch.Tensor:
    return torch.from_numpy(np.stack(list(COLUMNS.values()), 1)).float()


def test_only_tails_are_bent():
    assert Standardise(rows()).bent.tolist() == [
        name in {"cauchy", "explosive"} for name in COLUMNS
    ]


def test_components_that_are_not_bent_have_the_moments_of_the_rows():
    standard = Standardise(rows())
    for i, name in enumerate(COLUMNS):
        if name in {"normal", "flat", "small"}:
            assert standard.loc[i].item() == pytest.approx(COLUMNS[name].mean(), rel=1e-5)
            assert standard.scale[i].item() == pytest.approx(COLUMNS[name].std(), rel=1e-5)


def test_every_component_becomes_harmless():
    out = Standardise(rows())(rows()).numpy()
    varies = [i for i, name in enumerate(COLUMNS) if name != "constant"]
    np.testing.assert_allclose(out[:, varies].mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(out[:, varies].std(0), 1, rtol=1e-4)
    assert np.abs(out).max() < 10
    np.testing.assert_array_equal(out[:, list(COLUMNS).index("constant")], 0)


def test_the_way_back():
    standard, given = Standardise(rows()), rows()
    back = standard.inverse(standard(given)).numpy()
    scale = np.maximum(np.abs(given.numpy()), standard.unit.numpy())
    np.testing.assert_allclose(back / scale, given.numpy() / scale, atol=2e-4)


def test_the_jacobian_is_that_of_the_map():
    standard = Standardise(rows()[:, [0, 4, 5]]).double()
    point = rows()[11, [0, 4, 5]].double()
    jacobian = torch.autograd.functional.jacobian(standard, point)
    expected = torch.linalg.slogdet(jacobian).logabsdet.item()
    assert standard.log_det(point).item() == pytest.approx(expected, abs=1e-6)


def test_fields_are_never_bent():
    fields = torch.from_numpy(RNG.standard_cauchy((50, 2, 4, 4))).float()
    out = Standardise(fields)(fields)
    assert out.double().std((0, 2, 3), unbiased=False).tolist() == pytest.approx([1, 1], rel=1e-4)
    torch.testing.assert_close(out * out.new_tensor(1.0), out)
    assert not Standardise(fields).bent.any()
