"""A small run whose posteriors are known: what every stage before `report` would have left behind.

In the space where the prior is standard normal, y = u + s e with e ~ N(0, 1), so the posterior is
N(y / (1 + s^2), s^2 / (1 + s^2)) in each parameter. "nre" draws from one that is too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy import stats

from closed_form import CONTROLS
from rows import rows_of
from sbipipe import paths, storage
from sbipipe.budgets.curve import budget
from sbipipe.config import Gate, read_params
from sbipipe.diagnostics.coverage import Coverage
from sbipipe.diagnostics.regions import Regions
from sbipipe.diagnostics.sbc import Sbc
from sbipipe.diagnostics.tarp import Tarp
from sbipipe.emulation import asking, emulated, true_fields, truth
from sbipipe.emulation.asked import Asked
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.judge import judge as judge_fields
from sbipipe.emulation.sample import TrueSample
from sbipipe.emulation.truth import TrueResponse, Truth
from sbipipe.gate.judge import judge
from sbipipe.gate.verdict import Verdicts
from sbipipe.interfaces import (
    SPLITS,
    Array,
    Dataset,
    Fields,
    Geometry,
    History,
    PosteriorDraws,
    Vectors,
)
from sbipipe.physics import fields
from sbipipe.posteriors.compare import compare, kl_from_exact
from sbipipe.priors.prior import uniform_prior
from sbipipe.protocols import Prior
from sbipipe.records import dump, parse
from sbipipe.seeds import stream
from sbipipe.simulators.lognormal import Lognormal

NOISE = 0.35
PRIORS = {
    2: uniform_prior(omega_m=(0.1, 0.5), sigma_8=(0.6, 1.0)),
    1: uniform_prior(a=(-1.0, 1.0)),
    5: uniform_prior(**{f"p{i}": (-1.0, 1.0) for i in range(5)}),
}
WIDTHS = {"npe": 1.0, "nle": 1.06, "nre": 0.7, "exact": 1.0}
"""Of each estimator's posterior, in units of the exact one."""


def write(
    folder: Path,
    *,
    dimension: int = 2,
    widths: Mapping[str, float] = WIDTHS,
    as_fields: bool = True,
    simulations: int = 200,
    draws: int = 300,
    spoken: str = "",
    emulator: str = "",
) -> None:
    """Fill `folder`; to be called with `folder` as the working directory.

    Args:
        widths: The estimators.
        as_fields: Whether the simulator gives fields, with a summary of them, or vectors.
        spoken: Words from outside that appear as a reason of failed simulations.
        emulator: The name of an emulator, if there is to be one.
    """
    prior = PRIORS[dimension]
    text = _params(prior, widths, as_fields, simulations, draws, emulator)
    (folder / "params.yaml").write_text(text)
    params = read_params(folder / "params.yaml")
    _sets(prior, as_fields, simulations, spoken)
    _histories(params)
    found = {
        name: posterior_draws(prior, width, name, simulations=simulations, draws=draws)
        for name, width in widths.items()
    }
    diagnostics = {"sbc": parse(Sbc, {}, ""), "coverage": parse(Coverage, {}, ""),
                   "tarp": parse(Tarp, {}, ""), "regions": parse(Regions, {}, "")}  # fmt: skip
    verdicts = {
        name: judge(one, diagnostics, Gate(), CONTROLS, stream(1, "judge", name))
        for name, one in found.items()
    }
    for name, one in found.items():
        storage.save_draws(paths.DRAWS / f"{name}.safetensors", one)
    storage.save_json(paths.COVERAGE, dump(Verdicts(estimators=verdicts)))
    _comparison(found, prior, widths)
    _emulation(emulator)
    _asked(emulator, found)
    _budget()


def posterior_draws(
    prior: Prior, width: float, name: str, *, simulations: int, draws: int
) -> PosteriorDraws:
    """Draws of an estimator whose posterior has `width` times the exact width."""
    theta, y = _truths(prior, simulations)
    mean, sd = y / (1 + NOISE**2), width * NOISE / np.sqrt(1 + NOISE**2)
    u = mean + sd * stream(0, name).standard_normal((draws, *theta.shape))
    drawn = prior.from_unbounded(u)

    def log_prob(theta: Array) -> Array:
        return _log_prob(prior, width, y, theta)

    return PosteriorDraws(
        parameters=prior.names,
        theta=theta,
        draws=drawn,
        log_prob=log_prob(drawn),
        log_prob_truth=log_prob(theta),
        log_prior_truth=prior.log_prob(theta),
        log_prob_controls={c.name: log_prob(c.preimage(theta, drawn)) for c in CONTROLS},
        effective_sample_size=np.full(simulations, float(draws)),
        prior_variance=prior.variance,
        seconds=0.004,
        given={f"s{i}": column for i, column in enumerate(y.T)},
    )


def _truths(prior: Prior, simulations: int) -> tuple[Array, Array]:
    """Parameters from the prior, and data y."""
    rng = stream(0, "truth")
    theta = prior.sample(simulations, rng)
    return theta, prior.to_unbounded(theta) + NOISE * rng.standard_normal(theta.shape)


