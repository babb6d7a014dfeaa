r"""A conditional diffusion model of fields, which draws them and scores them.

A network learns to tell noise from fields given parameters (Mudur, Cuesta-Lazaro & Finkbeiner
2023). Run backwards it draws fields; its variational bound on -log p(x | theta) scores them,

    log p(x | theta)  ~  -bound(x, theta),

as one polynomial in theta for each field. Pixels are first made nearly Gaussian
(`learning.pixels`), the best linear denoiser is found in closed form (`linear`), and the network
learns the rest. Every field is scored in a standard position (`physics.position`), so that shifts,
reflections and right-angle rotations change nothing. `docs/diffusion.md` is the guide.

An entry may be `of` another diffusion entry, whose fields are coarser: then its network begins with
the weights of that one (the progressive start of Mudur et al. 2023). With `student:` it is a
student of that one, on the same grid, which draws in 1, 2 or 4 passes (`student`) and scores as its
teacher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from pydantic import TypeAdapter
from torch import Tensor

from sbipipe.emulators.diffusion.emulator import DiffusionEmulator
from sbipipe.emulators.diffusion.factorised import Factorised
from sbipipe.emulators.diffusion.film import Film
from sbipipe.emulators.diffusion.learning import learn, spectral_score
from sbipipe.emulators.diffusion.linear import LinearDenoiser, LinearModel, Model, fit_linear
from sbipipe.emulators.diffusion.network import UNet
from sbipipe.emulators.diffusion.paths import follow
from sbipipe.emulators.diffusion.refinement import refine
from sbipipe.emulators.diffusion.schedule import Density
from sbipipe.emulators.diffusion.settings import Settings
from sbipipe.emulators.diffusion.settings import Student as Asked
from sbipipe.emulators.diffusion.student import Student, amplify
from sbipipe.emulators.diffusion.student import learn as learn_paths
from sbipipe.emulators.diffusion.surface import informative
from sbipipe.interfaces import Array, Dataset, Fields, History, Run, Weights
from sbipipe.learning.chebyshev import Basis, scaled
from sbipipe.learning.members import load_named
from sbipipe.learning.pixels import Pixels, best_pixels
from sbipipe.learning.scoring import coarsened, fields_of
from sbipipe.physics.bands import bands_of
from sbipipe.protocols import Emulator, Prior
from sbipipe.records import InputError, plugin
from sbipipe.seeds import number, torch_scope
from sbipipe.storage import check_same

ALIKE = ("conditioning", "degree", "fields", "network")
"""Settings that are those of the entry that another is `of`."""

ANOTHER_KIND = "of: given an emulator of another kind; allowed: kind diffusion"
NO_TEACHER = (
    "config.student: given a student without a teacher; allowed: an entry that is of another of "
    "kind diffusion"
)

TRIAL_FIELDS, TRIAL_LEVELS = 64, 32
"""With which the levels of the bound are placed."""


@plugin
class Diffusion(Settings):
    """A diffusion model of fields: its settings, and how it is fitted."""

    scores: ClassVar[bool] = True

    moved: ClassVar[dict[str, str]] = {
        "start": "an emulator of coarser fields of its own, which this one is `of`",
        "bound": "an estimator of kind surface, `of` the emulator that scores",
        "temper": "an entry of recalibrate: of kind tempered",
        "terms": "scoring.terms",
        "levels": "scoring.levels",
        "draws": "scoring.draws",
    }

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
            InputError: For vectors, or sides that do not halve often enough.
        """
        problems = self.obstacles(None)
        if problems:
            raise InputError(*problems)
        return self._fit(train, valid, prior, run, None)

    def go_on(
        self, begun: Emulator, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Emulator, History]:
        """The same, with the network of a model of coarser fields to begin with; or a student of
        `begun`, which learns its fields.

        Raises:
            InputError: Also where `begun` is no diffusion model with an equal network, or, of a
                student, is on another grid or a student itself.
        """
        if not isinstance(begun, DiffusionEmulator):
            raise InputError(ANOTHER_KIND)
        problems = self.obstacles(begun.settings)
        if problems:
            raise InputError(*problems)
        if self.student:
            return self._taught(self.student, begun, train, prior, run)
        return self._fit(train, valid, prior, run, begun.model)

    def obstacles(self, begun: object | None) -> list[str]:
        """Why it cannot begin with an emulator of this kind, or with none."""
        if begun is None:
            return [NO_TEACHER] if self.student else []
        if not isinstance(begun, Settings):
            return [ANOTHER_KIND]
        problems = [
            f"config.{name}: given {getattr(self, name)!r}; allowed: that of the emulator it is "
            f"of, {getattr(begun, name)!r}"
            for name in (*ALIKE, *(("coarsen", "pixels") if self.student else ()))
            if getattr(self, name) != getattr(begun, name)
        ]
        if self.student and begun.student:
            problems.append("of: given a student; allowed for a student: an entry that is none")
        return problems

    def _fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run, begun: Model | None
    ) -> tuple[Emulator, History]:
        source = fields_of(train, self.coarsen, "diffusion")
        periodic = source.geometry.periodic
        x, x_valid = (coarsened(rows.x, self.coarsen, periodic=periodic) for rows in (train, valid))
        s, s_valid = (scaled(prior.to_unit(rows.theta)) for rows in (train, valid))
        pixels, linear = self._linear(x, s, x_valid, s_valid, periodic=periodic)
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

    def _taught(
        self, asked: Asked, teacher: DiffusionEmulator, train: Dataset, prior: Prior, run: Run
    ) -> tuple[Emulator, History]:
        """The teacher with a student that draws in its place."""
        model, shape = teacher.model, teacher.data.shape
        with torch_scope(number(run.seed, "student", "weights")):
            student = self._student(model.linear, shape, asked.steps)
        ways = follow(model, shape, asked.steps, asked.paths, asked.passes, run)
        history = learn_paths(
            student, ways.levels, ways.w, ways.s, self.optimisation, run, "student"
        )
        x = coarsened(train.x, self.coarsen, periodic=teacher.source.geometry.periodic)
        s = scaled(prior.to_unit(train.theta))
        true, y = torch.from_numpy(x), torch.from_numpy(teacher.pixels(x))
        amplify(
            student, true, y, s, lambda w: torch.from_numpy(teacher.pixels.inverse(w.numpy())), run
        )
        return replace(teacher, settings=self, student=student), history

    def restore(self, weights: Weights, prior: Prior, *, device: str = "cpu") -> Emulator:
        """The emulator that gave these weights, on this device."""
        check_same(weights, self.trained)
        arrays = weights.arrays
        source = TypeAdapter(Fields).validate_python(weights.meta["source"])
        grid = source.geometry.coarser(self.coarsen)
        shape = replace(source, geometry=grid).shape
        linear = LinearDenoiser(
            bands=bands_of(shape, periodic=grid.periodic),
            basis=Basis(len(prior.names), self.degree),
            log_snr=torch.from_numpy(arrays["linear/log_snr"]),
            coefficients=torch.from_numpy(arrays["linear/coefficients"]),
        )
        model = self._model(linear, shape)
        load_named(model, arrays, "model/")
        student = None
        if self.student:
            student = self._student(linear, shape, self.student.steps)
            load_named(student, arrays, "student/")
            student = student.to(device).eval()
        return DiffusionEmulator(
            prior=prior, settings=self, model=model.to(device).eval(), source=source,
            seed=weights.meta["seed"], device=device,
            pixels=Pixels(arrays["pixels/value"], arrays["pixels/level"]),
            density=Density(arrays["density/log_snr"], arrays["density/share"]), student=student,
        )  # fmt: skip

    def _linear(
        self, x: Array, s: Tensor, x_valid: Array, s_valid: Tensor, *, periodic: bool
    ) -> tuple[Pixels, LinearDenoiser]:
        """The pixels' map and the linear denoiser with the better bound on valid."""

        def fit(pixels: Pixels) -> tuple[float, LinearDenoiser]:
            y = torch.from_numpy(pixels(x))
            linear = fit_linear(y, s, Basis(s.shape[1], self.degree), periodic=periodic)
            moments = linear.bands.moments(torch.from_numpy(pixels(x_valid)))
            nats = linear.nats(moments, s_valid).numpy() - pixels.log_jacobian(x_valid)
            return float(nats.mean()), linear

        return best_pixels(x, self.pixels, fit)

    def _model(self, linear: LinearDenoiser, shape: Sequence[int]) -> Model:
        channels = shape[0]
        if self.conditioning == "linear":
            return LinearModel(linear)
        film = self.conditioning == "film"
        outputs = channels if film else self.basis_fields * channels
        network = self._network(linear, shape, outputs, linear.basis.dimensions if film else 0)
        if film:
            return Film(linear, network)
        return Factorised(linear, network, self.basis_fields, channels)

    def _student(self, linear: LinearDenoiser, shape: Sequence[int], steps: int) -> Student:
        network = self._network(linear, shape, shape[0], linear.basis.dimensions)
        return Student(linear, network, shape[0], steps)

    def _network(
        self, linear: LinearDenoiser, shape: Sequence[int], outputs: int, conditions: int
    ) -> UNet:
        network = UNet(
            channels=shape[0],
            outputs=outputs,
            dimensions=len(shape) - 1,
            conditions=conditions,
            width=self.network.width,
            multipliers=self.network.multipliers,
            blocks=self.network.blocks,
            attention_below=self.network.attention_below,
            periodic=linear.bands.periodic,
        )
        if self.network.compile:
            network.compile()
        return network


__all__ = ["Diffusion"]
