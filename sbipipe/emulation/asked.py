"""What published estimators find in an emulator's fields, as frozen records.

The fields are at the parameters of test simulations, one at each, and whatever is said of them
stands beside the same of those simulations' own fields. Where a simulator is at hand, so does what
is said of true fields of other seeds, the control, which a perfect emulator would have drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from sbipipe.emulation.sampled import Masses
from sbipipe.gate.verdict import Estimate
from sbipipe.interfaces import Real
from sbipipe.records import record

Figure = Literal["coverage_0.68", "coverage_0.95", "nats"]
"""The share of highest-density regions that hold the truth, and the mean of log q(theta | x) at
the truth."""


@record
class Compared:
    """A figure of N posteriors beside that of the posteriors of the test simulations.

    Attributes:
        value: The figure.
        true: That of the test simulations.
        difference: The mean difference from one to the other, paired by parameters.
        p: The probability of so large a mean difference, were the fields true ones.
    """

    value: Real
    true: Real
    difference: Estimate
    p: float


@record
class Reading:
    """What one estimator finds.

    Attributes:
        generated: Each figure of the emulator's fields.
        control: The same of the control; empty where there is none.
        learned: Whether the estimator has learned from fields of this emulator.
    """

    generated: Mapping[Figure, Compared]
    control: Mapping[Figure, Compared]
    learned: bool


@record
class Asked:
    """What published estimators find, and the study's own summaries.

    Attributes:
        simulator: The simulator's name.
        fields: The number of fields N.
        why: Why no estimator was asked; empty where one was.
        readings: What each estimator finds, by name.
        left_out: What others do that kept them from being asked, by name.
        masses: PQMass of many fields at one theta in each summary, by name.
    """

    simulator: str
    fields: int
    why: str
    readings: Mapping[str, Reading]
    left_out: Mapping[str, str]
    masses: Mapping[str, Masses]


__all__ = ["Asked", "Compared", "Figure", "Reading"]