def _log_prob(prior: Prior, width: float, y: Array, theta: Array) -> Array:
    mean, sd = y / (1 + NOISE**2), width * NOISE / np.sqrt(1 + NOISE**2)
    normal = stats.norm(mean, sd).logpdf(prior.to_unbounded(theta)).sum(-1)
    density = normal + prior.log_det_unbounded(theta)
    return np.where(prior.inside(theta), density, -np.inf)


def _params(
    prior: Prior,
    widths: Mapping[str, float],
    as_fields: bool,
    simulations: int,
    draws: int,
    emulator: str,
) -> str:
    made = "vectors" if as_fields else "cdm"
    marginals = {n: {"kind": "uniform", "low": a, "high": b}
                 for n, (a, b) in zip(prior.names, prior.bounds, strict=True)}  # fmt: skip
    simulator: dict[str, Any] = {
        "kind": "arrays",
        "config": {"path": "data/raw/cdm.npz", "prior": marginals},
    }
    if as_fields and len(prior.names) == 2:
        simulator = {"kind": "particle_mesh", "config": {"box": 25.0}}
    counts = {"train": 800, "valid": 100, "calibrate": 0, "test": simulations}
    values = {
        "seed": 20261121,
        "simulate": {"cdm": {"simulations": counts, **simulator}},
        "summarise": {"vectors": {"kind": "cnn", "of": "cdm"}} if as_fields else {},
        "emulate": {emulator: {"kind": "diffusion", "of": "cdm"}} if emulator else {},
        "join": {},
        "train": {
            name: {"kind": name.split("+")[0], "of": "cdm" if name == "exact" else made}
            for name in widths
        },
        "recalibrate": {},
        "budget": {"npe": {"of": "npe"}},
        "diagnose": {kind: {"kind": kind} for kind in ("sbc", "coverage", "tarp", "regions")},
        "draw": {"draws": draws},
        "gate": {"level": 0.01, "on_failure": "withhold"},
    }
    return yaml.safe_dump(values, sort_keys=False)


def _sets(prior: Prior, as_fields: bool, simulations: int, spoken: str) -> None:
    about = {
        "name": "cdm",
        "kind": "particle_mesh",
        "fingerprint": "0" * 32,
        "parameters": prior.names,
        "shape": [1, 32, 32] if as_fields else [len(prior.names)],
        "maps": 1,
        "simulations": {"train": 800, "valid": 100, "calibrate": 0, "test": simulations},
        "failed": {"train": 2 if spoken else 0, "valid": 0, "calibrate": 0, "test": 0},
        "excluded": 3 if spoken else 0,
        "reasons": {"train/3": spoken, "train/7": spoken} if spoken else {},
        "failures": {"failed": 2 if spoken else 0, "simulations": 900 + simulations, "p_value": 1},
    }
    rng = stream(0, "valid")
    theta = prior.sample(100, rng)
    vectors = prior.to_unbounded(theta) + NOISE * rng.standard_normal(theta.shape)
    x = np.stack([_field(row, rng) for row in theta]) if as_fields else vectors
    grid = Geometry(pixels=(32, 32), box=25.0)
    maps = Fields(geometry=grid, channels=("density",), quantity="log10(1 + delta)")
    whole = rows_of(theta, x)
    _save_set("cdm", replace(whole, data=maps) if as_fields else whole, about)
    if as_fields:
        names = tuple(f"s{i}" for i in range(len(prior.names)))
        made = {"name": "vectors", "of": "cdm", "shape": [len(names)]}
        rows = replace(rows_of(theta, vectors), data=Vectors(components=names))
        _save_set("vectors", rows, {**about, **made})


def _save_set(name: str, rows: Dataset, about: Mapping[str, Any]) -> None:
    for split in SPLITS:
        storage.save_split(paths.SETS / name, split, rows)
    storage.finish_set(paths.SETS / name, {**storage.describe(rows.data), **about})


def _field(theta: Array, rng: np.random.Generator) -> Array:
    """A lognormal map whose power has the slope and amplitude of theta, with shape (1, 32, 32)."""
    k = fields.wavenumbers(32, 2, 25.0)
    k[0, 0] = np.inf
    power = 3 * theta[-1] ** 2 * k ** (-1.2 - 2 * theta[0])
    normal = fields.gaussian_field(rng.standard_normal((32, 32)), power, 25.0)
    return np.asarray((normal - normal.var() / 2) / np.log(10))[None]


def _histories(params: Any) -> None:
    for section in ("simulate", "summarise", "train"):
        for name in getattr(params, section):
            history = History(seconds=3.2)
            if section != "simulate" and name != "exact":
                history = _history(3 if name == "npe" else 1, len(name))
            storage.save_history(paths.history_path(section, name), history)
    for name in params.budget:
        storage.save_history(paths.history_path("budget", name), History(seconds=20.5))
    for name in params.emulate:
        storage.save_history(paths.history_path("emulate", name), _history(1, len(name)))
        storage.save_history(paths.history_path("score", name), History(seconds=1.5))


