"""A generator that remembers: it hands out the fields that it was fitted to.

No model, but the positive control of a judge who asks whether an emulator has made something new
(`emulation.remembered`): every statistic of its fields is right, and none of them is new. For theta
it takes one of the kept fields whose parameters are nearest, moves it at random, and adds a little
noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field, TypeAdapter

from sbipipe.evenly import evenly
from sbipipe.interfaces import Array, Dataset, Fields, Generator, History, Run, Weights
from sbipipe.learning.networks import random_symmetry
from sbipipe.protocols import Emulator, Prior
from sbipipe.records import InputError, Positive, plugin
from sbipipe.seeds import torch_scope
from sbipipe.storage import check_same


@plugin
class Replay:
    """Fields that are handed out again.

    Attributes:
        fields: The number of fields that are kept, spread evenly over the training rows.
        nearest: The number of fields, those of the nearest parameters, of which one is drawn.
        noise: The standard deviation of the noise, in that of the field.
    """

    fields: Positive = 1_000
    nearest: Positive = 16
    noise: Annotated[float, Field(ge=0)] = 0.05

    scores: ClassVar[bool] = False

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {"fields": 100}

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Emulator, History]:
        """Keep some of the rows of `train`.

        Raises:
            InputError: For vectors.
        """
        if not isinstance(train.data, Fields):
            raise InputError("of: given vectors; allowed for kind replay: a simulator of fields")
        kept = train.rows(evenly(len(train), self.fields))
        place = prior.to_unit(kept.theta)
        x = np.asarray(kept.x, np.float32)
        return _Kept(data=train.data, settings=self, place=place, x=x, prior=prior), History()

    def restore(self, weights: Weights, prior: Prior, *, device: str = "cpu") -> Emulator:
        """The emulator that gave these weights."""
        check_same(weights, self._config)
        data = TypeAdapter(Fields).validate_python(weights.meta["data"])
        place, x = weights.arrays["place"], weights.arrays["x"]
        return _Kept(data=data, settings=self, place=place, x=x, prior=prior)

    @property
    def _config(self) -> dict[str, Any]:
        return {"fields": self.fields, "nearest": self.nearest, "noise": self.noise}


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """Fields x (N, C, *space) and where their parameters lie in the prior's unit cube (N, D)."""

    data: Fields
    settings: Replay
    place: Array
    x: Array
    prior: Prior

    def draw(self, theta: Array, rng: Generator, *, same_noise: bool = False) -> Array:
        """Kept fields near theta (N, D), moved; with `same_noise` all take the same of them, in
        order of distance, with the same move and noise."""
        seed = int(rng.integers(2**31))
        drawn = [self._one(at, _own(seed, 0 if same_noise else i)) for i, at in enumerate(theta)]
        return np.array(drawn, np.float32).reshape(-1, *self.data.shape)

    def _one(self, theta: Array, rng: Generator) -> Array:
        away = ((self.prior.to_unit(theta[None]) - self.place) ** 2).sum(1)
        nearest = np.argsort(away, kind="stable")[: self.settings.nearest]
        field = self.x[nearest[rng.integers(len(nearest))]]
        with torch_scope(int(rng.integers(2**31))):
            periodic = self.data.geometry.periodic
            moved = random_symmetry(torch.from_numpy(field[None]), periodic=periodic).numpy()[0]
        return np.asarray(
            moved + self.settings.noise * field.std() * rng.standard_normal(moved.shape)
        )

    @property
    def weights(self) -> Weights:
        """The fields."""
        meta = {"config": self.settings._config, "data": TypeAdapter(Fields).dump_python(self.data)}
        return Weights(arrays={"place": self.place, "x": self.x}, meta=meta)


def _own(seed: int, i: int) -> Generator:
    return np.random.default_rng((seed, i))


__all__ = ["Replay"]
