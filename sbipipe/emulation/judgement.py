"""What is said of an emulator, as frozen records; `reports/emulation.json` holds the same words.

Curves and numbers come in pairs: of generated fields against true ones, and of a **control**
against true ones, which is what a perfect emulator would have given. The control is true fields of
other simulations where a simulator is at hand; else one half of the true fields, beside the other.

Spectra and curves keep five significant digits, which are enough for a figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from sbipipe.emulation.sampled import Sampled
from sbipipe.interfaces import Array
from sbipipe.records import Values, record


@record
class Against:
    """A number for the generated fields, and for the control, each against true fields."""

    generated: float
    control: float


@record
class Counts:
    """How many fields there are.

    Attributes:
        theta: The number of held-out theta.
        true: The number of true fields at each.
        generated: The number of generated fields at each.
        control: The number of fields of the control at each.
        failed: The number of simulations that failed and were replaced by others.
    """

    theta: int
    true: int
    generated: int
    control: int
    failed: int


@record
class Band:
    """The mean and the scatter of a curve over fields, each with shape (L,)."""

    mean: Values
    sd: Values

    @classmethod
    def of(cls, values: Array) -> Band:
        """Of values (n, L)."""
        return cls(mean=short(values.mean(0)), sd=short(values.std(0, ddof=1)))


@record
class EmulatedCurve:
    """A curve of a statistic at one theta, in the first channel.

    Attributes:
        x: Where it is measured, with shape (L,).
        x_label: What x is, with its unit.
        y_label: What is measured, with its unit where it has one.
        ticks: The words to show in the place of x where x only counts; else none.
        true: The true fields.
        generated: The generated fields.
        control: The control.
        z: The distance of the generated mean from the true one in standard errors, (L,).
        z_control: The same of the control.
    """

    x: Values
    x_label: str
    y_label: str
    ticks: tuple[str, ...] = ()
    true: Band
    generated: Band
    control: Band
    z: Values
    z_control: Values


@record
class EmulatedExample:
    """One held-out theta.

    Attributes:
        row: The number of the theta among the held-out ones.
        theta: The parameters, with shape (D,).
        curves: The curve of each name.
    """

    row: int
    theta: Values
    curves: Mapping[str, EmulatedCurve]


@record
class ChiSquared:
    """Reduced chi-squared of the power of each field against `references` true ones.

    Attributes:
        references: The number of true fields.
        null: The mean, were power Gaussian.
        mean: The mean over fields.
        se: The standard error of the mean.
        ratio: The ratio of the mean to the null.
        ratio_se: The standard error of that ratio.
        to_true: The same ratio over that of each true field against the others.
        to_true_se: The standard error of `to_true`.
        to_control: The same ratio over that of the control.
        to_control_se: The standard error of `to_control`.
        values: One value for each field.
    """

    references: int
    null: float
    mean: float
    se: float
    ratio: float
    ratio_se: float
    to_true: float
    to_true_se: float
    to_control: float
    to_control_se: float
    values: Values


@record
class ChiSquaredSets:
    """Reduced chi-squared in several sets of fields.

    Attributes:
        bins: The number of bins of k, of all channels.
        sets: "leave_one_out_true", "leave_one_out_generated", "generated" and "control".
    """

    bins: int
    sets: Mapping[str, ChiSquared]


@record
class Correlation:
    """The correlation of P(k) between bins, of the first channel.

    Attributes:
        k: The wavenumber of each bin, with shape (K,).
        true: The matrix of the true fields, with shape (K, K).
        generated: The matrix of the generated fields.
        control: The matrix of the control.
        rms_difference: The rms difference from the true matrix off the diagonal, over all channels.
        covariance_difference: The rms difference of the covariance of all channels from the true
            one off the diagonal, in units of the scatter of true fields in both bins.
    """

    k: Values
    true: Values
    generated: Values
    control: Values
    rms_difference: Against
    covariance_difference: Against


@record
class EmulatedResponse:
    """P / P_0 of the first channel, where one parameter is moved and the others stay.

    Attributes:
        fiducial: The value that the parameter is moved from.
        values: The values that it is moved to.
        generated: The ratio at each of them, of the generated fields.
        true: The ratio of the true fields; empty where there is no simulator to ask.
        control: The ratio of the control; empty where there is no simulator to ask.
    """

    fiducial: float
    values: tuple[float, ...]
    generated: tuple[Band, ...]
    true: tuple[Band, ...] = ()
    control: tuple[Band, ...] = ()


@record
class Responses:
    """How spectra answer to each parameter.

    Attributes:
        k: The wavenumber of each bin, with shape (K,).
        rows: How many noises a response is averaged over, of "generated", "true" and "control".
        each: How many of the true ones share a simulation.
        rms_percent: The rms difference of ln(P / P_0) from the true one, of all channels [percent];
            None where there is no simulator to ask.
        rms_z: The same in standard errors.
        parameters: The response to each parameter.
    """

    k: Values
    rows: Mapping[str, int]
    each: int
    rms_percent: Against | None
    rms_z: Against | None
    parameters: Mapping[str, EmulatedResponse]


@record
class Nearness:
    """How near generated fields come to others, and how near new ones do.

    Attributes:
        generated: The mean distance at each of T theta, with shape (T,).
        true: The same of true fields of other simulations.
        p: The probability that new fields come as near, on average over theta.
    """

    generated: Values
    true: Values
    p: float


@record
class Remembered:
    """Whether generated fields are new.

    Attributes:
        training: The number of training fields that were looked at.
        fields: The number of generated fields at each theta, and of true ones.
        pixels: To the nearest training field, moved.
        power: To the nearest training field, in log P(k).
        twins: Of the nearest two of one theta; None where there is no simulator to ask.
    """

    training: int
    fields: int
    pixels: Nearness
    power: Nearness
    twins: Nearness | None


@record
class Judgement:
    """An emulator's fields beside true ones.

    Attributes:
        simulator: The simulator's name.
        parameters: The names of the D parameters.
        quantity: What a pixel of the first channel holds.
        space: The pixels along each axis.
        channels: The number of channels.
        k_unit: The unit of wavenumbers.
        counts: How many fields there are.
        control: Whether the control is of other "simulations", or of "halves" of the true fields.
        left_out: Why some statistics could not be measured, by statistic.
        chi_squared: Reduced chi-squared of the power of single fields.
        rms_z: The rms z over theta and components, by statistic.
        difference_percent: The rms difference of the mean P(k) over theta and k [percent].
        examples: A few theta, low to high in the first parameter.
        correlation: Of P(k) between bins.
        response: Of P(k) to single parameters.
        remembered: Whether the fields are new.
        seen: How the emulator has seen a statistic before ("trained", "chosen", or "trained and
            chosen" by it), by the statistic.
        at_one_theta: Many fields at one theta, or why there are none.
    """

    simulator: str
    parameters: tuple[str, ...]
    quantity: str
    space: tuple[int, ...]
    channels: int
    k_unit: str
    counts: Counts
    control: Literal["simulations", "halves"]
    left_out: Mapping[str, str]
    chi_squared: ChiSquaredSets
    rms_z: Mapping[str, Against]
    difference_percent: Against
    examples: tuple[EmulatedExample, ...]
    correlation: Correlation
    response: Responses
    remembered: Remembered
    seen: Mapping[str, str]
    at_one_theta: Sampled | str


def short(values: Array) -> Array:
    """Values (L,) with five significant digits."""
    return np.array([float(f"{value:.5g}") for value in values.tolist()])
