"""The emulator: its settings, how it is fitted, and what the fitted one does.

An entry may be `of` another diffusion entry, whose fields are coarser: then its network begins with
the weights of that one (the progressive start of Mudur et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, TypeAdapter
from torch import Tensor

from sbipipe.config import Count, Positive, plugin
from sbipipe.emulators.diffusion.factorised import Factorised
from sbipipe.emulators.diffusion.film import Film
from sbipipe.emulators.diffusion.learning import learn, spectral_score
from sbipipe.emulators.diffusion.linear import LinearDenoiser, LinearModel, Model, fit_linear
from sbipipe.emulators.diffusion.network import UNet
from sbipipe.emulators.diffusion.refinement import refine
from sbipipe.emulators.diffusion.sampler import Sampler
from sbipipe.emulators.diffusion.schedule import (
    SUBSETS,
    Density,
    Discrete,
    Learned,
    Levels,
    Schedule,
)
from sbipipe.emulators.diffusion.settings import Network, Scoring, default_optimisation
from sbipipe.emulators.diffusion.surface import CHUNK, Surfaces, informative, surfaces
from sbipipe.interfaces import Array, Dataset, Fields, Generator, History, InputError, Run, Weights
from sbipipe.learning.chebyshev import Basis, scaled, unresolved
from sbipipe.learning.pixels import Kind, Pixels, fit_pixels
from sbipipe.learning.training import Optimisation
from sbipipe.physics.bands import bands_of
from sbipipe.physics.fields import average
from sbipipe.physics.position import standard_position
from sbipipe.protocols import Emulator, Prior
from sbipipe.seeds import number, stream, torch_scope
from sbipipe.storage import check_same

TRIAL_FIELDS, TRIAL_LEVELS = 64, 32
"""With which the levels of the bound are placed."""


@plugin
class Diffusion:
    """A diffusion model of fields.

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
    """

    conditioning: Literal["factorised", "film", "linear"] = "factorised"
    degree: Positive = 4
    pixels: Literal["auto", "gaussian", "standard"] = "auto"
    coarsen: Positive = 1
    fields: Positive | None = None
    network: Network = Field(default_factory=Network)
    schedule: Schedule = Field(default_factory=Learned)
    optimisation: Optimisation = Field(default_factory=default_optimisation)
    choose: Literal["score", "loss"] = "score"
    refine: Count | None = None
    scoring: Scoring = Field(default_factory=Scoring)
    sampler: Sampler = Field(default_factory=Sampler)

    scores: ClassVar[bool] = True

    moved: ClassVar[dict[str, str]] = {
        "start": "an emulator of coarser fields of its own, which this one is `of`",
        "bound": "an estimator of kind surface, `of` the emulator that scores",
        "temper": "an entry of recalibrate: of kind tempered",
        "terms": "scoring.terms",
        "levels": "scoring.levels",
        "draws": "scoring.draws",
    }

    def __post_init__(self) -> None:
        for name in ("fields", "refine"):
            if getattr(self, name) and self.conditioning != "factorised":
                raise ValueError(
                    f"{name}: given {getattr(self, name)}; allowed with conditioning "
                    f"{self.conditioning}: none"
                )

    @property
    def basis_fields(self) -> int:
        """Basis fields of the network, for "factorised"."""
        return 8 if self.fields is None else self.fields

    @property
    def refined_levels(self) -> int:
        """Levels of each training field in the least squares, for "factorised"."""
        return 4 if self.refine is None else self.refine

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {
            "degree": 2,
            "fields": 2,
            "network": {"width": 4},
            "optimisation": {"epochs": 2, "batch": 64},
            "refine": 1,
            "scoring": {"levels": 6},
            "sampler": {"steps": 8},
        }

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Emulator, History]:
        """Learn from `train`, choose on `valid`.

        Raises:
            InputError: For vectors, fields that do not wrap around, or sides that do not halve
                often enough.
        """
        return self._fit(train, valid, prior, run, None)

    def go_on(
        self, begun: Emulator, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Emulator, History]:
        """The same, with the network of a model of coarser fields to begin with.

        Raises:
            InputError: Also where `begun` is no diffusion model with an equal network.
        """
        if not isinstance(begun, DiffusionEmulator):
            raise InputError("of: given an emulator of another kind; allowed: kind diffusion")
        unlike = [
            f"config.{name}: given {getattr(self, name)!r}; allowed: that of the emulator it is "
            f"of, {getattr(begun.settings, name)!r}"
            for name in ("conditioning", "degree", "fields", "network")
            if getattr(self, name) != getattr(begun.settings, name)
        ]
        if unlike:
            raise InputError(*unlike)
        return self._fit(train, valid, prior, run, begun.model)

    def _fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run, begun: Model | None
    ) -> tuple[Emulator, History]:
        source = _wrapping_fields(train, self.coarsen)
        x, x_valid = (
            average(standard_position(rows.x), self.coarsen) if self.coarsen > 1 else rows.x
            for rows in (train, valid)
        )
        s, s_valid = (scaled(prior, rows.theta) for rows in (train, valid))
        pixels, linear = self._linear(x, s, x_valid, s_valid)
        y, y_valid = (torch.from_numpy(pixels(fields)) for fields in (x, x_valid))
        unexplained = linear.unexplained(linear.bands.moments(y_valid), s_valid)
        density = self.schedule.density(linear.log_snr.numpy(), unexplained.numpy())
        with torch_scope(number(run.seed, "diffusion", "weights")):
            model = self._model(linear, x.shape[1:])
        if begun:
            model.begin_from(begun)
        history = History()
        if not isinstance(model, LinearModel):
            rows = y, linear.basis(s).float()
            held_out = y_valid, linear.basis(s_valid).float()
            seen = replace(valid, x=y_valid.numpy())
            score = None
            if self.choose == "score":
                score = spectral_score(model, seen, prior, self.sampler, run)
            history = learn(
                model, density, rows, held_out, self.optimisation, run, "diffusion", score
            )
            if isinstance(model, Factorised):
                notes = refine(model, rows, held_out, density, self.refined_levels, run)
                history = replace(history, notes=notes)
                trial = y_valid[:TRIAL_FIELDS]
                density = informative(model, trial, density, TRIAL_LEVELS, run.seed, run.device)
        emulator = DiffusionEmulator(
            prior=prior, settings=self, pixels=pixels, model=model, density=density,
            source=source, seed=run.seed, device=run.device,
        )  # fmt: skip
        return emulator, history

    def restore(self, weights: Weights, prior: Prior, *, device: str = "cpu") -> Emulator:
        """The emulator that gave these weights, on this device."""
        check_same(weights, self.trained)
        arrays = weights.arrays
        source = TypeAdapter(Fields).validate_python(weights.meta["source"])
        grid = source.geometry.coarser(self.coarsen)
        shape = replace(source, geometry=grid).shape
        linear = LinearDenoiser(
            bands=bands_of(shape),
            basis=Basis(len(prior.names), self.degree),
            log_snr=torch.from_numpy(arrays["linear/log_snr"]),
            coefficients=torch.from_numpy(arrays["linear/coefficients"]),
        )
        model = self._model(linear, shape)
        prefix = "model/"
        state = {
            name.removeprefix(prefix): torch.tensor(value)
            for name, value in arrays.items()
            if name.startswith(prefix)
        }
        model.load_state_dict(state)
        return DiffusionEmulator(
            prior=prior, settings=self, model=model.to(device).eval(), source=source,
            seed=weights.meta["seed"], device=device,
            pixels=Pixels(arrays["pixels/value"], arrays["pixels/level"]),
            density=Density(arrays["density/log_snr"], arrays["density/share"]),
        )  # fmt: skip

    @property
    def trained(self) -> dict[str, Any]:
        """The settings that weights depend on; the others may change after training."""
        plain = TypeAdapter(Diffusion).dump_python(self, mode="json")
        return {name: value for name, value in plain.items() if name not in ("scoring", "sampler")}

    def _linear(
        self, x: Array, s: Tensor, x_valid: Array, s_valid: Tensor
    ) -> tuple[Pixels, LinearDenoiser]:
        """The pixels' map and the linear denoiser with the better bound on valid."""
        kinds: tuple[Kind, ...] = (
            ("standard", "gaussian") if self.pixels == "auto" else (self.pixels,)
        )
        found = []
        for kind in kinds:
            pixels = fit_pixels(x, kind)
            y = torch.from_numpy(pixels(x))
            linear = fit_linear(y, s, Basis(s.shape[1], self.degree))
            moments = linear.bands.moments(torch.from_numpy(pixels(x_valid)))
            nats = linear.nats(moments, s_valid).numpy() - pixels.log_jacobian(x_valid)
            found.append((float(nats.mean()), pixels, linear))
        return min(found, key=lambda entry: entry[0])[1:]

    def _model(self, linear: LinearDenoiser, shape: Sequence[int]) -> Model:
        channels = shape[0]
        if self.conditioning == "linear":
            return LinearModel(linear)
        film = self.conditioning == "film"
        network = UNet(
            channels=channels,
            outputs=channels if film else self.basis_fields * channels,
            dimensions=len(shape) - 1,
            conditions=linear.basis.dimensions if film else 0,
            width=self.network.width,
            multipliers=self.network.multipliers,
            blocks=self.network.blocks,
            attention_below=self.network.attention_below,
        )
        if self.network.compile:
            network.compile()
        if film:
            return Film(linear, network)
        return Factorised(linear, network, self.basis_fields, channels)


