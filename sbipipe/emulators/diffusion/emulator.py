"""The fitted model, which draws fields and scores them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from sbipipe.emulators.diffusion.linear import LinearModel, Model
from sbipipe.emulators.diffusion.schedule import SUBSETS, Density, Discrete, Levels
from sbipipe.emulators.diffusion.settings import Settings
from sbipipe.emulators.diffusion.surface import CHUNK, Surfaces, field_names, surfaces
from sbipipe.interfaces import Array, Fields, Generator, Scored, Weights
from sbipipe.learning.chebyshev import scaled
from sbipipe.learning.members import named_arrays
from sbipipe.learning.pixels import Pixels
from sbipipe.learning.scoring import score_fields
from sbipipe.physics.fields import average
from sbipipe.protocols import Prior
from sbipipe.seeds import stream

POINTS = 1024
"""Parameters at which the Monte Carlo error of a surface is measured."""


@dataclass(frozen=True, kw_only=True)
class DiffusionEmulator:
    """The fitted model.

    Attributes:
        density: The density of the levels of the bound.
        source: What the simulator's fields are, before they are coarsened.
        seed: The seed of the noise with which fields are scored.
        student: What draws in the place of the model (`student.Student`); None where it draws
            itself.
    """

    prior: Prior
    settings: Settings
    pixels: Pixels
    model: Model
    density: Density
    source: Fields
    seed: int
    device: str
    student: nn.Module | None = None

    @property
    def data(self) -> Fields:
        """What it draws."""
        return replace(self.source, geometry=self.source.geometry.coarser(self.settings.coarsen))

    @property
    def degree(self) -> int:
        """Of the polynomials that `surfaces` gives."""
        return self.model.linear.basis.squared.degree

    def surfaces(self, x: Array) -> Array:
        """The coefficients that `scored` gives."""
        return self.scored(x).coefficients

    def scored(self, x: Array) -> Scored:
        """Log-likelihoods of B fields of the simulator, up to a constant each.

        Args:
            x: Fields with shape (B, C, *space).

        Returns:
            Polynomials in s = 2 F(theta) - 1 (`learning.chebyshev`); NaN for a field that is not
            finite, or too sharp for its polynomial.
        """
        basis, sharpest = self.model.linear.basis.squared, self.settings.scoring.sharpest
        return score_fields(x, self.source, basis, sharpest, "diffusion", self._scored)

    def _scored(self, settled: Array) -> Scored:
        """Of fields in their standard position, with as many draws of noise as each needs."""
        y = torch.from_numpy(self.pixels(average(settled, self.settings.coarsen)))
        names, scoring = field_names(settled), self.settings.scoring
        points = stream(self.seed, "error").uniform(-1, 1, (POINTS, len(self.prior.names)))
        s, which, count = torch.from_numpy(points), np.arange(len(y)), scoring.draws
        found = self.score(y, range(count), names)
        result = Scored(
            coefficients=found.coefficients, error=found.error(s), draws=np.full(len(y), count)
        )
        while (again := result.error[which] > scoring.error).any() and count < scoring.most:
            which, more = which[again], range(count, min(2 * count, scoring.most))
            names = [name for name, more_draws in zip(names, again, strict=True) if more_draws]
            found = found.of(again).joined(self.score(y[which], more, names))
            count = more.stop
            result.coefficients[which], result.error[which] = found.coefficients, found.error(s)
            result.draws[which] = count
        return result

    def score(self, y: Tensor, draws: Iterable[int], names: Sequence[str]) -> Surfaces:
        """The surfaces of fields as the diffusion sees them, (B, C, *coarse space), from draws of
        these numbers."""
        whole = self.settings.scoring.terms == "all"
        return surfaces(self.model, y, self._levels, draws, names, self.seed, self.device, whole)

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
        s = scaled(self.prior.to_unit(theta))
        parts = []
        for start in range(0, len(theta), CHUNK):
            rows = slice(start, start + CHUNK)
            generator = torch.Generator().manual_seed(seed + 1 + (0 if same_noise else start))
            part = self._sample(
                noise[rows].to(self.device), s[rows].to(self.device), generator, same_noise
            )
            parts.append(part.cpu().numpy())
        return self.pixels.inverse(np.concatenate(parts))

    def _sample(self, noise: Tensor, s: Tensor, generator: torch.Generator, shared: bool) -> Tensor:
        """Fields as the network sees them, of this noise."""
        if self.student is not None:
            fields: Tensor = self.student(noise, s)
            return fields
        drawing = self.model.linear.drawing
        return self.settings.sampler.sample(self.model, noise, s, drawing, generator, shared)

    @property
    def weights(self) -> Weights:
        """All that `Diffusion.restore` needs."""
        linear = self.model.linear
        arrays = named_arrays(self.model, "model/")
        arrays |= {f"pixels/{name}": value for name, value in self.pixels.arrays.items()}
        arrays |= {
            "linear/log_snr": linear.log_snr.numpy(),
            "linear/coefficients": linear.coefficients.numpy(),
            "density/log_snr": self.density.log_snr,
            "density/share": self.density.share,
        }
        if self.student is not None:
            arrays |= named_arrays(self.student, "student/")
        source = TypeAdapter(Fields).dump_python(self.source, mode="json")
        meta = {"config": self.settings.trained, "source": source, "seed": self.seed}
        return Weights(arrays=arrays, meta=meta)


__all__ = ["DiffusionEmulator"]
