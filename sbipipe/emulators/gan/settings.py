"""The settings of the generative adversarial network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from sbipipe.learning.players import Play
from sbipipe.learning.precision import Precision
from sbipipe.records import InputError, Positive, plugin

Architecture = Literal["periodic", "cosmogan"]
Activation = Literal["relu", "silu"]
Share = Annotated[float, Field(ge=0, lt=1)]

OWN: dict[Architecture, Play] = {
    "periodic": Play(),
    "cosmogan": Play(
        batch=64,
        learning_rate=2e-4,
        fall=0.0,
        beta1=0.5,
        beta2=0.999,
        penalty=0.0,
        ema=0.0,
        score_last=5,
    ),
}
"""How the players of each architecture learn where nothing else is written."""


@plugin
class Optimisation:
    """How the players learn; None takes what the architecture has, `periodic` or `cosmogan`.

    Attributes:
        steps: The number of steps of each player; 2,500.
        batch: The rows in a batch, at most; 32 or 64.
        learning_rate: The rate of Adam for both players; 2e-3 or 2e-4.
        fall: The share of the steps, at the end, over which the rate falls linearly to zero; 0.5
            or 0.
        beta1: The decay of Adam's mean of gradients; 0 or 0.5.
        beta2: The decay of Adam's mean of squared gradients; 0.99 or 0.999.
        penalty: The weight of R1, the critic's squared gradient at true fields; 0.1 or 0.
        lazy: The number of steps between two penalties, each as many times as dear; 8.
        ema: The decay of the moving average of the generator's weights per step; 0.995 or 0, which
            keeps the weights themselves.
        score_every: The number of steps between two scores; 250.
        score_last: The same over the last `score_every` steps; 50 or 5.
        precision: "bf16" multiplies matrices and convolves in bfloat16, which is faster only where
            the hardware has it; "float32".
    """

    steps: Positive | None = None
    batch: Positive | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    fall: Annotated[float, Field(ge=0, le=1)] | None = None
    beta1: Share | None = None
    beta2: Share | None = None
    penalty: Annotated[float, Field(ge=0)] | None = None
    lazy: Positive | None = None
    ema: Share | None = None
    score_every: Positive | None = None
    score_last: Positive | None = None
    precision: Precision | None = None

    def of(self, architecture: Architecture) -> Play:
        """All of it."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        known = {name: value for name, value in given.items() if value is not None}
        return replace(OWN[architecture], **known)


@plugin
class Settings:
    """All settings of the generative adversarial network.

    Attributes:
        architecture: "periodic" knows the symmetries of the grid, shifts of periodic fields among
            them; "cosmogan" is that of Mustafa et al. 2019, at any size.
        condition: The parameters that the players are told: "all", "none", or a list of names. The
            fields of those that they are not told are drawn from all of them.
        pixels: "gaussian" sends pixel values to normal quantiles, "standard" shifts and scales
            them, "range" sends the least and the largest to -1 and 1; None takes "gaussian" for
            `periodic`, and "range" for `cosmogan`, whose pixels end there.
        spectrum: Whether the critic of `periodic` reads the power of a field beside its pixels.
        width: The features of `periodic` on the finest grid; each coarser one has twice as many, up
            to four times.
        levels: How often `periodic` halves the grid; None halves it down to 4 to 7 cells along the
            shorter side.
        maps: The maps of noise on each grid of `periodic`.
        latent: The length of the latent vector of `cosmogan`.
        activation: What bends the features of the generator; None takes "silu" for `periodic` and
            "relu" for `cosmogan`. With "relu" the fields have no curvature in the latent space.
        flips: The probability that the critic is told a wrong label; None takes 0 for `periodic`
            and 0.01 for `cosmogan`.
        optimisation: How the players learn.
    """

    architecture: Architecture = "periodic"
    condition: Literal["all", "none"] | tuple[str, ...] = "all"
    pixels: Literal["gaussian", "standard", "range"] | None = None
    spectrum: bool = True
    width: Positive = 8
    levels: Positive | None = None
    maps: Positive = 4
    latent: Positive = 64
    activation: Activation | None = None
    flips: Share | None = None
    optimisation: Optimisation = Field(default_factory=Optimisation)

    def __post_init__(self) -> None:
        if self.architecture == "cosmogan" and self.pixels not in (None, "range"):
            raise ValueError(
                f"pixels: given {self.pixels}; allowed with architecture cosmogan: range"
            )

    @property
    def play(self) -> Play:
        """How the players learn."""
        return self.optimisation.of(self.architecture)

    @property
    def bend(self) -> Activation:
        """What bends the features of the generator."""
        return self.activation or ("relu" if self.architecture == "cosmogan" else "silu")

    @property
    def share_flipped(self) -> float:
        """The probability of a wrong label."""
        own = 0.01 if self.architecture == "cosmogan" else 0.0
        return own if self.flips is None else self.flips

    @property
    def seen(self) -> dict[str, str]:
        """The statistics of the score that chooses, and those that `periodic` is given."""
        chosen = {"power_spectrum": "chosen", "pixel_density": "chosen"}
        if self.architecture == "cosmogan":
            return chosen
        return {**chosen, "power_spectrum": "trained and chosen", "cross_spectra": "trained"}

    def told(self, names: Sequence[str]) -> tuple[int, ...]:
        """The columns of theta that the players are told.

        Raises:
            InputError: For a name that no parameter has.
        """
        if self.condition == "none":
            return ()
        chosen = tuple(names) if self.condition == "all" else self.condition
        unknown = [name for name in chosen if name not in names]
        if unknown:
            raise InputError(
                f"config.condition: given {', '.join(unknown)}; allowed: all, none, or a list of "
                f"{', '.join(names)}"
            )
        return tuple(sorted(names.index(name) for name in set(chosen)))

    @property
    def trained(self) -> dict[str, Any]:
        """The settings as plain values; weights depend on all of them."""
        plain: dict[str, Any] = TypeAdapter(Settings).dump_python(self, mode="json")
        return plain


__all__ = ["OWN", "Optimisation", "Settings"]
