"""Every statistic of the fields of one theta: true ones, generated ones, and the control.

Bins and thresholds come from the true fields of that theta.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sbipipe import plugins, statistics
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.judgement import Against, Band, EmulatedCurve, EmulatedExample, short
from sbipipe.emulation.truth import Truth
from sbipipe.emulation.z_scores import rms, z_scores
from sbipipe.interfaces import Array
from sbipipe.statistics import Axis, Resolution

RESOLUTION = Resolution(bands=None, thresholds=12)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One statistic of the fields of one theta, of all channels.

    Attributes:
        axes: Where each curve is measured.
        true: The values of the true fields, with shape (n, L).
        generated: The values of the generated fields, with shape (m, L).
        control: The values of the control, with shape (c, L).
        reference: The values of the true fields that the control is set beside.
    """

    axes: tuple[Axis, ...]
    true: Array
    generated: Array
    control: Array
    reference: Array

    @property
    def z(self) -> Array:
        """z of the generated fields, with shape (L,)."""
        return z_scores(self.generated, self.true)

    @property
    def z_control(self) -> Array:
        """z of the control, with shape (L,)."""
        return z_scores(self.control, self.reference)

    def curves(self) -> dict[str, EmulatedCurve]:
        """The curves of the first channel, by name."""
        values = (self.true, self.generated, self.control, self.z[None], self.z_control[None])
        parts = zip(*(statistics.curves(one, self.axes) for one in values), strict=True)
        return {
            axis.curve: EmulatedCurve(
                x=short(axis.x),
                x_label=axis.x_label,
                y_label=axis.y_label,
                ticks=axis.ticks,
                true=Band.of(true),
                generated=Band.of(generated),
                control=Band.of(control),
                z=short(z[0]),
                z_control=short(z_control[0]),
            )
            for axis, (true, generated, control, z, z_control) in zip(self.axes, parts, strict=True)
            if axis.channel == 0
        }


def measure(name: str, truth: Truth, drawn: Drawn, t: int) -> Measured:
    """The statistic `name` of the fields of the t-th theta."""
    ruler = plugins.statistic(name).of(truth.true[t], truth.data, RESOLUTION)
    true = ruler.measure(truth.true[t], truth.data)
    if truth.control is None:
        reference, control = true[::2], true[1::2]
    else:
        reference, control = true, ruler.measure(truth.control[t], truth.data)
    return Measured(
        axes=ruler.axes(truth.data),
        true=true,
        generated=ruler.measure(drawn.generated[t], truth.data),
        control=control,
        reference=reference,
    )


def rms_z(measured: Sequence[Measured]) -> Against:
    """The rms of z over theta, channels and components."""
    return Against(
        generated=rms(np.concatenate([one.z for one in measured])),
        control=rms(np.concatenate([one.z_control for one in measured])),
    )


def example(row: int, theta: Array, measured: Sequence[Measured]) -> EmulatedExample:
    """What is shown of one theta (D,).

    Args:
        measured: Every statistic of its fields.
    """
    curves = {name: curve for one in measured for name, curve in one.curves().items()}
    return EmulatedExample(row=row, theta=theta, curves=curves)
