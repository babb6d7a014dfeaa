"""The latent space of generators that were hardly trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from contracts import quick
from lognormal_emulator import SIMULATOR, held_out, write_set
from sbipipe import cli, paths, storage
from sbipipe.config import read_params
from sbipipe.interfaces import Run
from sbipipe.latent.curvature import second_form
from sbipipe.latent.metric import jacobian
from sbipipe.latent.portrait import Portrait, portrait
from sbipipe.latent.trained import place, trained
from sbipipe.pages import latent as latent_page
from sbipipe.records import InputError

ROWS = held_out(90)
THETA = {"omega_m": 0.3, "sigma_8": 0.8}
AT = np.array([0.3, 0.8])
COSMOGAN = {"architecture": "cosmogan", "latent": 5}


def fit(**changes: Any) -> Any:
    made = quick("emulate", "gan", **changes)
    rows = ROWS.rows(slice(60)), ROWS.rows(slice(60, 90))
    return made.fit(*rows, SIMULATOR.prior, Run(seed=1))[0]


@pytest.fixture(scope="module")
def periodic() -> Any:
    return fit()


@pytest.fixture(scope="module")
def seen(periodic: Any) -> Portrait:
    return portrait(periodic, "gan", THETA, 0, curved=True)


@pytest.mark.parametrize("changes", [{}, {**COSMOGAN, "activation": "silu"}])
def test_derivatives_through_a_generator_are_those_of_differences(changes: dict[str, Any]) -> None:
    """First and second ones, along two directions of its latent space."""
    emulator = fit(**changes)
    ends = torch.from_numpy(np.random.default_rng(0).standard_normal((2, emulator.latents)))

    def surface(x: Tensor) -> Tensor:
        return emulator.values(x @ ends, AT)  # type: ignore[no-any-return]

    h, x = 1e-3, torch.tensor([[0.4, 0.7]]).double()
    a, b = h * torch.eye(2).double()
    J = torch.stack([(surface(x + e) - surface(x - e))[0] / (2 * h) for e in (a, b)], 1)
    found = jacobian(surface, x[0])
    torch.testing.assert_close(found, J, rtol=1e-4, atol=1e-6 * float(J.abs().max()))
    corners = [surface(x + p * a + q * b)[0] * p * q for p in (-1, 1) for q in (-1, 1)]
    mixed = torch.stack(corners).sum(0) / (4 * h**2)
    normal = mixed - J @ torch.linalg.lstsq(J, mixed[:, None]).solution[:, 0]
    _, form = second_form(surface, x)
    torch.testing.assert_close(
        form[0, 0, 1], normal, rtol=1e-3, atol=1e-3 * float(normal.abs().max())
    )


def test_values_are_those_that_it_draws(periodic: Any) -> None:
    """Fields of latents are those of the generator for the same noise."""
    z = torch.randn(3, periodic.latents, dtype=torch.float64)
    shapes, start, noise = periodic.generator.noise_shapes, 0, []
    for shape in shapes:
        noise.append(z[:, start : start + int(np.prod(shape))].reshape(3, *shape).float())
        start += int(np.prod(shape))
    assert start == periodic.latents
    with torch.no_grad():
        drawn = periodic.generator(periodic.told(np.repeat(AT[None], 3, 0)), noise).numpy()
    fields = periodic.fields(periodic.values(z, AT))
    np.testing.assert_allclose(fields, periodic.pixels.inverse(drawn), rtol=1e-3, atol=1e-4)


def test_paths_have_the_same_ends_and_the_shortest_is_the_shortest(seen: Portrait) -> None:
    for path in seen.paths.values():
        np.testing.assert_allclose(path.place[[0, -1]], np.eye(2), atol=1e-9)
        assert path.length >= seen.apart
    shortest = seen.paths["shortest"]
    assert shortest.length <= min(path.length for path in seen.paths.values())
    np.testing.assert_allclose(shortest.speed, 1, atol=0.02)
    weights = seen.paths["spherical"].place
    assert (weights >= -1e-9).all()
    assert abs(np.linalg.norm(weights[16]) - 1) < 0.05


def test_the_first_field_has_its_own_power(seen: Portrait) -> None:
    first = np.flatnonzero(np.isclose(seen.axis, 1)), np.flatnonzero(np.isclose(seen.axis, 0))
    assert abs(seen.change[first].item()) < 1e-4
    assert seen.change.shape == (len(seen.axis),) * 2
    assert seen.change.std() > 0


def test_the_metric_has_as_many_directions_as_there_are(seen: Portrait, periodic: Any) -> None:
    for where, values in seen.eigenvalues.items():
        assert len(values) == min(periodic.latents, 256)
        assert (np.diff(values) <= 0).all()
        assert 1 <= seen.directions[where] <= len(values)


def test_a_generator_that_is_piecewise_linear_has_no_curvature() -> None:
    emulator = fit(**COSMOGAN)
    assert not emulator.bends
    line = r"emulate\.flat\.config\.activation: given relu, .*; allowed: activation: silu"
    with pytest.raises(InputError, match=line):
        portrait(emulator, "flat", THETA, 0, curved=True)


def test_the_page_shows_all_of_it(seen: Portrait) -> None:
    page = latent_page.page(seen)
    assert page.count("<img") == 4
    assert all(f'scope="row">{name}</th>' in page for name in seen.paths)
    assert "equation of Gauss" in page
    paths_ = {name: replace(path, curvature=None) for name, path in seen.paths.items()}
    flat = latent_page.page(replace(seen, paths=paths_, eigenvalues={}))
    assert flat.count("<img") == 3
    assert "are more than 4096" in flat
    assert "equation of Gauss" not in flat
    assert "Curvature is left out." in flat


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, periodic: Any) -> None:
    """A run with a trained GAN and another emulator."""
    monkeypatch.chdir(tmp_path)
    gan, memory = (
        {"kind": kind, "of": "maps", "config": type(quick("emulate", kind)).quick()}
        for kind in ("gan", "replay")
    )
    params = {
        "simulate": {"maps": {"kind": "lognormal", "config": {"pixels": 16}}},
        "emulate": {"gan": gan, "memory": memory},
        "train": {"exact": {"kind": "exact", "of": "maps"}},
    }
    write_set(params, {"train": ROWS.rows(slice(60)), "valid": ROWS.rows(slice(60, 90))})
    storage.save_weights(paths.EMULATORS / "gan.safetensors", periodic.weights)
    made = quick("emulate", "replay").fit(ROWS, ROWS, SIMULATOR.prior, Run(seed=0))[0]
    storage.save_weights(paths.EMULATORS / "memory.safetensors", made.weights)


def test_the_command_writes_a_page(
    run: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sbipipe", "latent", "gan", "--no-curvature", "--theta", "sigma_8=0.9"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    assert "written: latent.html" in capsys.readouterr().out
    assert "= 0.9" in Path("latent.html").read_text()
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "latent.html is there already; --force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "line"),
    [("nope", "NAME: given 'nope'; allowed: gan, memory"), ("memory", "kind replay, whose fields")],
)
def test_only_a_generator_has_a_latent_space(run: None, name: str, line: str) -> None:
    with pytest.raises(InputError, match=line):
        trained(read_params(), name)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("h0=1", "--theta: given h0=1; allowed: omega_m=NUMBER, sigma_8=NUMBER"),
        ("omega_m=much", "--theta: given omega_m=much; allowed: omega_m=NUMBER"),
        ("omega_m", "--theta: given omega_m; allowed"),
        ("omega_m=nan", "--theta: given omega_m=nan; allowed"),
        ("omega_m=7", "--theta: given omega_m=7; allowed: values inside the prior"),
    ],
)
def test_a_place_outside_the_prior_is_an_error(run: None, given: str, line: str) -> None:
    with pytest.raises(InputError, match=line):
        place(read_params(), "gan", given)


def test_a_place_is_the_middle_of_the_prior_but_where_it_is_given(run: None) -> None:
    middle = SIMULATOR.prior.from_unit(np.full((1, 2), 0.5))[0]
    assert place(read_params(), "gan", "") == dict(zip(THETA, middle.tolist(), strict=True))
    assert place(read_params(), "gan", " sigma_8 = 0.9 ")["sigma_8"] == 0.9