def _history(networks: int, steepness: int) -> History:
    epochs = np.arange(1.0, 41)
    rng = stream(0, "history", networks, steepness)
    curves, chosen = {}, {}
    for i in range(networks):
        valid = 2.5 * np.exp(-epochs / (3 + steepness)) - 1 + 0.0004 * (epochs - 25) ** 2
        valid = valid + 0.02 * rng.standard_normal(40)
        train = valid - 0.01 * epochs
        curves[f"member {i}"] = {
            "epoch": tuple(epochs), "train": tuple(train), "valid": tuple(valid)
        }  # fmt: skip
        chosen[f"member {i}"] = int(epochs[np.argmin(valid)])
    notes = {"tried": {"zuko_nsf 64x5": -0.91, "mdn 64x1": -0.42}, "weights": [1 / 3] * 3}
    notes = notes if networks > 1 else {}
    return History(curves=curves, chosen=chosen, seconds=41.5 * networks, notes=notes)


def _comparison(
    found: Mapping[str, PosteriorDraws], prior: Prior, widths: Mapping[str, float]
) -> None:
    divergence = {}
    if "exact" in found:
        exact = found["exact"]
        _, y = _truths(prior, len(exact.theta))
        for name in set(found) - {"exact"}:
            other = _log_prob(prior, widths[name], y, exact.draws)
            divergence[name], _ = kl_from_exact(exact.log_prob, other)
    compared = compare(
        "cdm", found, stream(0, "compare"), observations=20,
        train_seconds=dict.fromkeys(found, 41.5), kl=divergence,
    )  # fmt: skip
    storage.save_json(paths.COMPARISON, dump(compared))


def _budget() -> None:
    """A learning curve that still rises: 1 / N, from 200, 400 and 800 simulations."""
    shares, counts = (0.25, 0.5, 1.0), (200, 400, 800)
    noise = stream(0, "budget").standard_normal((3, 100))
    scores = [2 - 0.1 / s + 0.05 * one for s, one in zip(shares, noise, strict=True)]
    found = budget("npe", shares, counts, scores, [_history(1, 3)] * 3)
    storage.save_json(paths.budget_path("npe"), dump(found))


def _emulation(name: str) -> None:
    """An emulator that draws from the simulator itself."""
    if name:
        true, drawn = emulated_fields()
        truth.save(paths.truth_path("cdm"), true)
        emulated.save(paths.emulation_path(name), drawn)
        noise = {"fields": 9, "median_error": 0.1, "error_of_95": 0.25, "mean_draws": 2.5}
        storage.finish_set(paths.SETS / name, {"monte_carlo": {"test": noise}})
        training = np.concatenate(true.true)
        storage.save_json(paths.judgement_path(name), dump(judge_fields(true, drawn, training, 0)))


def _asked(name: str, found: Mapping[str, PosteriorDraws]) -> None:
    """Fields of which each estimator says what it says of other simulations."""
    if name:
        readings = {}
        for estimator, draws in found.items():
            said = asking.figures(draws, stream(0, "ranks"))
            moved = {figure: np.roll(values, 1) for figure, values in said.items()}
            readings[estimator] = asking.reading(said, moved, moved, 0)
        whole = Asked(
            simulator="cdm",
            fields=len(draws.theta),
            why="",
            readings=readings,
            left_out={"surface": "reads surfaces, for which mine would have to score every field"},
            masses={},
        )
        storage.save_json(paths.asked_path(name), dump(whole))


def emulated_fields() -> tuple[Truth, Drawn]:
    """Lognormal maps in the place of every sort of field, fewer than in a real run."""
    simulator = Lognormal(pixels=16)
    theta = simulator.prior.sample(4, stream(0, "held out"))
    moved = true_fields.one_at_a_time(simulator.prior)

    def fields_of(label: str, count: int) -> Array:
        rows = simulator.simulate(np.repeat(theta, count, 0), stream(0, label))
        return rows.reshape(len(theta), count, *rows.shape[1:])

    def response(label: str) -> Array:
        rows = [
            [simulator.simulate(one[None], stream(0, label, i))[0] for one in moved]
            for i in range(5)
        ]
        return np.array(rows)

    def sample(label: str) -> Array:
        rows = simulator.simulate(np.repeat(moved[:1], 60, 0), stream(0, label, "sample"))
        return rows.reshape(20, 3, *rows.shape[1:])

    true = Truth(
        simulator="cdm",
        parameters=simulator.prior.names,
        data=simulator.data,
        theta=theta,
        true=fields_of("true", 10),
        control=fields_of("control", 10),
        varied=moved,
        response=TrueResponse(true=response("true"), control=response("control"), each=1),
        sample=TrueSample(theta=moved[0], true=sample("true"), control=sample("control")),
    )
    drawn = Drawn(
        data=simulator.data,
        generated=fields_of("generated", 12),
        response=response("generated"),
        sample=sample("generated"),
        seen={"power_spectrum": "chosen"},
    )
    return true, drawn
