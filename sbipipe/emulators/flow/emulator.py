"""The fitted flow, which draws fields and scores them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import torch
from pydantic import TypeAdapter

from sbipipe.emulators.flow.model import Model
from sbipipe.emulators.flow.settings import Settings
from sbipipe.interfaces import Array, Fields, Generator, Scored, Weights
from sbipipe.learning.chebyshev import Basis, from_values, scaled
from sbipipe.learning.members import named_arrays
from sbipipe.learning.pixels import Pixels
from sbipipe.learning.scoring import CHUNK, score_fields
from sbipipe.physics.fields import average
from sbipipe.protocols import Prior


@dataclass(frozen=True, kw_only=True)
class FlowEmulator:
    """The fitted flow.

    Attributes:
        source: What the simulator's fields are, before they are coarsened.
    """

    prior: Prior
    settings: Settings
    pixels: Pixels
    model: Model
    source: Fields
    device: str

    @property
    def data(self) -> Fields:
        """What it draws."""
        return replace(self.source, geometry=self.source.geometry.coarser(self.settings.coarsen))

    @property
    def degree(self) -> int:
        """Of the polynomials that `surfaces` gives."""
        return self.settings.surface_degree

    def surfaces(self, x: Array) -> Array:
        """The coefficients that `scored` gives."""
        return self.scored(x).coefficients

    def scored(self, x: Array) -> Scored:
        """Log-likelihoods of B fields of the simulator, up to a constant each, without Monte Carlo
        error.

        Args:
            x: Fields with shape (B, C, *space).

        Returns:
            Polynomials in s = 2 F(theta) - 1 (`learning.chebyshev`); NaN for a field that is not
            finite, or too sharp for its polynomial.
        """
        sharpest = self.settings.sharpest
        return score_fields(x, self.source, self._basis, sharpest, "flow", self._scored)

    def _scored(self, settled: Array) -> Scored:
        """Of fields in their standard position: the polynomials through the log-likelihood at
        Chebyshev's nodes, mean over the images."""
        points, onto = from_values(self._basis)
        y = torch.from_numpy(self.pixels(average(settled, self.settings.coarsen)))
        images = [torch.roll(y, shift, self._axes) for shift in self._shifts]
        values = torch.stack([self.model.log_prob(image, points) for image in images]).mean(0)
        return Scored(
            coefficients=(values @ onto.T).numpy(),
            error=np.zeros(len(y)),
            draws=np.zeros(len(y), np.int64),
        )

    @property
    def _basis(self) -> Basis:
        return Basis(len(self.prior.names), self.degree)

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(2, 2 + self.source.geometry.dimensions))

    @property
    def _shifts(self) -> list[tuple[int, ...]]:
        """Of the images of a field; the whitening alone has no need of any, and a field that does
        not wrap around has no others."""
        needed = self.settings.couplings and self.source.geometry.periodic
        each = range(self.settings.shifts if needed else 1)
        return list(itertools.product(each, repeat=len(self._axes)))

    def log_prob(self, theta: Array, x: Array) -> Array:
        """log p(x | theta) in nats, normalised, for fields such as it draws, in the position that
        they are given in.

        Args:
            theta: With shape (N, D).
            x: With shape (N, C, *space), in the simulator's units.

        Returns:
            (N,).
        """
        y = torch.from_numpy(self.pixels(x))
        s = scaled(self.prior.to_unit(theta))
        values: Array = self.model.log_prob_each(y, s).numpy()
        return values + self.pixels.log_jacobian(x)

    def draw(self, theta: Array, rng: Generator, *, same_noise: bool = False) -> Array:
        """Fields (N, C, *space) in the simulator's units, for theta (N, D)."""
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        noise = torch.randn(1 if same_noise else len(theta), *self.data.shape, generator=generator)
        noise = noise.expand(len(theta), *self.data.shape)
        s = scaled(self.prior.to_unit(theta))
        parts = []
        for start in range(0, len(theta), CHUNK):
            rows = slice(start, start + CHUNK)
            with torch.no_grad():
                part = self.model.inverse(noise[rows].to(self.device), s[rows].to(self.device))
            parts.append(part.cpu().numpy())
        return self.pixels.inverse(np.concatenate(parts))

    @property
    def weights(self) -> Weights:
        """All that `Flow.restore` needs."""
        arrays = {f"pixels/{name}": value for name, value in self.pixels.arrays.items()}
        arrays |= {
            "whitening/log_power": self.model.whitening.log_power.numpy(),
            "whitening/pull": self.model.whitening.pull.numpy(),
        }
        arrays |= named_arrays(self.model, "model/")
        source = TypeAdapter(Fields).dump_python(self.source, mode="json")
        return Weights(arrays=arrays, meta={"config": self.settings.trained, "source": source})


__all__ = ["FlowEmulator"]
