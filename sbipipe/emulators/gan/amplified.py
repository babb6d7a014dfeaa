r"""A generator whose fields have the power of true ones.

Two players agree on a spectrum up to what the critic can see in a batch. What is left is mended in
closed form once they have finished: the generator's fields, as it draws them, go through a filter

    log g(s) = (log P_true(s) - log P_drawn(s)) / 2

in every band and channel, with polynomials in theta for both (`learning.mean_power`). Powers are
those of fields in the simulator's units, to which the map of pixels leads, so the ratio is taken a
few times. The mode k = 0, the field's mean, is left as it is. A filter commutes with every shift,
so the fields stay statistically the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sbipipe.emulators.gan.noise import noise
from sbipipe.interfaces import Run
from sbipipe.learning.chebyshev import Basis
from sbipipe.learning.mean_power import log_mean_power
from sbipipe.learning.pixels import Pixels
from sbipipe.physics.bands import bands_of
from sbipipe.seeds import number, stream

DEGREE = 2
"""Of the polynomials in theta."""

DRAWN, TOGETHER = 4096, 256
"""Fields from which the generator's power is measured, at most, and those that are drawn at
once."""

ROUNDS = 3


class Amplified(nn.Module):
    """A generator and its filter, which is nothing until it is matched.

    Args:
        generator: `(s, noise) -> fields (n, C, *space)`.
        shape: Of a field, (C, *space).
        conditions: The number of parameters it is given.
    """

    log_gain: Tensor

    def __init__(self, generator: Any, shape: Sequence[int], conditions: int) -> None:
        super().__init__()
        self.generator = generator
        self.bands = bands_of(shape)
        self.basis = Basis(conditions, DEGREE)
        gains = torch.zeros(len(self.bands), shape[0], len(self.basis), dtype=torch.float64)
        self.register_buffer("log_gain", gains)

    @property
    def noise_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of what a field grows from."""
        shapes: tuple[tuple[int, ...], ...] = self.generator.noise_shapes
        return shapes

    def forward(self, s: Tensor, given: Sequence[Tensor]) -> Tensor:
        return self.amplified(self.generator(s, given), s, self.log_gain)

    def amplified(self, y: Tensor, s: Tensor, log_gain: Tensor) -> Tensor:
        """Fields (n, C, *space) at s (n, D) through the filter log g (b, C, M)."""
        gain = torch.einsum("bcm,nm->nbc", log_gain, self.terms(s)).exp()
        nothing = torch.zeros_like(gain[..., None])
        return self.bands.filter(y, torch.cat([gain.diag_embed(), nothing], -1).to(y))

    def terms(self, s: Tensor) -> Tensor:
        """The polynomials at s (n, D), with shape (n, M); 1 where there are no parameters."""
        return self.basis(s.double()) if s.shape[1] else s.new_ones(len(s), 1, dtype=torch.float64)

    @torch.no_grad()
    def match(self, x: Tensor, s: Tensor, pixels: Pixels, run: Run) -> None:
        """Take the filter with which drawn fields have the power of true ones.

        Args:
            x: True fields in the simulator's units, with shape (N, C, *space).
            s: Their parameters, with shape (N, D).
            pixels: The map to what the generator draws.
        """
        target = log_mean_power(self.bands.power(x), self.terms(s))
        rows = stream(run.seed, "gan", "match", "theta").choice(len(s), min(DRAWN, 4 * len(s)))
        source = torch.Generator().manual_seed(number(run.seed, "gan", "match", "noise"))
        own = s[torch.from_numpy(rows)]
        drawn = torch.cat([self._drawn(part, source, run) for part in torch.split(own, TOGETHER)])
        log_gain = torch.zeros(self.log_gain.shape, dtype=torch.float64)
        for _ in range(ROUNDS):
            parts = zip(torch.split(drawn, TOGETHER), torch.split(own, TOGETHER), strict=True)
            seen = (self.amplified(y, at, log_gain).numpy() for y, at in parts)
            power = [self.bands.power(torch.from_numpy(pixels.inverse(y))) for y in seen]
            log_gain += (target - log_mean_power(torch.cat(power), self.terms(own))) / 2
            log_gain[0] = 0
        self.log_gain.copy_(log_gain)

    def _drawn(self, s: Tensor, source: torch.Generator, run: Run) -> Tensor:
        """Fields of the generator as it is, in main memory."""
        given = [grid.to(run.device) for grid in noise(self.generator, len(s), source)]
        fields: Tensor = self.generator(s.to(run.device), given)
        return fields.cpu()


__all__ = ["Amplified"]
