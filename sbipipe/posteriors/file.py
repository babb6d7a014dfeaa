"""A posterior on disk: netCDF groups that arviz opens, with the verdict inside.

| group | content |
|---|---|
| `posterior` | one variable for each parameter, with dims (chain, draw, observation) |
| `nuisance` | the same of parameters that are a nuisance, which are left out of `posterior` |
| `sample_stats` | `log_prob` [nats], normalised; `weights`, which sum to one; `Samples.figures` |
| `observed_data` | `x`, what the estimator is conditioned on; `fields`, what it was made of |
| `constant_data` | the truth of each parameter where it is known; `effective_sample_size`; the |
|  | value of each parameter that is fixed, without dims |
| `prior` | draws from the prior, with dims (chain, draw), of the parameters in `posterior` |
| `nuisance_prior` | the same of those in `nuisance` |
| `novelty` | where each new observation lies among the training rows |
| `calibration` | every test behind the verdict, with its curve, padded with NaN |

The attributes of the root and of `posterior` say whether it may be believed and where it comes
from. The draws are independent and shuffled, so cutting them into four chains loses nothing and
gives R-hat a meaning: it compares four independent parts. Where draws were resampled, arviz cannot
see it: the size that counts is `constant_data.effective_sample_size`. Draws in `posterior` are
marginalised over what lies in `nuisance`; `log_prob` is the density of all parameters together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sbipipe import __version__
from sbipipe.config import Params, Recalibrate
from sbipipe.gate.verdict import Verdict
from sbipipe.interfaces import Array, Samples
from sbipipe.posteriors import groups as groups_file
from sbipipe.posteriors.content import PosteriorFile
from sbipipe.provenance import provenance
from sbipipe.records import InputError, dump
from sbipipe.records import load as load_record

CHAINS = 4
"""Parts that the draws are cut into."""

UNTESTED = "untested"
"""The verdict on an estimator that has no diagnosis."""

GROUPS = (
    "posterior", "sample_stats", "observed_data", "constant_data", "prior", "calibration",
)  # fmt: skip

DIMENSIONS = ("chain", "draw", "observation")

_TEST_NUMBERS = ("statistic", "p_value", "p_adjusted", "passed")
_CURVE = ("x", "y", "lower", "upper", "ideal")


def observation_hash(observed: Array) -> str:
    """Equal for files of the same observations, whatever summary was made of them.

    Args:
        observed: What simulator and reality share: fields or raw vectors, with shape (B, ...).
    """
    values = np.ascontiguousarray(observed, np.float32)
    digest = hashlib.blake2b(str(values.shape).encode(), digest_size=16)
    digest.update(values.tobytes())
    return digest.hexdigest()


def attributes(
    params: Params, name: str, diagnosis: Verdict | None, observed: Array
) -> dict[str, Any]:
    """What the file of an estimator says of itself.

    Args:
        name: The estimator's name.
        diagnosis: The verdict on it, where there is one.
        observed: What `observation_hash` takes.
    """
    own = of_estimator(params, name, diagnosis)
    return {**own, "observation_hash": observation_hash(observed)}


def of_estimator(params: Params, name: str, diagnosis: Verdict | None) -> dict[str, Any]:
    """The same, whatever the observation."""
    entry, of = params.estimators[name], params.set_of(name)
    target = entry.target if isinstance(entry, Recalibrate) else None
    return {
        "verdict": outcome(diagnosis),
        "published": int(diagnosis is not None and diagnosis.published),
        "reasons": reasons(diagnosis),
        "estimator": name,
        "estimator_kind": entry.kind,
        "estimator_of": entry.of,
        "created_by": f"sbipipe {__version__}",
        **({"estimator_target": target} if target else {}),
        **provenance(params, of),
    }


def outcome(diagnosis: Verdict | None) -> str:
    """The verdict in one word."""
    return UNTESTED if diagnosis is None else diagnosis.verdict


def reasons(diagnosis: Verdict | None) -> str:
    """The reasons of the verdict in one line."""
    return "it has no diagnosis" if diagnosis is None else "; ".join(diagnosis.reasons)


def advised(name: str, diagnosis: Verdict | None) -> list[str]:
    """What to try next with an estimator, one line for each thing."""
    advice = () if diagnosis is None else diagnosis.advice
    return [f"{name}: to try next: {one.do} ({one.found})" for one in advice]


def summary(name: str, diagnosis: Verdict) -> list[str]:
    """The verdict on an estimator in a few lines."""
    sign = "published" if diagnosis.published else "withheld"
    first = f"{name}: {sign}, {diagnosis.verdict}: {diagnosis.reasons[0]}"
    sharper = [f"{name}: {line}" for line in diagnosis.sharper]
    return [first, *advised(name, diagnosis), *sharper]


def refusal(name: str, diagnosis: Verdict | None) -> str:
    """Why an estimator may not be used."""
    return (
        f"{name}: its posteriors are not published, for the verdict is {outcome(diagnosis)} "
        f"({reasons(diagnosis)})"
    )


def save(path: Path, content: PosteriorFile) -> None:
    """Write a posterior file."""
    groups_file.save_groups(path, groups(content), _root(content))


def groups(content: PosteriorFile) -> dict[str, xr.Dataset]:
    """The groups of a posterior file, which `arviz.InferenceData` takes by name."""
    found = {
        "posterior": _posterior(content, content.shown).assign_attrs(_root(content)),
        "sample_stats": _sample_stats(content),
        "observed_data": _observed(content),
        "constant_data": _constants(content),
        "prior": _prior(content, content.shown),
        "calibration": _calibration(content.diagnosis),
    }
    if content.nuisance:
        order = {"parameters": json.dumps(content.parameters)}
        found["nuisance"] = _posterior(content, content.nuisance).assign_attrs(order)
        found["nuisance_prior"] = _prior(content, content.nuisance)
    if content.novelty:
        found["novelty"] = _columns(content.novelty)
    return found


def _root(content: PosteriorFile) -> dict[str, Any]:
    return {key: _attribute(value) for key, value in content.attributes.items()}


def load(path: Path) -> PosteriorFile:
    """Read what `save` wrote.

    Raises:
        InputError: If the file is missing or another kind of file.
    """
    found, root = groups_file.load_groups(path)
    missing = [name for name in GROUPS if name not in found]
    if missing:
        raise InputError(f"{path}: the group {missing[0]!r} is missing; not a posterior file")
    nuisance, drawn, prior = _with_nuisance(found)
    parameters = tuple(str(name) for name in drawn)
    constants, observed = found["constant_data"], found["observed_data"]
    samples = Samples(
        draws=np.stack([_draws(one) for one in drawn.values()], -1),
        log_prob=_draws(found["sample_stats"]["log_prob"]),
        effective_sample_size=constants["effective_sample_size"].to_numpy(),
        figures={
            str(name): values.to_numpy()
            for name, values in found["sample_stats"].items()
            if values.dims == ("observation",)
        },
    )
    return PosteriorFile(
        parameters=parameters,
        samples=samples,
        x=observed["x"].to_numpy(),
        fields=observed["fields"].to_numpy() if "fields" in observed else None,
        prior=np.stack([prior[name].to_numpy().ravel() for name in parameters], -1),
        theta=_truth(constants, parameters),
        novelty={str(k): v.to_numpy() for k, v in found.get("novelty", xr.Dataset()).items()},
        diagnosis=_diagnosis(found["calibration"], path),
        attributes={key: _plain(value) for key, value in root.items()},
        nuisance=nuisance,
        fixed={str(k): float(v) for k, v in constants.data_vars.items() if not v.dims},
    )


def _with_nuisance(
    found: Mapping[str, xr.Dataset],
) -> tuple[tuple[str, ...], dict[str, xr.DataArray], dict[str, xr.DataArray]]:
    """The names of nuisance parameters; the draws of all parameters, in their order, from the
    posterior and from the prior."""
    drawn, prior = found["posterior"], found["prior"]
    order, nuisance = [str(name) for name in drawn.data_vars], tuple[str, ...]()
    if "nuisance" in found:
        order = json.loads(found["nuisance"].attrs["parameters"])
        nuisance = tuple(name for name in order if name in found["nuisance"])
        drawn, prior = drawn.merge(found["nuisance"]), prior.merge(found["nuisance_prior"])
    return nuisance, {n: drawn[n] for n in order}, {n: prior[n] for n in order}


def _posterior(content: PosteriorFile, names: Sequence[str]) -> xr.Dataset:
    draws, places = content.samples.draws, content.parameters.index
    return _chains({name: draws[..., places(name)] for name in names})


def _sample_stats(content: PosteriorFile) -> xr.Dataset:
    log_prob = content.samples.log_prob
    sampled = np.isfinite(log_prob).all(0)
    weights = np.broadcast_to(sampled / len(log_prob), log_prob.shape)
    stats = _chains({"log_prob": log_prob, "weights": weights})
    stats["log_prob"].attrs["units"] = "nats"
    return stats.merge(_columns(content.samples.figures))


def _observed(content: PosteriorFile) -> xr.Dataset:
    arrays = {"x": content.x}
    if content.fields is not None:
        arrays["fields"] = content.fields
    return _columns(arrays)


def _constants(content: PosteriorFile) -> xr.Dataset:
    values = {"effective_sample_size": content.samples.effective_sample_size}
    if content.theta is not None:
        values |= {name: content.theta[:, i] for i, name in enumerate(content.parameters)}
    return _columns(values).assign(dict(content.fixed))


def _prior(content: PosteriorFile, names: Sequence[str]) -> xr.Dataset:
    places = content.parameters.index
    columns = {name: (("chain", "draw"), content.prior[None, :, places(name)]) for name in names}
    return xr.Dataset(columns, {"chain": [0], "draw": np.arange(len(content.prior))})


def _chains(values: Mapping[str, NDArray[Any]]) -> xr.Dataset:
    """Draws (n, B) as (chain, draw, observation), in four chains where n allows it."""
    n, observations = next(iter(values.values())).shape
    chains = CHAINS if n % CHAINS == 0 else 1
    shape = (chains, n // chains, observations)
    coordinates = {name: np.arange(size) for name, size in zip(DIMENSIONS, shape, strict=True)}
    columns = {name: (DIMENSIONS, array.reshape(shape)) for name, array in values.items()}
    return xr.Dataset(columns, coordinates)


def _draws(values: xr.DataArray) -> NDArray[Any]:
    """The inverse of `_chains`, for one variable."""
    array = values.to_numpy()
    return array.reshape(-1, array.shape[-1])


def _columns(values: Mapping[str, Array]) -> xr.Dataset:
    return xr.Dataset({name: _by_observation(name, column) for name, column in values.items()})


def _by_observation(name: str, values: Array) -> xr.DataArray:
    dims = ["observation", *(f"{name}_dim_{i}" for i in range(values.ndim - 1))]
    return xr.DataArray(values, {"observation": np.arange(len(values))}, dims)


def _truth(constants: xr.Dataset, parameters: tuple[str, ...]) -> Array | None:
    if parameters[0] not in constants:
        return None
    return np.stack([constants[name].to_numpy() for name in parameters], -1)


def _calibration(diagnosis: Verdict | None) -> xr.Dataset:
    """The tests as a table over `test`; the diagnosis but for the points of its curves, which
    would be too much for an attribute, as JSON beside it."""
    plain = dump(diagnosis)
    if diagnosis is None:
        return xr.Dataset(attrs={"diagnosis": json.dumps(plain)})
    tests = plain["tests"].values()
    columns = {
        key: ("test", np.array([test[key] for test in tests], np.float64)) for key in _TEST_NUMBERS
    }
    curves = {
        f"curve_{key}": (("test", "point"), _padded([test["curve"].pop(key) for test in tests]))
        for key in _CURVE
    }
    attrs = {"diagnosis": json.dumps(plain)}
    return xr.Dataset({**columns, **curves}, {"test": list(plain["tests"])}, attrs)


def _diagnosis(group: xr.Dataset, path: Path) -> Verdict | None:
    """The inverse of `_calibration`."""
    plain = json.loads(group.attrs["diagnosis"])
    if plain is None:
        return None
    for name, test in plain["tests"].items():
        row = group.sel(test=name)
        points = int(row["curve_x"].notnull().sum())
        lines = {key: row[f"curve_{key}"] for key in _CURVE if f"curve_{key}" in row}
        test["curve"] |= {key: line.to_numpy()[:points].tolist() for key, line in lines.items()}
    return load_record(Verdict, plain, f"{path}: calibration")


def _padded(rows: list[list[float | None]]) -> Array:
    padded = np.full((len(rows), max(map(len, rows))), np.nan)
    for line, values in zip(padded, rows, strict=True):
        line[: len(values)] = np.array(values, np.float64)
    return padded


def _attribute(value: Any) -> Any:
    """As netCDF can hold it: mappings as JSON."""
    return value if isinstance(value, str | int | float) else json.dumps(value)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
