r"""A generative adversarial network, which draws fields in one pass.

A generator turns noise and theta into fields; a critic learns to tell them from true ones, and the
generator to please it (`game`). Both are `periodic`, which know the symmetries of the grid, or
`cosmogan`, those of Mustafa et al. 2019. Of the generators along the way, the one is kept whose
fields resemble held-out ones most (`score`); that of `periodic` is given the spectra of true fields
(`amplified`). Such a model has no likelihood, so no estimator may be `of` it. `docs/gan.md` is the
guide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.nn import functional

from sbipipe.emulators.gan.amplified import Amplified
from sbipipe.emulators.gan.cosmogan import LEVELS, CosmoCritic, CosmoGenerator
from sbipipe.emulators.gan.emulator import GanEmulator
from sbipipe.emulators.gan.game import Duel
from sbipipe.emulators.gan.noise import noise
from sbipipe.emulators.gan.periodic import PeriodicCritic, PeriodicGenerator
from sbipipe.emulators.gan.score import Judge
from sbipipe.emulators.gan.settings import Settings
from sbipipe.evenly import evenly
from sbipipe.interfaces import Array, Dataset, Fields, History, Run, Weights
from sbipipe.learning.chebyshev import scaled
from sbipipe.learning.members import load_named
from sbipipe.learning.networks import check_sides, random_symmetry
from sbipipe.learning.pixels import Pixels, fit_pixels
from sbipipe.learning.players import play
from sbipipe.protocols import Emulator, Prior
from sbipipe.records import InputError, plugin
from sbipipe.seeds import number, torch_scope
from sbipipe.storage import check_same

HELD_OUT = 1_024
"""Rows of `valid` that a score looks at."""

COARSEST = 4
"""Cells along a side of the coarsest grid, at least."""


@plugin
class Gan(Settings):
    """A generative adversarial network: its settings, and how it is fitted."""

    scores: ClassVar[bool] = False

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {"width": 4, "maps": 1, "optimisation": {"steps": 6, "score_every": 3}}

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Emulator, History]:
        """Learn from `train`, choose on `valid`.

        Raises:
            InputError: For vectors, fields that the architecture does not take, an unknown name in
                `condition`, and for a game that does not go on.
        """
        data = self._taken(train)
        columns = list(self.told(prior.names))
        pixels = _pixels(train.x, self.pixels or self._own_pixels)
        s, s_valid = (
            scaled(prior.to_unit(rows.theta))[:, columns].float() for rows in (train, valid)
        )
        some = evenly(len(valid), HELD_OUT)
        y, y_valid = (torch.from_numpy(pixels(x)) for x in (train.x, valid.x[some]))
        with torch_scope(number(run.seed, "gan", "weights")):
            generator, critic = (
                self._generator(data, len(columns), pixels),
                self._critic(data, len(columns)),
            )
        if isinstance(critic, PeriodicCritic) and critic.power:
            critic.power.fit(y)
        with torch_scope(number(run.seed, "gan", "score")):
            judge = Judge.of(
                y_valid, s_valid[some], noise(generator, len(some)), run.device,
                periodic=data.geometry.periodic,
            )  # fmt: skip
        duel = Duel(
            generator=generator, critic=critic, flips=self.share_flipped,
            moved=self._moved(data), judge=judge,
        )  # fmt: skip
        history = play(
            duel,
            (y, s),
            (y_valid, s_valid[some]),
            self.play,
            run,
            "gan",
            "config.optimisation",
            str(self.trained),
        )
        drawer = self._drawer(generator, data, len(columns)).to(run.device)
        if isinstance(drawer, Amplified):
            drawer.match(torch.from_numpy(train.x), s, pixels, run)
        emulator = GanEmulator(
            prior=prior, settings=self, pixels=pixels, generator=drawer, critic=critic.eval(),
            data=data, device=run.device,
        )  # fmt: skip
        return emulator, history

    def restore(self, weights: Weights, prior: Prior, *, device: str = "cpu") -> Emulator:
        """The emulator that gave these weights, on this device."""
        check_same(weights, self.trained)
        data = TypeAdapter(Fields).validate_python(weights.meta["data"])
        conditions = len(self.told(prior.names))
        pixels = Pixels(weights.arrays["pixels/value"], weights.arrays["pixels/level"])
        with torch_scope(0):
            generator = self._drawer(self._generator(data, conditions, pixels), data, conditions)
            critic = self._critic(data, conditions)
        load_named(generator, weights.arrays, "generator/")
        load_named(critic, weights.arrays, "critic/")
        return GanEmulator(
            prior=prior, settings=self, pixels=pixels, generator=generator.to(device).eval(),
            critic=critic.to(device).eval(), data=data, device=device,
        )  # fmt: skip

    @property
    def _own_pixels(self) -> str:
        return "gaussian" if self.architecture == "periodic" else "range"

    def _taken(self, rows: Dataset) -> Fields:
        """What the rows are, if they are fields that the architecture takes."""
        if not isinstance(rows.data, Fields):
            raise InputError("of: given vectors; allowed for kind gan: a simulator of fields")
        grid = rows.data.geometry
        if grid.dimensions != 2:
            raise InputError(
                f"of: given fields of {grid.dimensions} dimensions; allowed for kind gan: 2"
            )
        check_sides(grid.pixels, self._levels(grid.pixels), "of")
        return rows.data

    def _moved(self, data: Fields) -> Callable[[Tensor], Tensor]:
        """What brings true fields into other positions."""
        if self.architecture == "cosmogan":
            return lambda y: y
        return partial(random_symmetry, periodic=data.geometry.periodic)

    def _levels(self, sides: Sequence[int]) -> int:
        """How often the grid is halved."""
        if self.architecture == "cosmogan":
            return LEVELS
        return self.levels or max(1, int(np.log2(min(sides) / COARSEST)))

    def _generator(
        self, data: Fields, conditions: int, pixels: Pixels
    ) -> PeriodicGenerator | CosmoGenerator:
        if self.architecture == "cosmogan":
            return CosmoGenerator(
                shape=data.shape, conditions=conditions, latent=self.latent,
                bend=nn.SiLU if self.bend == "silu" else nn.ReLU,
            )  # fmt: skip
        return PeriodicGenerator(
            shape=data.shape, conditions=conditions, width=self.width,
            levels=self._levels(data.geometry.pixels), maps=self.maps,
            floor=torch.from_numpy(pixels.floor),
            bend=functional.silu if self.bend == "silu" else functional.relu,
            periodic=data.geometry.periodic,
        )  # fmt: skip

    def _drawer(
        self, generator: PeriodicGenerator | CosmoGenerator, data: Fields, conditions: int
    ) -> Amplified | CosmoGenerator:
        """What draws, once the game is over."""
        if isinstance(generator, CosmoGenerator):
            return generator
        return Amplified(generator, data.shape, conditions, periodic=data.geometry.periodic)

    def _critic(self, data: Fields, conditions: int) -> PeriodicCritic | CosmoCritic:
        if self.architecture == "cosmogan":
            return CosmoCritic(shape=data.shape, conditions=conditions)
        return PeriodicCritic(
            shape=data.shape, conditions=conditions, width=self.width,
            levels=self._levels(data.geometry.pixels), spectrum=self.spectrum,
            periodic=data.geometry.periodic,
        )  # fmt: skip


def _pixels(x: Array, kind: str) -> Pixels:
    """The map of pixel values for fields like x (N, C, *space)."""
    if kind != "range":
        return fit_pixels(x, "gaussian" if kind == "gaussian" else "standard")
    flat = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1).astype(np.float64)
    level = np.tile([-1.0, 1.0], (len(flat), 1))
    return Pixels(np.stack([flat.min(1), flat.max(1)], 1), level)


__all__ = ["Gan"]
