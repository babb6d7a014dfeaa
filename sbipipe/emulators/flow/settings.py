"""The settings of the flow."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from sbipipe.learning.pixels import Choice
from sbipipe.learning.schedules import Cosine
from sbipipe.records import Count, Positive, beside, plugin


@plugin
class Discriminate:
    """How the couplings are trained to tell parameters apart, after they have made fields likely.

    Attributes:
        epochs: The number of epochs; 0 leaves this phase out.
        contrasts: Parameters that each field's own are told from.
        learning_rate: The rate at its peak; all else is as in `optimisation`.
    """

    epochs: Count = 2
    contrasts: Positive = 3
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3


def default_optimisation() -> Cosine:
    """How the couplings are trained on a laptop."""
    return Cosine(epochs=2, patience=20, batch=64, learning_rate=4e-3, ema=0.995)


@plugin
class Settings:
    """All settings of the flow.

    Attributes:
        degree: Degree of the polynomials in theta that make the logarithms of the power.
        pixels: "gaussian" sends pixel values to normal quantiles, "standard" shifts and scales
            them; "auto" takes what gives the likelier Gaussian fields on `valid`.
        coarsen: Pixels along each axis that are averaged to one before anything else: a model of
            coarser fields. Less is known of theta, and far less has to be learned.
        couplings: Couplings at each scale of the fields, 2 or more so that each difference of
            neighbours is transformed; 0 leaves the closed form alone.
        levels: How often the grid is halved, a scale each; None takes as often as the sides allow.
        width: Features of each coupling's network.
        optimisation: How the couplings are trained to make fields likely.
        discriminate: How they are trained to tell parameters apart afterwards.
        shifts: With couplings, the log-likelihood of a field is the mean over its images under
            shifts by fewer pixels than this along each axis, which takes shifts^d times as long.
        surface: Degree of the polynomials that stand for the log-likelihood; None takes twice
            `degree`.
        sharpest: Nats that the terms of the highest degree may weigh together, at most: a surface
            where they weigh more is too sharp for its polynomial, and its field is refused.
    """

    degree: Positive = 4
    pixels: Choice = "auto"
    coarsen: Positive = 1
    couplings: Count = 2
    levels: Positive | None = None
    width: Positive = 24
    optimisation: Annotated[Cosine, beside(default_optimisation)] = Field(
        default_factory=default_optimisation
    )
    discriminate: Discriminate = Field(default_factory=Discriminate)
    shifts: Positive = 2
    surface: Positive | None = None
    sharpest: Annotated[float, Field(gt=0)] = 3.0

    @property
    def seen(self) -> dict[str, str]:
        """Its closed form is fitted to the spectra in bands."""
        return {"power_spectrum": "trained", "cross_spectra": "trained"}

    @property
    def surface_degree(self) -> int:
        """Of the polynomials that stand for the log-likelihood."""
        return 2 * self.degree if self.surface is None else self.surface

    @property
    def trained(self) -> dict[str, Any]:
        """The settings that weights depend on; the others may change after training."""
        plain = TypeAdapter(Settings).dump_python(self, mode="json")
        scoring = ("shifts", "surface", "sharpest")
        return {name: value for name, value in plain.items() if name not in scoring}


__all__ = ["Discriminate", "Settings", "default_optimisation"]