def _wrapping_fields(rows: Dataset, coarsen: int) -> Fields:
    """What the rows are, if they are fields that the model can take; else raises InputError."""
    if not isinstance(rows.data, Fields):
        raise InputError("of: given vectors; allowed for kind diffusion: a simulator of fields")
    geometry = rows.data.geometry
    if not geometry.periodic:
        raise InputError(
            "of: given fields whose sides do not meet; allowed for kind diffusion: periodic fields"
        )
    if any(side % coarsen for side in geometry.pixels):
        raise InputError(
            f"config.coarsen: given {coarsen}; allowed: what divides the sides {geometry.pixels}"
        )
    return rows.data


@dataclass(frozen=True, kw_only=True)
class DiffusionEmulator:
    """The fitted model.

    Attributes:
        density: The density of the levels of the bound.
        source: What the simulator's fields are, before they are coarsened.
        seed: The seed of the noise with which fields are scored.
    """

    prior: Prior
    settings: Diffusion
    pixels: Pixels
    model: Model
    density: Density
    source: Fields
    seed: int
    device: str

    @property
    def data(self) -> Fields:
        """What it draws."""
        return replace(self.source, geometry=self.source.geometry.coarser(self.settings.coarsen))

    @property
    def degree(self) -> int:
        """Of the polynomials that `surfaces` gives."""
        return self.model.linear.basis.squared.degree

    def surfaces(self, x: Array) -> Array:
        """Log-likelihoods of B fields of the simulator, up to a constant each.

        Args:
            x: Fields with shape (B, C, *space).

        Returns:
            Coefficients of polynomials in s = 2 F(theta) - 1 (`learning.chebyshev`), with shape
            (B, M); NaN for a field that is not finite, or too sharp for its polynomial.
        """
        if x.shape[1:] != self.source.shape:
            raise InputError(
                f"diffusion: given fields with shape {x.shape[1:]}; allowed: {self.source.shape}"
            )
        finite = np.isfinite(x).all(tuple(range(1, x.ndim)))
        coefficients = np.full((len(x), len(self.model.linear.basis.squared)), np.nan)
        if finite.any():
            settled = average(standard_position(x[finite]), self.settings.coarsen)
            coefficients[finite] = self.score(torch.from_numpy(self.pixels(settled))).coefficients
        sharp = unresolved(coefficients, self.model.linear.basis.squared)
        coefficients[sharp > self.settings.scoring.sharpest] = np.nan
        return coefficients

    def score(self, y: Tensor) -> Surfaces:
        """The surfaces of fields as the diffusion sees them, (B, C, *coarse space)."""
        scoring = self.settings.scoring
        return surfaces(
            self.model, y, self._levels, scoring.draws, self.seed, self.device,
            whole=scoring.terms == "all",
        )  # fmt: skip

    def _levels(self, draw: int) -> Levels:
        terms = self.settings.scoring.terms
        if terms == "all":
            linear = isinstance(self.model, LinearModel)
            count = 0 if linear else self.settings.scoring.levels
            return self.density.levels(count, stream(self.seed, "levels", draw))
        steps = SUBSETS[terms] if isinstance(terms, str) else terms
        schedule = self.settings.schedule
        chain = schedule if isinstance(schedule, Discrete) else Discrete()
        return chain.levels(steps)

    def draw(self, theta: Array, rng: Generator, *, same_noise: bool = False) -> Array:
        """Fields (N, C, *space) in the simulator's units, for theta (N, D)."""
        seed = int(rng.integers(2**62))
        generator = torch.Generator().manual_seed(seed)
        shape = self.data.shape
        noise = torch.randn(1 if same_noise else len(theta), *shape, generator=generator)
        noise = noise.expand(len(theta), *shape)
        s = scaled(self.prior, theta)
        parts = []
        for start in range(0, len(theta), CHUNK):
            rows = slice(start, start + CHUNK)
            generator = torch.Generator().manual_seed(seed + 1 + (0 if same_noise else start))
            part = self.settings.sampler.sample(
                self.model, noise[rows].to(self.device), s[rows].to(self.device),
                self.model.linear.drawing, generator, same_noise,
            )  # fmt: skip
            parts.append(part.cpu().numpy())
        return self.pixels.inverse(np.concatenate(parts))

    @property
    def weights(self) -> Weights:
        """All that `Diffusion.restore` needs."""
        linear = self.model.linear
        state = self.model.state_dict().items()
        arrays = {f"model/{name}": value.cpu().numpy() for name, value in state}
        arrays |= {f"pixels/{name}": value for name, value in self.pixels.arrays.items()}
        arrays |= {
            "linear/log_snr": linear.log_snr.numpy(),
            "linear/coefficients": linear.coefficients.numpy(),
            "density/log_snr": self.density.log_snr,
            "density/share": self.density.share,
        }
        source = TypeAdapter(Fields).dump_python(self.source, mode="json")
        meta = {"config": self.settings.trained, "source": source, "seed": self.seed}
        return Weights(arrays=arrays, meta=meta)


__all__ = ["Diffusion", "DiffusionEmulator"]
