"""The settings of the diffusion model, in groups and all together."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from sbipipe.emulators.diffusion.sampler import Sampler
from sbipipe.emulators.diffusion.schedule import Learned, Schedule, Terms
from sbipipe.learning.schedules import Cosine
from sbipipe.records import Count, Positive, beside, plugin

DRAWN = 6_000
"""Fields of the birthday test, times steps, at most."""


@plugin
class Network:
    """The size of the U-Net (`diffusion.network`).

    Attributes:
        width: Features on the finest grid.
        multipliers: Features of each level, in units of `width`; each level halves the grid.
        blocks: Residual blocks of each level.
        attention_below: Cells attend to each other on levels with at most so many; 0 for none.
        compile: Whether torch compiles it, which takes minutes once and a C++ compiler; for GPUs
            and long trainings.
    """

    width: Positive = 16
    multipliers: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1, 2)
    blocks: Positive = 1
    attention_below: Count = 0
    compile: bool = False


@plugin
class Scoring:
    """How the bound of a field is computed.

    Attributes:
        terms: Terms of the bound: "all", "first_20", "l0", or a list of steps of the chain.
        levels: Noise levels of one draw, for "all".
        draws: Draws of noise for each field, at least.
        most: Draws of noise for a field, at most.
        error: The Monte Carlo error, in nats, of the difference of a field's log-likelihood between
            two parameters of its posterior. Where it is larger, draws are doubled, up to `most`.
        sharpest: Nats that the terms of the highest degree may weigh together, at most: a surface
            where they weigh more is too sharp for its polynomial, and its field is refused.
    """

    terms: Terms = "all"
    levels: Positive = 64
    draws: Annotated[int, Field(ge=2)] = 2
    most: Annotated[int, Field(ge=2)] = 8
    error: Annotated[float, Field(gt=0)] = 0.3
    sharpest: Annotated[float, Field(gt=0)] = 3.0

    def __post_init__(self) -> None:
        if self.most < self.draws:
            raise ValueError(f"most: given {self.most}; allowed: at least draws, {self.draws}")


@plugin
class Student:
    """How a student draws in a few passes what its teacher draws in many (`diffusion.student`).

    Attributes:
        steps: The passes in which it draws. An entry that is `of` another of this kind, its
            teacher, is a student where `student:` is written, if only as `{}`.
        paths: The fields of its teacher that it learns from.
        passes: The passes of the teacher for each of them.
    """

    steps: Literal[1, 2, 4] = 1
    paths: Annotated[int, Field(ge=2)] = 1024
    passes: Annotated[int, Field(ge=4)] = 20


def default_optimisation() -> Cosine:
    """How a network on a laptop is trained."""
    return Cosine(epochs=20, patience=20, batch=64, learning_rate=2e-3, ema=0.995)


@plugin
class Settings:
    """All settings of the diffusion model.

    Attributes:
        conditioning: "factorised" scores a field at every theta with one pass per level; "film"
            takes a pass for every theta; "linear" has no network.
        degree: Degree of the polynomials in theta that make the coefficients.
        pixels: "gaussian" sends pixel values to normal quantiles, "standard" shifts and scales
            them; "auto" takes what gives the better linear bound on `valid`.
        coarsen: Pixels along each axis that are averaged to one before anything else: a model of
            coarser fields. Less is known of theta, and far less has to be learned.
        fields: Basis fields of the network, for "factorised" alone; None takes 8.
        network: The size of the network.
        schedule: Levels that the network is trained on.
        optimisation: How the network is trained.
        choose: The checkpoint that is kept: the one whose drawn fields have the best "score"
            (`diffusion.learning`), or the one with the least "loss". With too few true fields at
            one theta there is no score.
        refine: Levels of each training field in the least squares for the coefficients, for
            "factorised" alone; 0 keeps those of gradient descent, None takes 4.
        scoring: How fields are scored.
        sampler: How fields are drawn.
        student: What an entry that is `of` another diffusion entry draws with in its place; None
            for a model of its own. Of the other settings, `optimisation` is the student's; it
            scores as its teacher.
    """

    conditioning: Literal["factorised", "film", "linear"] = "factorised"
    degree: Positive = 4
    pixels: Literal["auto", "gaussian", "standard"] = "auto"
    coarsen: Positive = 1
    fields: Positive | None = None
    network: Network = Field(default_factory=Network)
    schedule: Schedule = Field(default_factory=Learned)
    optimisation: Annotated[Cosine, beside(default_optimisation)] = Field(
        default_factory=default_optimisation
    )
    choose: Literal["score", "loss"] = "score"
    refine: Count | None = None
    scoring: Scoring = Field(default_factory=Scoring)
    sampler: Sampler = Field(default_factory=Sampler)
    student: Student | None = None

    def __post_init__(self) -> None:
        if self.student and self.sampler != Sampler():
            given = f"{self.sampler.kind} in {self.sampler.steps} steps"
            raise ValueError(f"sampler: given {given}; allowed with student: none")
        for name in ("fields", "refine"):
            if getattr(self, name) and self.conditioning != "factorised":
                raise ValueError(
                    f"{name}: given {getattr(self, name)}; allowed with conditioning "
                    f"{self.conditioning}: none"
                )

    @property
    def birthday(self) -> int:
        """Fields of the birthday test, at most; those of many steps are drawn slowly."""
        return DRAWN // (self.student or self.sampler).steps

    @property
    def seen(self) -> dict[str, str]:
        """The statistic of the score, where that chooses; a student is given the true power."""
        if self.student:
            return {"power_spectrum": "trained"}
        chooses = self.choose == "score" and self.conditioning != "linear"
        return {"power_spectrum": "chosen"} if chooses else {}

    @property
    def basis_fields(self) -> int:
        """Basis fields of the network, for "factorised"."""
        return 8 if self.fields is None else self.fields

    @property
    def refined_levels(self) -> int:
        """Levels of each training field in the least squares, for "factorised"."""
        return 4 if self.refine is None else self.refine

    @property
    def trained(self) -> dict[str, Any]:
        """The settings that weights depend on; the others may change after training."""
        plain = TypeAdapter(Settings).dump_python(self, mode="json")
        later = {"scoring", "sampler"} | ({"student"} if self.student is None else set())
        return {name: value for name, value in plain.items() if name not in later}


__all__ = ["Network", "Scoring", "Settings", "Student", "default_optimisation"]
