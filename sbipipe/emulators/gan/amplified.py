r"""A generator whose fields have the spectra of true ones.

Two players agree on a spectrum up to what the critic can see in a batch. What is left is mended in
closed form once they have finished: the generator's fields, as it draws them, go through a filter
that mixes into each channel of a band what it lacks of those before it, and gives it its power,

    F_c -> g_c(s) [F_c + sum_{j < c} q_cj(s) (u_c / u_j) F_j],

log g and q being polynomials in theta, and u the amplitudes of the drawn channels. With P and R of
true and drawn fields (`learning.mean_spectra`), in the simulator's units, to which the map of
pixels leads,

    log g += (log P_true - log P_drawn) / 2,        q += R_true - R_drawn,

a few times. The mode k = 0, the field's mean, is left as it is. A filter commutes with every shift
of a periodic field, so the fields stay statistically the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sbipipe.emulators.gan.noise import TOGETHER, drawn
from sbipipe.interfaces import Run
from sbipipe.learning.chebyshev import Basis
from sbipipe.learning.mean_spectra import mean_spectra
from sbipipe.learning.pixels import Pixels
from sbipipe.physics.bands import bands_of
from sbipipe.seeds import number, stream

DEGREE = 2
"""Of the polynomials in theta."""

DRAWN = 4096
"""Fields from which the generator's spectra are measured, at most."""

ROUNDS = 6


class Amplified(nn.Module):
    """A generator and its filter, which is nothing until it is matched.

    Args:
        generator: `(s, noise) -> fields (n, C, *space)`.
        shape: Of a field, (C, *space).
        conditions: The number of parameters it is given.
        periodic: Whether opposite sides of fields meet.
    """

    log_gain: Tensor
    mixed: Tensor
    amplitude: Tensor

    def __init__(
        self, generator: Any, shape: Sequence[int], conditions: int, *, periodic: bool = True
    ) -> None:
        super().__init__()
        self.generator = generator
        self.bands = bands_of(shape, periodic=periodic)
        self.basis = Basis(conditions, DEGREE)
        bands, channels, terms = len(self.bands), shape[0], len(self.basis)
        for name, own in {
            "log_gain": torch.zeros(bands, channels, terms),
            "mixed": torch.zeros(bands, channels, channels, terms),
            "amplitude": torch.ones(bands, channels),
        }.items():
            self.register_buffer(name, own.double())

    @property
    def noise_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of what a field grows from."""
        shapes: tuple[tuple[int, ...], ...] = self.generator.noise_shapes
        return shapes

    def forward(self, s: Tensor, given: Sequence[Tensor]) -> Tensor:
        return self.filtered(self.generator(s, given), s)

    def filtered(self, y: Tensor, s: Tensor) -> Tensor:
        """Fields (n, C, *space) at s (n, D) through the filter."""
        terms, unit = self.terms(s), self.amplitude
        gain = torch.einsum("bcm,nm->nbc", self.log_gain, terms).exp()
        mixed = torch.einsum("bcjm,nm->nbcj", self.mixed, terms)
        mixed = mixed * (unit[:, :, None] / unit[:, None])
        whole = gain[..., None] * (mixed + torch.eye(len(unit[0])).to(mixed))
        nothing = torch.zeros_like(whole[..., :1])
        return self.bands.filter(y, torch.cat([whole, nothing], -1).to(y))

    def terms(self, s: Tensor) -> Tensor:
        """The polynomials at s (n, D), with shape (n, M); 1 where there are no parameters."""
        return self.basis(s.double()) if s.shape[1] else s.new_ones(len(s), 1, dtype=torch.float64)

    @torch.no_grad()
    def match(self, x: Tensor, s: Tensor, pixels: Pixels, run: Run) -> None:
        """Take the filter with which drawn fields have the spectra of true ones.

        Args:
            x: True fields in the simulator's units, with shape (N, C, *space).
            s: Their parameters, with shape (N, D).
            pixels: The map to what the generator draws.
        """
        device = self.log_gain.device
        self.cpu()
        power, onto = mean_spectra(self.bands.spectra(x), self.terms(s))
        rows = stream(run.seed, "gan", "match", "theta").choice(len(s), min(DRAWN, 4 * len(s)))
        own = s[torch.from_numpy(rows)]
        source = torch.Generator().manual_seed(number(run.seed, "gan", "match", "noise"))
        fields = torch.cat(list(drawn(self.generator.to(run.device), own, source, run.device)))
        self.amplitude.copy_(self.bands.power(fields).mean(0).sqrt())
        for _ in range(ROUNDS):
            parts = zip(torch.split(fields, TOGETHER), torch.split(own, TOGETHER), strict=True)
            seen = (pixels.inverse(self.filtered(y, at).numpy()) for y, at in parts)
            spectra = torch.cat([self.bands.spectra(torch.from_numpy(one)) for one in seen])
            power_drawn, onto_drawn = mean_spectra(spectra, self.terms(own))
            self.log_gain[1:] += (power - power_drawn)[1:] / 2
            self.mixed[1:] += (onto - onto_drawn)[1:]
        self.to(device)


__all__ = ["Amplified"]
