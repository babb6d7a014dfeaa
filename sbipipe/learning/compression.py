"""Long vectors made short: a few learned features that keep what is known of the parameters.

A density over twenty numbers is hard to learn where they depend on each other, and most of it says
nothing of theta. Features s(x), one for each parameter, are learned together with a conditional
density q of u = Phi^-1(F(theta)) by

    max_{s, q}  E_{p(u, x)} log q(u | s(x)),

which bounds the mutual information I(u; s) from below up to a constant (Barber & Agakov 2003;
Jeffrey, Alsing & Lanusse 2021, arXiv:2009.08459). q is scaffolding. Whatever s is, p(theta | s(x))
is calibrated; how much is lost shows as nats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sbipipe.interfaces import Array, History, Run
from sbipipe.learning.densities import PAIRS, ConditionalDensity, build_density, pieces
from sbipipe.learning.schedules import Annealed
from sbipipe.learning.shapes import SPLINE_DIMENSIONS
from sbipipe.learning.standardise import Standardise
from sbipipe.learning.training import Rows, optimise
from sbipipe.seeds import number, torch_scope

LONG = 8
"""Components up to which vectors are short."""

HIDDEN = 128
"""Units of each of the two hidden layers."""

OWN = "features/"
"""What the names of the weights begin with."""


def features_of(components: int, parameters: int) -> int:
    """The number of features that stand for a vector; 0 where it stands for itself: it is short, or
    has fewer than twice as many components as there are parameters."""
    return parameters if components > max(LONG, 2 * parameters - 1) else 0


class Compression(nn.Module):
    """s(x), a straight line and what a perceptron adds to it.

    Args:
        rows: Training rows (N, L), for their scales.
        features: The length of s.
    """

    def __init__(self, rows: Tensor, features: int) -> None:
        super().__init__()
        length = rows.shape[1]
        self.standardise = Standardise(rows)
        self.line = nn.Linear(length, features)
        self.body = nn.Sequential(
            nn.Linear(length, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, features),
        )

    def forward(self, rows: Tensor) -> Tensor:
        rows = self.standardise(rows)
        features: Tensor = self.line(rows) + self.body(rows)
        return features

    @torch.no_grad()
    def of(self, x: Tensor) -> Tensor:
        """Features (N, F) of vectors (N, L), on the CPU."""
        device = self.line.weight.device
        parts = [self(part.to(device)).cpu() for part in pieces(x, PAIRS)]
        return torch.cat(parts) if parts else x.new_empty(0, self.line.out_features)

    def digest(self, x: Array) -> Array:
        """Features (B, F) of vectors (B, L); NaN where x is not finite."""
        found = self.of(torch.as_tensor(x, dtype=torch.float32))
        return torch.where(found.isfinite().all(1, keepdim=True), found, torch.nan).double().numpy()

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that was learned, by name."""
        state = self.state_dict().items()
        return {f"{OWN}{name}": value.detach().cpu().numpy() for name, value in state}


def compress(
    train: Rows, valid: Rows, features: int, settings: Annealed, run: Run
) -> tuple[Compression, History]:
    """Learn features of x from rows (u, x)."""
    u, x = train
    with torch_scope(number(run.seed, "features", "initialise")):
        compression = Compression(x, features)
        smooth = u.shape[1] > SPLINE_DIMENSIONS
        scaffolding = build_density(
            density="zuko_maf" if smooth else "zuko_nsf",
            hidden=64,
            transforms=5 if smooth else 3,
            inputs=u,
            conditions=torch.randn(2, features),
        )
        module = ConditionalDensity(scaffolding.net, Standardise(u), compression)
    history = optimise(module, module.loss, train, valid, settings, run, "features", keep=True)
    return compression.eval(), history


def restored(
    arrays: Mapping[str, NDArray[Any]], length: int, features: int, device: str
) -> Compression:
    """The compression that gave these arrays, among others."""
    with torch_scope(0):
        compression = Compression(torch.zeros(2, length), features)
    own = {
        name.removeprefix(OWN): torch.as_tensor(value)
        for name, value in arrays.items()
        if name.startswith(OWN)
    }
    compression.load_state_dict(own)
    return compression.to(device).eval()


__all__ = ["Compression", "compress", "features_of", "restored"]
