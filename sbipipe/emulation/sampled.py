"""What is said of many fields at one theta, generated and true, as frozen records.

Whatever is measured comes in pairs: of generated fields beside true ones, and of true fields of
other seeds, the control, beside the same true ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field

from sbipipe.records import Values, record


@record
class Departure:
    """How far the distributions of L components are from those of true fields, by one test.

    Attributes:
        p: The p-value of each component, with shape (L,).
        p_largest: The p-value of the largest departure of all.
        distance: The distance of each component, with shape (L,).
        expected: The distance that 95 % of exchanges stay below, with shape (L,).
        similar_99: The share of components whose similarity score is above 0.99.
        similar_95: The same above 0.95.
    """

    p: Values
    p_largest: float
    distance: Values
    expected: Values
    similar_99: float
    similar_95: float


@record
class Distributions:
    """The distributions of the components of one statistic, of all channels.

    Attributes:
        x: Where the first curve of the first channel is measured, with shape (K,); its components
            are the first K of all.
        x_label: What x is, with its unit.
        generated: The departure of the generated fields, by test.
        control: The departure of the control, by test.
    """

    x: Values
    x_label: str
    generated: Mapping[str, Departure]
    control: Mapping[str, Departure]


@record
class Mass:
    """Whether two samples put the same share into each part of space (PQMass).

    Attributes:
        chi_squared: The mean chi-squared over tessellations.
        expected: Its mean for independent fields of one distribution.
        p: The p-value, by exchanging simulations.
    """

    chi_squared: float
    expected: float
    p: float


@record
class Masses:
    """PQMass of the generated fields, and of the control, each against true fields."""

    generated: Mass
    control: Mass


@record
class Classified:
    """How well a classifier tells two samples apart.

    Attributes:
        auc: The area under the ROC curve, in cross-validation: 0.5 where it cannot.
        se: The standard error of the mean over folds.
    """

    auc: float
    se: float


@record
class Classifiers:
    """A classifier of generated and true fields, and one of the control and true fields."""

    generated: Classified
    control: Classified


@record
class Pairs:
    """The pairs of fields that are nearer than one of true fields would be.

    Attributes:
        fields: The number of fields.
        radius: The distance that one pair would be nearer than, in units of their scatter.
        near: The number of pairs that are.
        p: The probability of so many, were the fields true ones.
    """

    fields: int
    radius: float
    near: int
    p: float

    @property
    def different(self) -> float:
        """The number of different fields that would give so many pairs."""
        return self.fields**2 / (2 * self.near) if self.near else math.inf


@record
class Birthday:
    """Pairs of generated fields, and of true ones, by one feature."""

    generated: Pairs
    control: Pairs


@record
class Sampled:
    """Many fields at one theta.

    Attributes:
        theta: The parameters, with shape (D,).
        fields: The number of generated fields, of true fields, and of those of the control.
        simulations: The number of simulations that true fields are of, and those of the control.
        summary: The statistics that make the summary of a field.
        distributions: The distributions of components, by the statistic.
        masses: PQMass, in "pixels" and in the "summary".
        classifiers: Classifiers that read the summary.
        birthdays: The birthday test by each feature, "pixels", "power" and, where the emulator has
            a critic, "critic features"; empty where none was asked for.
    """

    theta: Values
    fields: int
    simulations: int
    summary: tuple[str, ...]
    distributions: Mapping[str, Distributions]
    masses: Mapping[str, Masses]
    classifiers: Classifiers
    birthdays: Mapping[str, Birthday] = field(default_factory=dict)


__all__ = [
    "Birthday",
    "Classified",
    "Classifiers",
    "Departure",
    "Distributions",
    "Mass",
    "Masses",
    "Pairs",
    "Sampled",
]
