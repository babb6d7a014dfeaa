r"""The likelihood bound of a diffusion model of the fields themselves.

A conditional diffusion model learns fields given parameters; its variational bound on -log p(x |
theta) stands in for the likelihood (Mudur, Cuesta-Lazaro & Finkbeiner 2023),

    log p(theta | x) = -bound(x, theta) + log p(theta) - log Z(x),

and `sbipipe.sampling` normalises it. The pieces are in `sbipipe.diffusion`: pixels are made nearly
Gaussian, the best linear denoiser is found in closed form, and a network learns the rest. Every
field is scored in a standard position, so that shifts, reflections and right-angle rotations change
nothing. The same model draws fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from pydantic import Field, TypeAdapter
from torch import Tensor

from sbipipe.config import Count, Positive, plugin
from sbipipe.diffusion.bands import bands_of
from sbipipe.diffusion.chebyshev import Basis, scaled
from sbipipe.diffusion.factorised import Factorised
from sbipipe.diffusion.film import Film
from sbipipe.diffusion.learning import learn, spectral_score
from sbipipe.diffusion.linear import LinearDenoiser, LinearModel, Model, fit_linear
from sbipipe.diffusion.network import UNet
from sbipipe.diffusion.pixels import Kind, Pixels, fit_pixels
from sbipipe.diffusion.position import standard_position
from sbipipe.diffusion.refinement import refine
from sbipipe.diffusion.sampler import Sampler
from sbipipe.diffusion.schedule import (
    SUBSETS,
    Density,
    Discrete,
    Learned,
    Levels,
    Schedule,
    Terms,
)
from sbipipe.diffusion.surface import CHUNK, Surfaces, informative, surfaces
from sbipipe.diffusion.tempering import coverage, likelihoods, strength
from sbipipe.interfaces import (
    Array,
    Conditioned,
    Dataset,
    Generator,
    History,
    InputError,
    LogLikelihood,
    Posterior,
    Prior,
    Run,
    Weights,
)
from sbipipe.learning.training import Optimisation, merge
from sbipipe.sampling.condition import condition
from sbipipe.seeds import number, stream, torch_scope
from sbipipe.storage import check_same

TRIAL_FIELDS, TRIAL_LEVELS = 64, 32
"""With which the levels of the bound are placed."""

TEMPER_FIELDS = 600
"""Of `calibrate`, at most, for the strength."""

START = "diffusion start"
"""The learning curve on coarser fields."""

FINE = "fine/"
"""Begins the names of the weights of the model that draws, where another one scores."""


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
class Start:
    """Coarser fields on which the network begins (the progressive start of Mudur et al. 2023).

    Attributes:
        coarsen: Pixels along each axis that are averaged to one.
        optimisation: Of the network there.
    """

    coarsen: Annotated[int, Field(ge=2)] = 2
    optimisation: Optimisation = Field(default_factory=lambda: _optimisation())


def _optimisation() -> Optimisation:
    return Optimisation(epochs=20, patience=20, batch=64, learning_rate=2e-3, ema=0.995)


@plugin
class Diffusion:
    """A diffusion model, and its bound as a likelihood.

    Attributes:
        conditioning: "factorised" scores a field at every theta with one pass per level; "film"
            takes a pass for every theta; "linear" has no network.
        pixels: "gaussian" sends pixel values to normal quantiles, "standard" shifts and scales
            them; "auto" takes what gives the better linear bound on `valid`.
        degree: Of the polynomials in theta that make the coefficients.
        fields: Basis fields of the network, for "factorised".
        network: Its size.
        schedule: Levels that the network is trained on.
        start: Coarser fields on which it begins; null for none.
        bound: Whose bound is the likelihood: that of the model of "fields", or that of the model of
            coarser ones it has its "start" from, to which alone `refine` and `temper` apply then.
            The posterior is that of the coarser field, and a short training suffices.
        optimisation: Of the network.
        choose: The checkpoint that is kept: the one whose drawn fields have the best "score"
            (`diffusion.learning`), or the one with the least "loss". A model that draws no fields,
            or has too few true ones at one theta, has no score.
        refine: Levels of each training field in the least squares for the coefficients; 0 keeps
            those of gradient descent.
        coarsen: Pixels along each axis that are averaged to one before anything else. The posterior
            is that of the coarse field: less is known, and far less has to be learned. A coarse
            model draws no fields.
        temper: Whether the bound is raised to the power that `calibrate` asks for
            (`diffusion.tempering`); an entry that does should say so in its name.
        terms: Of the bound: "all", "first_20", "l0", or a list of steps of the discrete chain.
        levels: Noise levels of one draw, for "all".
        draws: Of noise, for each field.
        sampler: How fields are drawn.
    """

    conditioning: Literal["factorised", "film", "linear"] = "factorised"
    pixels: Literal["auto", "gaussian", "standard"] = "auto"
    degree: Positive = 4
    fields: Positive = 8
    network: Network = Field(default_factory=Network)
    schedule: Schedule = Field(default_factory=Learned)
    start: Start | None = None
    bound: Literal["fields", "start"] = "fields"
    optimisation: Optimisation = Field(default_factory=_optimisation)
    choose: Literal["score", "loss"] = "score"
    refine: Count = 4
    coarsen: Positive = 1
    temper: bool = False
    terms: Terms = "all"
    levels: Positive = 64
    draws: Annotated[int, Field(ge=2)] = 2
    sampler: Sampler = Field(default_factory=Sampler)

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Learn from `train`, choose on `valid`.

        Raises:
            InputError: For vectors, or fields whose sides do not halve often enough.
        """
        _require_fields(train.x, self.coarsen * (self.start.coarsen if self.start else 1))
        if not self.start and self.bound == "fields":
            return self._learn(train, valid, prior, run, "diffusion")
        coarser, finer = self._grids
        scores = self.bound == "fields"
        begun, before = coarser._learn(train, valid, prior, run, START, scores=not scores)
        fine, after = finer._learn(
            train, valid, prior, run, "diffusion", scores=scores, begun=begun.model
        )
        if run.checkpoint:
            (run.checkpoint / f"{START}.safetensors").unlink(missing_ok=True)
        history = merge([before, after], **{**before.notes, **after.notes})
        if scores:
            return replace(fine, settings=self), history
        return _TwoGrids(**vars(begun), entry=self, fine=fine), history

    @property
    def _grids(self) -> tuple[Diffusion, Diffusion]:
        """The estimator on the coarser grid that `start` names, and on its own.

        Raises:
            InputError: If there is no `start`, or nothing that the finer model would be for.
        """
        if self.start is None:
            raise InputError("config.bound: given start, without config.start; allowed: fields")
        if self.bound == "start" and self.coarsen > 1:
            raise InputError(
                f"config.coarsen: given {self.coarsen}; allowed with config.bound start: 1"
            )
        finer = replace(self, bound="fields", start=None)
        coarser = replace(
            finer, coarsen=self.coarsen * self.start.coarsen, optimisation=self.start.optimisation
        )
        return coarser, finer

    def _learn(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run, label: str, *,
        scores: bool = True, begun: Model | None = None,
    ) -> tuple[_BoundPosterior, History]:  # fmt: skip
        """`fit` on one grid.

        Args:
            scores: Whether its bound is asked for.
            begun: The model of a coarser grid, with whose network it begins.
        """
        shape = train.x.shape[1:]
        if self.coarsen > 1:
            train, valid = (
                replace(rows, x=_average(standard_position(rows.x), self.coarsen))
                for rows in (train, valid)
            )
        s, s_valid = (scaled(prior, rows.theta) for rows in (train, valid))
        pixels, linear = self._linear(train.x, s, valid.x, s_valid)
        y, y_valid = (torch.from_numpy(pixels(rows.x)) for rows in (train, valid))
        unexplained = linear.unexplained(linear.bands.moments(y_valid), s_valid)
        density = self.schedule.density(linear.log_snr.numpy(), unexplained.numpy())
        with torch_scope(number(run.seed, label, "weights")):
            model = self._model(linear, train.x.shape[1:])
        if begun:
            model.begin_from(begun)
        history = History()
        if not isinstance(model, LinearModel):
            rows = y, linear.basis(s).float()
            held_out = y_valid, linear.basis(s_valid).float()
            score = None
            if self.choose == "score" and self.coarsen == 1:
                seen = replace(valid, x=y_valid.numpy())
                score = spectral_score(model, seen, prior, self.sampler, run)
            history = learn(
                model, density, rows, held_out, self.optimisation, run, label, score, label == START
            )
            if isinstance(model, Factorised):
                levels = self.refine if scores else 0
                notes = refine(model, rows, held_out, density, levels, run)
                history = replace(history, notes=notes)
                if scores:
                    density = informative(
                        model, y_valid[:TRIAL_FIELDS], density, TRIAL_LEVELS, run.seed, run.device
                    )
        posterior = self._posterior(
            prior=prior, settings=self, pixels=pixels, model=model, density=density,
            shape=shape, seed=run.seed, device=run.device, strength=1.0,
        )  # fmt: skip
        return posterior, history

    def recalibrate(
        self, posterior: Posterior, calibrate: Dataset
    ) -> tuple[Posterior, Mapping[str, Any]]:
        """The posterior with the strength that some rows of `calibrate` ask for."""
        assert isinstance(posterior, _BoundPosterior)
        some = np.linspace(0, len(calibrate) - 1, min(TEMPER_FIELDS, len(calibrate)))
        return posterior.tempered(calibrate.rows(some.round().astype(int)))

    def restore(
        self, weights: Weights, prior: Prior, log_likelihood: LogLikelihood | None = None
    ) -> Posterior:
        """The posterior that gave these weights."""
        check_same(weights, self.trained)
        shape, seed = tuple(weights.meta["shape"]), int(weights.meta["seed"])
        if self.bound == "fields":
            return self._restore(weights.arrays, shape, seed, prior)
        arrays = dict(weights.arrays)
        of_fine = {
            name.removeprefix(FINE): arrays.pop(name)
            for name in list(arrays)
            if name.startswith(FINE)
        }
        coarser, finer = self._grids
        coarse, fine = (
            one._restore(part, shape, seed, prior)
            for one, part in ((coarser, arrays), (finer, of_fine))
        )
        return _TwoGrids(**vars(coarse), entry=self, fine=fine)

    def _restore(
        self, arrays: Mapping[str, Array], shape: tuple[int, ...], seed: int, prior: Prior
    ) -> _BoundPosterior:
        """The posterior on one grid."""
        bands_shape = (shape[0], *(side // self.coarsen for side in shape[1:]))
        linear = LinearDenoiser(
            bands=bands_of(bands_shape),
            basis=Basis(len(prior.names), self.degree),
            log_snr=torch.from_numpy(arrays["linear/log_snr"]),
            coefficients=torch.from_numpy(arrays["linear/coefficients"]),
        )
        model = self._model(linear, bands_shape)
        state = {
            name.removeprefix("model/"): torch.tensor(value)
            for name, value in arrays.items()
            if name.startswith("model/")
        }
        model.load_state_dict(state)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = model.to(device).eval()
        return self._posterior(
            prior=prior, settings=self, model=model, shape=shape, seed=seed,
            strength=float(arrays["strength"][0]), device=device,
            pixels=Pixels(arrays["pixels/value"], arrays["pixels/level"]),
            density=Density(arrays["density/log_snr"], arrays["density/share"]),
        )  # fmt: skip

    @property
    def _posterior(self) -> type[_BoundPosterior]:
        return _BoundPosterior if self.coarsen > 1 else _DiffusionPosterior

    @property
    def trained(self) -> dict[str, Any]:
        """The settings that weights depend on; the others may change after training."""
        free = {"terms", "levels", "draws", "sampler"}
        plain = TypeAdapter(Diffusion).dump_python(self, mode="json")
        return {name: value for name, value in plain.items() if name not in free}

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
            outputs=channels if film else self.fields * channels,
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
        return Factorised(linear, network, self.fields, channels)


def _require_fields(x: Array, coarsen: int) -> None:
    if not 3 <= x.ndim <= 5:
        raise InputError(
            f"diffusion: given data with shape (N, {', '.join(map(str, x.shape[1:]))}); allowed: "
            "fields (N, C, *space) in one to three dimensions. Give `of:` a simulator"
        )
    if any(side % coarsen for side in x.shape[2:]):
        raise InputError(
            f"config.coarsen: given {coarsen}; allowed: what divides the sides {x.shape[2:]}"
        )


def _average(x: Array, pixels: int) -> Array:
    """Fields with so many pixels along each axis averaged to one."""
    for axis in range(2, x.ndim):
        split = (*x.shape[:axis], -1, pixels, *x.shape[axis + 1 :])
        x = x.reshape(split).mean(axis + 1)
    return x


@dataclass(frozen=True, kw_only=True)
class _BoundPosterior:
    """The fitted model.

    Attributes:
        density: Of the levels of the bound.
        shape: Of a field, (C, *space), before it is coarsened.
        seed: Of the noise with which fields are scored.
        strength: The power to which the bound is raised.
    """

    prior: Prior
    settings: Diffusion
    pixels: Pixels
    model: Model
    density: Density
    shape: tuple[int, ...]
    seed: int
    strength: float
    device: str

    def surfaces(self, x: Array) -> Surfaces:
        """Minus the bounds of B finite fields, as polynomials in s = 2 F(theta) - 1."""
        if x.shape[1:] != self.shape:
            raise InputError(
                f"diffusion: given fields with shape {x.shape[1:]}; allowed: {self.shape}"
            )
        settled = _average(standard_position(x), self.settings.coarsen)
        return self.score(torch.from_numpy(self.pixels(settled)))

    def score(self, y: Tensor) -> Surfaces:
        """The surfaces of fields as the diffusion sees them, (B, C, *coarse space)."""
        terms = self.settings.terms
        return surfaces(
            self.model,
            y,
            self._levels,
            self.settings.draws,
            self.seed,
            self.device,
            whole=terms == "all",
        )

    def tempered(self, rows: Dataset) -> tuple[Self, dict[str, float]]:
        """The posterior with the strength that is best for these rows, and what that mends."""
        found = self.surfaces(rows.x).coefficients
        known = likelihoods(found, self.model.linear.basis.squared, scaled(self.prior, rows.theta))
        power = strength(*known)
        notes = {
            "strength": power,
            "share_in_68_%_regions_without_it": coverage(*known, 1.0, 0.68),
            "share_with_it": coverage(*known, power, 0.68),
        }
        return replace(self, strength=power), notes

    def _levels(self, draw: int) -> Levels:
        terms = self.settings.terms
        if terms == "all":
            count = 0 if isinstance(self.model, LinearModel) else self.settings.levels
            return self.density.levels(count, stream(self.seed, "levels", draw))
        steps = SUBSETS[terms] if isinstance(terms, str) else terms
        schedule = self.settings.schedule
        chain = schedule if isinstance(schedule, Discrete) else Discrete()
        return chain.levels(steps)

    def at(self, x: Array) -> Conditioned:
        """The posterior of each of B fields, with shape (B, C, *space)."""
        finite = np.isfinite(x).all(tuple(range(1, x.ndim)))
        basis = self.model.linear.basis.squared
        coefficients = np.full((len(x), len(basis)), np.nan)
        coefficients[finite] = self.strength * self.surfaces(x[finite]).coefficients
        return condition(self._value, self.prior, coefficients)

    def _value(self, theta: Array, coefficients: Array) -> Array:
        """Polynomials at theta, (n, B, D) and (B, M') -> (n, B)."""
        terms = self.model.linear.basis.squared(scaled(self.prior, theta)).numpy()
        return np.asarray(np.einsum("nbm,bm->nb", terms, coefficients))

    @property
    def weights(self) -> Weights:
        linear = self.model.linear
        arrays = {f"model/{name}": value.cpu().numpy() for name, value in
                  self.model.state_dict().items()}  # fmt: skip
        arrays |= {f"pixels/{name}": value for name, value in self.pixels.arrays.items()}
        arrays |= {
            "linear/log_snr": linear.log_snr.numpy(),
            "linear/coefficients": linear.coefficients.numpy(),
            "density/log_snr": self.density.log_snr,
            "density/share": self.density.share,
            "strength": np.array([self.strength]),
        }
        meta = {"config": self.settings.trained, "shape": list(self.shape), "seed": self.seed}
        return Weights(arrays=arrays, meta=meta)


@dataclass(frozen=True, kw_only=True)
class _DiffusionPosterior(_BoundPosterior):
    """A model of whole fields, which it can draw."""

    def emulate(self, theta: Array, rng: Generator, *, same_noise: bool = False) -> Array:
        """Fields (N, C, *space) in the simulator's units, for theta (N, D)."""
        seed = int(rng.integers(2**62))
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(1 if same_noise else len(theta), *self.shape, generator=generator)
        noise = noise.expand(len(theta), *self.shape)
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


@dataclass(frozen=True, kw_only=True)
class _TwoGrids(_BoundPosterior):
    """A model of coarser fields, which scores, and the one of whole fields that began from it,
    which draws."""

    entry: Diffusion
    fine: _BoundPosterior

    def emulate(self, theta: Array, rng: Generator, *, same_noise: bool = False) -> Array:
        """Fields (N, C, *space) in the simulator's units, for theta (N, D)."""
        assert isinstance(self.fine, _DiffusionPosterior)
        return self.fine.emulate(theta, rng, same_noise=same_noise)

    @property
    def weights(self) -> Weights:
        own, of_fine = super().weights, self.fine.weights
        arrays = {f"{FINE}{name}": value for name, value in of_fine.arrays.items()}
        meta = {**own.meta, "config": self.entry.trained}
        return Weights(arrays={**own.arrays, **arrays}, meta=meta)


__all__ = ["Diffusion"]
