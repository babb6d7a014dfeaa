"""What is said of many fields at one theta, generated and true, as frozen records.

Whatever is measured comes in pairs: of generated fields beside true ones, and of true fields of
other seeds, the control, beside the same true ones.
"""

from __future__ import annotations

from collections.abc import Mapping

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
class Sampled:
    """Many fields at one theta.

    Attributes:
        theta: The parameters, with shape (D,).
        fields: The number of generated fields, of true fields, and of those of the control.
        simulations: The number of simulations that true fields are of, and those of the control.
        distributions: The distributions of components, by the statistic.
    """

    theta: Values
    fields: int
    simulations: int
    distributions: Mapping[str, Distributions]


__all__ = ["Departure", "Distributions", "Sampled"]
