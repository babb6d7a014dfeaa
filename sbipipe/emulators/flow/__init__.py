r"""A flow of fields, which draws them and knows how likely they are.

An invertible map makes white noise of a field x at parameters theta, so

    log p(x | theta) = log N(u; 0, 1) + log |du/dx|,     u = u(x; theta),

is exact for the fields that it draws. Pixels are first made nearly Gaussian (`learning.pixels`),
then white (`whitening`), both in closed form. Couplings from coarse to fine learn what is left,
first to make the fields likely and then to tell their parameters apart (`couplings`, `learning`).
The log-likelihood at Chebyshev's nodes gives its surface over theta, as one polynomial. Every field
is scored in a standard position (`physics.position`), so that shifts, reflections and right-angle
rotations change nothing. `docs/flow.md` is the guide.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import TypeAdapter
from torch import Tensor

from sbipipe.emulators.flow.couplings import Couplings
from sbipipe.emulators.flow.emulator import FlowEmulator
from sbipipe.emulators.flow.haar import halvings
from sbipipe.emulators.flow.learning import learn
from sbipipe.emulators.flow.model import Model
from sbipipe.emulators.flow.settings import Settings
from sbipipe.emulators.flow.whitening import Whitening, fit_whitening
from sbipipe.interfaces import Array, Dataset, Fields, History, Run, Weights
from sbipipe.learning.chebyshev import Basis, scaled
from sbipipe.learning.members import load_named
from sbipipe.learning.pixels import Pixels, best_pixels
from sbipipe.learning.scoring import coarsened, fields_of
from sbipipe.learning.training import tensors
from sbipipe.physics.bands import Bands
from sbipipe.protocols import Emulator, Prior
from sbipipe.records import InputError, plugin
from sbipipe.seeds import number, torch_scope
from sbipipe.storage import check_same


@plugin
class Flow(Settings):
    """A flow of fields: its settings, and how it is fitted."""

    scores: ClassVar[bool] = True

    @staticmethod
    def quick() -> dict[str, Any]:
        """Settings with which it fits in seconds, for tests and trials."""
        return {
            "degree": 2,
            "surface": 8,
            "width": 4,
            "optimisation": {"epochs": 2, "batch": 64},
            "discriminate": {"epochs": 1},
        }

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Emulator, History]:
        """Learn from `train`, choose on `valid`.

        Raises:
            InputError: For vectors, or sides that do not halve often enough.
        """
        source = fields_of(train, self.coarsen, "flow")
        periodic = source.geometry.periodic
        x, x_valid = (coarsened(rows.x, self.coarsen, periodic=periodic) for rows in (train, valid))
        s, s_valid = (scaled(prior.to_unit(rows.theta)) for rows in (train, valid))
        pixels, whitening = self._whiten(x, s, x_valid, s_valid, periodic=periodic)
        with torch_scope(number(run.seed, "flow", "weights")):
            model = self._model(whitening)
        history = History()
        if self.couplings:
            rows, held_out = (
                tensors(pixels(fields), parameters.numpy())
                for fields, parameters in ((x, s), (x_valid, s_valid))
            )
            history = learn(model, rows, held_out, self, run)
        emulator = FlowEmulator(
            prior=prior, settings=self, pixels=pixels, model=model, source=source,
            device=run.device,
        )  # fmt: skip
        return emulator, history

    def restore(self, weights: Weights, prior: Prior, *, device: str = "cpu") -> Emulator:
        """The emulator that gave these weights, on this device."""
        check_same(weights, self.trained)
        arrays = weights.arrays
        source = TypeAdapter(Fields).validate_python(weights.meta["source"])
        whitening = Whitening(
            bands=Bands(source.geometry.coarser(self.coarsen).pixels, source.geometry.periodic),
            basis=Basis(len(prior.names), self.degree),
            log_power=torch.from_numpy(arrays["whitening/log_power"]),
            pull=torch.from_numpy(arrays["whitening/pull"]),
        )
        pixels = Pixels(arrays["pixels/value"], arrays["pixels/level"])
        model = self._model(whitening)
        load_named(model, arrays, "model/")
        return FlowEmulator(
            prior=prior, settings=self, pixels=pixels, model=model.to(device).eval(),
            source=source, device=device,
        )  # fmt: skip

    def _whiten(
        self, x: Array, s: Tensor, x_valid: Array, s_valid: Tensor, *, periodic: bool
    ) -> tuple[Pixels, Whitening]:
        """The pixels' map and the Gaussian field that are likelier on valid."""

        def fit(pixels: Pixels) -> tuple[float, Whitening]:
            y = torch.from_numpy(pixels(x))
            whitening = fit_whitening(y, s, self.degree, periodic=periodic)
            moments = whitening.bands.moments(torch.from_numpy(pixels(x_valid)))
            nats = whitening.log_prob_each(moments, s_valid).numpy() + pixels.log_jacobian(x_valid)
            return -float(nats.mean()), whitening

        return best_pixels(x, self.pixels, fit)

    def _model(self, whitening: Whitening) -> Model:
        sides = whitening.bands.sides
        couplings = Couplings(
            channels=whitening.channels,
            sides=sides,
            levels=self._levels(sides) if self.couplings else 0,
            each=self.couplings,
            parameters=whitening.basis.dimensions,
            width=self.width,
            periodic=whitening.bands.periodic,
        )
        return Model(whitening, couplings)

    def _levels(self, sides: tuple[int, ...]) -> int:
        """How often the grid is halved."""
        most = halvings(sides)
        if not most:
            raise InputError(
                f"config.couplings: given {self.couplings}; allowed for fields with sides {sides}, "
                "which do not halve: 0"
            )
        if self.levels is not None and self.levels > most:
            raise InputError(
                f"config.levels: given {self.levels}; allowed for fields with sides {sides}: "
                f"at most {most}, as often as they halve"
            )
        return most if self.levels is None else self.levels


__all__ = ["Flow"]
