"""The settings of the flow."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from sbipipe.learning.pixels import Choice
from sbipipe.records import Positive, plugin


@plugin
class Settings:
    """All settings of the flow.

    Attributes:
        degree: Degree of the polynomials in theta that make the logarithms of the power.
        pixels: "gaussian" sends pixel values to normal quantiles, "standard" shifts and scales
            them; "auto" takes what gives the likelier Gaussian fields on `valid`.
        coarsen: Pixels along each axis that are averaged to one before anything else: a model of
            coarser fields. Less is known of theta, and far less has to be learned.
        surface: Degree of the polynomials that stand for the log-likelihood; None takes twice
            `degree`.
        sharpest: Nats that the terms of the highest degree may weigh together, at most: a surface
            where they weigh more is too sharp for its polynomial, and its field is refused.
    """

    degree: Positive = 4
    pixels: Choice = "auto"
    coarsen: Positive = 1
    surface: Positive | None = None
    sharpest: Annotated[float, Field(gt=0)] = 3.0

    @property
    def surface_degree(self) -> int:
        """Of the polynomials that stand for the log-likelihood."""
        return 2 * self.degree if self.surface is None else self.surface

    @property
    def trained(self) -> dict[str, Any]:
        """The settings that weights depend on; the others may change after training."""
        plain = TypeAdapter(Settings).dump_python(self, mode="json")
        return {name: value for name, value in plain.items() if name not in ("surface", "sharpest")}


__all__ = ["Settings"]
