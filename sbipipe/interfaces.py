"""The nouns of sbipipe, as protocols and small frozen records.

A simulator turns parameters `theta` into fields. A summary turns fields into vectors. An estimator
learns a posterior from pairs of parameters and data. A diagnostic asks whether that posterior may
be believed. Every module speaks in these words; none of them is defined anywhere else, and this
file imports nothing of ours.

Shapes: N rows, D parameters, C channels, L summary components, B observations, n draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Index = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]
Generator = np.random.Generator

LogLikelihood = Callable[[Array, Array], Array]
"""`(theta, x) -> log p(x | theta)`, with shapes (n, B, D) and (B, ...) -> (n, B), in nats."""

SPLITS = ("train", "valid", "calibrate", "test")
"""`valid` stops and selects, `calibrate` recalibrates, `test` is for the diagnostics alone."""


class NullIsNaN:
    """Makes pydantic read null as NaN; imports it only where it is at work already."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(
            lambda value: math.nan if value is None else value, handler(source)
        )


Real = Annotated[float, NullIsNaN()]
"""A number of a record; one that is not finite is null in a file, and null is read as NaN."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """The grid that fields lie on.

    Attributes:
        pixels: Pixels along each axis of space, one to three of them.
        box: The length of the first axis [unit]; None where it is not known.
        unit: The unit of `box`.
        periodic: Whether opposite sides of the box meet.
    """

    pixels: tuple[int, ...]
    box: float | None = None
    unit: str = "Mpc/h"
    periodic: bool = True

    @property
    def dimensions(self) -> int:
        """Of space."""
        return len(self.pixels)

    @property
    def square(self) -> bool:
        """Whether all sides have equally many pixels."""
        return len(set(self.pixels)) == 1

    @property
    def k_unit(self) -> str:
        """The unit of a wavenumber, that of the box or cycles along the first axis."""
        if self.box is None:
            return "cycles per side"
        return "h/Mpc" if self.unit == "Mpc/h" else f"1/{self.unit}"

    @property
    def volume_unit(self) -> str:
        """The unit of a power spectrum of dimensionless fields."""
        if self.box is None:
            return "side = 1"
        return f"({self.unit})^{self.dimensions}" if self.dimensions > 1 else self.unit

    def coarser(self, cells: int) -> Geometry:
        """The grid on which `cells` pixels along each axis have become one."""
        return replace(self, pixels=tuple(side // cells for side in self.pixels))


@dataclass(frozen=True, kw_only=True)
class Fields:
    """Rows are fields on a grid.

    Attributes:
        geometry: The grid.
        channels: The name of each channel.
        quantity: What a pixel of the first channel holds, for labels.
    """

    geometry: Geometry
    channels: tuple[str, ...] = ("field",)
    quantity: str = "field"
    data: Literal["fields"] = "fields"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row, (C, *space)."""
        return (len(self.channels), *self.geometry.pixels)


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """Rows are vectors.

    Attributes:
        components: The name of each component.
        degree: Where a vector is a log-likelihood surface, the total degree of the polynomial whose
            coefficients it holds (`physics.chebyshev`); None for any other vector.
    """

    components: tuple[str, ...]
    degree: int | None = None
    data: Literal["vectors"] = "vectors"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row, (L,)."""
        return (len(self.components),)


Data = Fields | Vectors
"""What the rows of a set are. Catalogues, whose rows differ in length, will be a third."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Pairs of parameters and data.

    Attributes:
        data: What the rows of x are.
        theta: Parameters, with shape (N, D).
        x: Fields (N, C, *space) or vectors (N, L).
        group: Which simulation each row came from, with shape (N,). Rows of one group share
            their parameters and their noise, so they are not independent.
        log_likelihood: The exact log-likelihood, where the simulator offers one.
    """

    data: Data
    theta: Array
    x: Array
    group: Index
    log_likelihood: LogLikelihood | None = None

    def __len__(self) -> int:
        return len(self.theta)

    @property
    def finite(self) -> Mask:
        """Rows whose parameters and data are all finite, with shape (N,)."""
        x = self.x.reshape(len(self), -1)
        return np.asarray(np.isfinite(self.theta).all(1) & np.isfinite(x).all(1))

    def rows(self, index: Index | Mask | slice) -> Dataset:
        """The chosen rows."""
        return replace(self, theta=self.theta[index], x=self.x[index], group=self.group[index])

    def one_per_group(self, rng: Generator) -> Dataset:
        """One row of every group, chosen at random: independent rows, in order of group."""
        shuffled = rng.permutation(len(self))
        _, first = np.unique(self.group[shuffled], return_index=True)
        return self.rows(shuffled[first])


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Everything a fitted object must remember: arrays by name, and plain JSON values."""

    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class History:
    """How a fit went.

    Attributes:
        curves: One learning curve for each network trained: name -> {"epoch", "train", "valid"}
            -> values.
        chosen: The epoch whose weights were kept, for each curve.
        seconds: Wall time of the fit.
        notes: Figures a person may want beside the curves (weights of an ensemble, say).
    """

    curves: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    chosen: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a fit may know of the run around it; none of it but the seed changes a result.

    Attributes:
        seed: Root of this fit's random streams (`seeds.stream(run.seed, "label")`).
        device: "cpu" or "cuda".
        checkpoint: Folder that holds the state of an interrupted fit, or None.
        devices: How many train one network together (`processes`).
    """

    seed: int
    device: str = "cpu"
    checkpoint: Path | None = None
    devices: int = 1


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Draws from posteriors of B observations.

    Attributes:
        draws: Parameters, with shape (n, B, D). NaN where an observation could not be sampled.
        log_prob: Normalised log posterior density at the draws in nats, with shape (n, B).
        effective_sample_size: Per observation, with shape (B,); at most n, and zero where an
            observation could not be sampled.
        figures: Other figures of each observation, with shape (B,), by name: its evidence, say.
    """

    draws: Array
    log_prob: Array
    effective_sample_size: Array
    figures: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Log-likelihoods of B fields as polynomials in theta, up to a constant each, in nats.

    Attributes:
        coefficients: In Chebyshev polynomials (`learning.chebyshev`), with shape (B, M); NaN for a
            field that cannot be scored.
        error: The Monte Carlo error of the difference between two parameters of the posterior, with
            shape (B,).
        draws: The number of draws of noise that it took, with shape (B,).
    """

    coefficients: Array
    error: Array
    draws: Index


@dataclass(frozen=True, kw_only=True)
class PosteriorDraws:
    """Everything a diagnostic may know: one estimator's draws for B independent simulations.

    Attributes:
        parameters: Names of the D parameters.
        theta: True parameters, with shape (B, D).
        draws: With shape (n, B, D); NaN for a failed observation.
        log_prob: At the draws, with shape (n, B).
        log_prob_truth: At the truth, with shape (B,).
        log_prior_truth: Log prior density at the truth, with shape (B,).
        log_prob_controls: For each negative control, its log density at the truth, (B,).
        effective_sample_size: With shape (B,).
        prior_variance: Of each parameter under the prior, with shape (D,).
        seconds: Wall time of drawing, for one observation.
        figures: Other figures of each observation, with shape (B,), by name (`Samples`).
        given: Numbers of each observation by name, functions of what the estimator is conditioned
            on, each with shape (B,).
    """

    parameters: tuple[str, ...]
    theta: Array
    draws: Array
    log_prob: Array
    log_prob_truth: Array
    log_prior_truth: Array
    log_prob_controls: Mapping[str, Array]
    effective_sample_size: Array
    prior_variance: Array
    seconds: float
    figures: Mapping[str, Array] = field(default_factory=dict)
    given: Mapping[str, Array] = field(default_factory=dict)

    @property
    def failed(self) -> Mask:
        """Observations that could not be sampled, with shape (B,)."""
        return np.asarray(~np.isfinite(self.log_prob).all(0))


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a figure, with what it should be and how far chance may carry it.

    Attributes:
        x, y: The points of the curve.
        ideal: The height where each point should lie.
        lower, upper: The band that holds the whole curve with probability `1 - level`.
        x_label, y_label: The labels of the axes, with units.
        ticks: The names of 1, 2, ... on the axis of x, where x counts things.
    """

    x: tuple[Real, ...]
    y: tuple[Real, ...]
    ideal: tuple[Real, ...]
    lower: tuple[Real, ...]
    upper: tuple[Real, ...]
    x_label: str
    y_label: str
    ticks: tuple[str, ...] = ()


Fault = Literal["place", "width", "shape"]
"""What may be wrong with a posterior."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one test of one diagnostic found.

    Attributes:
        test: Its name within the diagnostic, for instance "omega_m".
        statistic: The test statistic.
        p_value: Probability of a statistic at least as extreme for a calibrated posterior.
        numbers: Other figures, by name.
        curve: The picture of it.
        why: One sentence that a person reads.
        says: The sentence that names the number by which the test condemns a posterior's place, its
            width or its shape, for those of the three that it tells of.
        ranks: The ranks behind the test, one for each simulation that could be sampled, uniform
            on [0, 1] for a calibrated posterior; empty where the test has none.
        outwards: Whether the ranks grow from the densest point of the posterior outwards, and not
            from one side of it to the other.
    """

    test: str
    statistic: float
    p_value: float
    curve: Curve
    why: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    says: Mapping[Fault, str] = field(default_factory=dict)
    ranks: tuple[float, ...] = ()
    outwards: bool = False
