"""The layout of the CAMELS Multifield Dataset (Villaescusa-Navarro et al. 2021, arXiv 2109.10915).

A set of S simulations is two files in a folder:

    Maps_{field}_{suite}_{set}_z=0.00.npy   float32, (15 S, n, n): map i is of simulation i // 15,
                                            five slabs along each of three axes of a periodic box
    params_{set}_{suite}.txt                S rows; the first columns are Omega_m and sigma_8

(older downloads name the second `params_{suite}.txt`). Maps of matter are surface densities in
(Msun/h) / (Mpc/h)^2: (1 + delta) rho_crit Omega_m times the thickness of the slab.

Sets: LH is a latin hypercube with a seed of its own in each simulation; 1P varies one parameter at
a time through eleven values, the sixth of which is the fiducial one, all with one seed; CV repeats
the fiducial universe with 27 seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import joblib
import numpy as np
import scipy
from numpy.typing import NDArray

from sbipipe import seeds
from sbipipe.interfaces import Array, Fields, Index
from sbipipe.physics.parameters import CRITICAL_DENSITY, NAMES
from sbipipe.protocols import Prior, Simulator
from sbipipe.records import InputError
from sbipipe.storage import write_whole

MAPS = 15
"""Maps of a simulation."""
SLABS = 5
FIDUCIAL = (0.3, 0.8)
"""omega_m and sigma_8 of the sets 1P and CV."""

SetName = Literal["LH", "1P", "CV"]


def maps_file(folder: Path, field: str, suite: str, set: str) -> Path:
    """Where the maps are."""
    return folder / f"Maps_{field}_{suite}_{set}_z=0.00.npy"


def parameter_files(folder: Path, suite: str, set: str) -> tuple[Path, Path]:
    """Where the parameters may be: the present name and the older one."""
    return folder / f"params_{set}_{suite}.txt", folder / f"params_{suite}.txt"


def read_parameters(folder: Path, suite: str, set: str) -> Array:
    """All columns of the parameter file, with shape (S, P)."""
    candidates = parameter_files(folder, suite, set)
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise InputError(f"{candidates[0]}: no such file, nor {candidates[1].name}")
    try:
        return np.loadtxt(found, ndmin=2)
    except ValueError as error:
        raise InputError(f"{found}: not a table of numbers ({error})") from error


def open_maps(folder: Path, field: str, suite: str, set: str) -> NDArray[np.generic]:
    """The maps, memory-mapped, with shape (15 S, n, n)."""
    path = maps_file(folder, field, suite, set)
    try:
        maps = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: not a whole npy file ({error})") from error
    if maps.ndim != 3 or maps.shape[1] != maps.shape[2] or len(maps) % MAPS or not len(maps):
        raise InputError(f"{path}: given shape {maps.shape}; allowed: ({MAPS} S, n, n)")
    if maps.dtype.kind != "f":
        raise InputError(f"{path}: given values of type {maps.dtype}; allowed: real numbers")
    return np.asanyarray(maps)


def write_cmd(
    folder: Path, *, suite: str, set: str, theta: Array, log_density: Array, box: float
) -> tuple[Path, Path]:
    """Write the maps of dark matter and the parameters of one set.

    Args:
        theta: omega_m, sigma_8 and any more, with shape (S, P).
        log_density: log10(1 + delta), with shape (15 S, 1, n, n).
        box: Side of the box [Mpc/h].

    Returns:
        The two files.

    Raises:
        ValueError: If there are not 15 maps for each row of theta.
    """
    if log_density.ndim != 4 or log_density.shape[:2] != (MAPS * len(theta), 1):
        raise ValueError(
            f"maps with shape {log_density.shape} given for {len(theta)} simulations; "
            f"allowed: ({MAPS * len(theta)}, 1, n, n)"
        )
    mean = CRITICAL_DENSITY * np.repeat(theta[:, 0], MAPS) * box / SLABS
    surface = (10.0 ** log_density[:, 0].astype(np.float64) * mean[:, None, None]).astype("<f4")
    maps, parameters = maps_file(folder, "Mcdm", suite, set), parameter_files(folder, suite, set)[0]
    write_whole(parameters, lambda path: np.savetxt(path, theta, fmt="%s"))
    write_whole(maps, lambda path: _save(path, surface))
    return maps, parameters


def _save(path: Path, maps: NDArray[np.float32]) -> None:
    with path.open("wb") as file:
        np.save(file, maps, allow_pickle=False)


@dataclass(frozen=True, kw_only=True)
class Design:
    """The universes of one set.

    Attributes:
        theta: With shape (S, 2).
        universe: Which random phases each simulation has, with shape (S,).
    """

    theta: Array
    universe: Index


def design(set: SetName, prior: Prior, *, seed: int, simulations: int = 1000) -> Design:
    """The universes of a set.

    Args:
        prior: Over omega_m and sigma_8, with bounded support.
        seed: Of the latin hypercube.
        simulations: Of the latin hypercube; the other sets have a size of their own.
    """
    if set not in get_args(SetName):
        raise ValueError(f"set {set!r} given; allowed: {', '.join(get_args(SetName))}")
    if prior.names != NAMES:
        raise ValueError(f"parameters {prior.names} given; allowed: {NAMES}")
    if set == "LH":
        sampler = scipy.stats.qmc.LatinHypercube(len(NAMES), rng=seeds.stream(seed, "cmd", set))
        theta = prior.from_unit(sampler.random(simulations))
        return Design(theta=theta, universe=np.arange(simulations))
    if set == "CV":
        return Design(theta=np.tile(FIDUCIAL, (27, 1)), universe=np.arange(27))
    theta = _one_parameter(prior)
    return Design(theta=theta, universe=np.zeros(len(theta), np.int64))


def _one_parameter(prior: Prior) -> Array:
    """Eleven values of each parameter in turn, from end to end of the prior."""
    low, high = prior.from_unit(np.array([[0.0, 0.0], [1.0, 1.0]]))
    theta = np.tile(FIDUCIAL, (len(NAMES), 11, 1))
    for i, middle in enumerate(FIDUCIAL):
        below, above = np.linspace(low[i], middle, 6), np.linspace(middle, high[i], 6)
        theta[i, :, i] = np.concatenate([below, above[1:]])
    return theta.reshape(-1, len(NAMES))


def obstacle(simulator: Simulator) -> str:
    """Why a simulator's fields cannot be written in this layout, or nothing."""
    data, names = simulator.data, simulator.prior.names
    found = []
    if names != NAMES:
        found.append(f"parameters {', '.join(names)}")
    if not isinstance(data, Fields) or data.channels != ("density",):
        found.append(f"channels {', '.join(getattr(data, 'channels', ('none',)))}")
    if simulator.maps != MAPS:
        found.append(f"{simulator.maps} fields a simulation")
    allowed = f"{MAPS} maps of the density alone, with {' and '.join(NAMES)}"
    return f"{', '.join(found)} given; allowed: {allowed}" if found else ""


def simulate_set(
    simulator: Simulator,
    folder: Path,
    set: SetName,
    *,
    seed: int,
    box: float,
    suite: str = "sbipipe",
    simulations: int = 1000,
) -> tuple[Path, Path]:
    """Simulate a whole set, on the workers of the `joblib` configuration around, and write it.

    Args:
        simulator: Gives 15 maps of log10(1 + delta) a simulation, as `particle_mesh` does.
        box: Side of its box [Mpc/h].
        simulations: Of the latin hypercube.
    """
    universes = design(set, simulator.prior, seed=seed, simulations=simulations)
    streams = (seeds.stream(seed, "cmd", set, "universe", int(u)) for u in universes.universe)
    maps = joblib.Parallel()(
        joblib.delayed(simulator.simulate)(theta[None], stream)
        for theta, stream in zip(universes.theta, streams, strict=True)
    )
    return write_cmd(
        folder,
        suite=suite,
        set=set,
        theta=universes.theta,
        log_density=np.concatenate(maps),
        box=box,
    )
