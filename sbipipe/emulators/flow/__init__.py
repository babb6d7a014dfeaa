r"""A flow of fields, which draws them and knows how likely they are.

An invertible map makes white noise of a field x at parameters theta, so

    log p(x | theta) = log N(u; 0, 1) + log |du/dx|,     u = u(x; theta),

is exact for the fields that it draws. Pixels are first made nearly Gaussian (`learning.pixels`),
then white (`whitening`). The log-likelihood at Chebyshev's nodes gives its surface over theta, as
one polynomial. Every field is scored in a standard position (`physics.position`), so that shifts,
reflections and right-angle rotations change nothing. `docs/flow.md` is the guide.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import TypeAdapter
from torch import Tensor

from sbipipe.emulators.flow.emulator import FlowEmulator
from sbipipe.emulators.flow.settings import Settings
from sbipipe.emulators.flow.whitening import Whitening, fit_whitening
from sbipipe.interfaces import Array, Dataset, Fields, History, Run, Weights
from sbipipe.learning.chebyshev import Basis, scaled
from sbipipe.learning.pixels import Pixels, best_pixels
from sbipipe.learning.scoring import coarsened, wrapping_fields
from sbipipe.physics.bands import Bands
from sbipipe.protocols import Emulator, Prior
from sbipipe.records import plugin
from sbipipe.storage import check_same


@plugin
class Flow(Settings):
    """A flow of fields: its settings, and how it is fitted."""

    scores: ClassVar[bool] = True

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {"degree": 2, "surface": 8}

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Emulator, History]:
        """Learn from `train`, choose on `valid`.

        Raises:
            InputError: For vectors, or fields that do not wrap around.
        """
        source = wrapping_fields(train, self.coarsen, "flow")
        x, x_valid = (coarsened(rows.x, self.coarsen) for rows in (train, valid))
        s, s_valid = (scaled(prior.to_unit(rows.theta)) for rows in (train, valid))
        pixels, whitening = self._whiten(x, s, x_valid, s_valid)
        emulator = FlowEmulator(
            prior=prior, settings=self, pixels=pixels, whitening=whitening, source=source
        )
        return emulator, History()

    def restore(self, weights: Weights, prior: Prior, *, device: str = "cpu") -> Emulator:
        """The emulator that gave these weights, on this device."""
        check_same(weights, self.trained)
        arrays = weights.arrays
        source = TypeAdapter(Fields).validate_python(weights.meta["source"])
        whitening = Whitening(
            bands=Bands(source.geometry.coarser(self.coarsen).pixels),
            basis=Basis(len(prior.names), self.degree),
            log_power=torch.from_numpy(arrays["whitening/log_power"]),
            pull=torch.from_numpy(arrays["whitening/pull"]),
        )
        pixels = Pixels(arrays["pixels/value"], arrays["pixels/level"])
        return FlowEmulator(
            prior=prior, settings=self, pixels=pixels, whitening=whitening, source=source
        )

    def _whiten(
        self, x: Array, s: Tensor, x_valid: Array, s_valid: Tensor
    ) -> tuple[Pixels, Whitening]:
        """The pixels' map and the Gaussian field that are likelier on valid."""

        def fit(pixels: Pixels) -> tuple[float, Whitening]:
            whitening = fit_whitening(torch.from_numpy(pixels(x)), s, self.degree)
            moments = whitening.bands.moments(torch.from_numpy(pixels(x_valid)))
            nats = whitening.log_prob_each(moments, s_valid).numpy() + pixels.log_jacobian(x_valid)
            return -float(nats.mean()), whitening

        return best_pixels(x, self.pixels, fit)


__all__ = ["Flow"]
