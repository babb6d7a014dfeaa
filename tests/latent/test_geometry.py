"""Metric, geodesics and curvature of maps whose geometry is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sbipipe.latent.curvature import scalar, sectional
from sbipipe.latent.geodesic import energy, geodesic
from sbipipe.latent.interpolation import linear, spherical
from sbipipe.latent.metric import jacobian, metric, spectrum, steps

RADIUS, TUBE = 2.5, 0.7
X = torch.rand(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.5
U, V = torch.tensor([1.0, 0.3]).double(), torch.tensor([-0.2, 2.0]).double()


def plane(x: Tensor) -> Tensor:
    """A sheet that is bent into waves, so flat, in curved coordinates."""
    a, b = (x[:, 0] + 0.2 * x[:, 1].square()), x[:, 1].exp()
    return torch.stack([torch.sin(a), torch.cos(a), b, 2 * b], 1)


def sphere(x: Tensor) -> Tensor:
    """Of RADIUS in m + 1 dimensions, in polar coordinates (n, m)."""
    found, rest = [], torch.ones_like(x[:, 0])
    for angle in x.T:
        found.append(rest * torch.cos(angle))
        rest = rest * torch.sin(angle)
    return RADIUS * torch.stack([*found, rest], 1)


def torus(x: Tensor) -> Tensor:
    """A tube of radius TUBE about a circle of RADIUS."""
    around, v = x.T
    ring = RADIUS + TUBE * torch.cos(v)
    return torch.stack([ring * torch.cos(around), ring * torch.sin(around), TUBE * torch.sin(v)], 1)


def of_torus(x: Tensor) -> Tensor:
    v = x[:, 1]
    return torch.cos(v) / (TUBE * (RADIUS + TUBE * torch.cos(v)))


KNOWN = {
    "plane": (plane, lambda x: torch.zeros(len(x)).double()),
    "sphere": (sphere, lambda x: torch.full((len(x),), RADIUS**-2, dtype=x.dtype)),
    "torus": (torus, of_torus),
}


@pytest.mark.parametrize("name", KNOWN)
def test_curvature_is_the_known_one(name: str) -> None:
    f, known = KNOWN[name]
    x = torch.cat([X, X + 1.5])  # outside and inside of the torus
    for found in (scalar(f, x) / 2, sectional(f, x, U, V)):
        torch.testing.assert_close(found, known(x), rtol=0, atol=1e-9)


def test_curvature_of_a_sphere_in_three_dimensions() -> None:
    """S = m (m - 1) / R^2, and 1 / R^2 in every plane."""
    x = torch.cat([X, X[:, :1]], 1)
    torch.testing.assert_close(scalar(sphere, x), torch.full((20,), 6 / RADIUS**2, dtype=x.dtype))
    u, v = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = sectional(sphere, x, u, v)
    torch.testing.assert_close(found, torch.full((20,), RADIUS**-2, dtype=x.dtype))


@pytest.mark.parametrize("shape", [(7, 3), (3, 7)])
def test_the_metric_of_a_linear_map(shape: tuple[int, int]) -> None:
    """A^T A, by columns of J or by rows, and squared singular values."""
    A = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    z = torch.ones(shape[1]).double()

    def f(points: Tensor) -> Tensor:
        return points @ A.T

    torch.testing.assert_close(jacobian(f, z), A)
    torch.testing.assert_close(metric(f, z), A.T @ A)
    known = torch.linalg.eigvalsh(A.T @ A).flip(0)[: min(shape)]
    torch.testing.assert_close(spectrum(f, z), known)


def test_the_metric_of_a_curved_map() -> None:
    """diag(ring^2, tube^2) of the torus."""
    z = X[0]
    ring = RADIUS + TUBE * torch.cos(z[1])
    torch.testing.assert_close(
        metric(torus, z), torch.diag(torch.stack([ring, z[1] * 0 + TUBE])) ** 2
    )


def test_a_geodesic_of_the_sphere_is_a_great_circle() -> None:
    """In one plane through the centre, at constant speed, whatever path it is found from."""
    start, end = torch.tensor([0.6, 0.2]).double(), torch.tensor([1.4, 1.5]).double()
    t = torch.linspace(0, 1, 21).double()
    path = linear(start, end, t)
    path[1:-1] += 0.2 * torch.sin(7 * t[1:-1, None])
    found = geodesic(sphere, path)
    ends = sphere(torch.stack([start, end]))
    normal = torch.linalg.cross(ends[0], ends[1])
    assert (sphere(found) @ normal / normal.norm()).abs().max() < 1e-4
    lengths = steps(sphere, found)
    assert float(lengths.std() / lengths.mean()) < 1e-4
    angle = math.acos(float(ends[0] @ ends[1]) / RADIUS**2)
    chords = 20 * 2 * RADIUS * math.sin(angle / 40)
    assert float(lengths.sum()) == pytest.approx(chords, rel=1e-7)
    assert float(energy(sphere, found)) == pytest.approx(chords**2 / 2, rel=1e-7)
    torch.testing.assert_close(found[[0, -1]], torch.stack([start, end]))


def test_paths_between_two_vectors() -> None:
    """A spherical path turns by equal angles and keeps the length; both have their ends."""
    start, end = torch.randn(
        2, 500, dtype=torch.float64, generator=torch.Generator().manual_seed(3)
    )
    end = end * start.norm() / end.norm()
    t = torch.linspace(0, 1, 5).double()
    for path in (linear(start, end, t), spherical(start, end, t)):
        torch.testing.assert_close(path[[0, -1]], torch.stack([start, end]))
    arc = spherical(start, end, t)
    torch.testing.assert_close(arc.norm(dim=1), start.norm().expand(5))
    turned = (arc[1:] * arc[:-1]).sum(1) / start.norm() ** 2
    torch.testing.assert_close(turned, turned[:1].expand(4))
    torch.testing.assert_close(linear(start, end, t)[2], (start + end) / 2)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_parallel_vectors_have_no_arc(factor: float) -> None:
    z = torch.ones(3).double()
    with pytest.raises(ValueError, match="given a vector with cosine"):
        spherical(z, factor * z, torch.linspace(0, 1, 3).double())
