"""Problems whose posterior is known, by name."""

from __future__ import annotations

from problems.g_and_k import GAndK
from problems.gaussian_mixture import GaussianMixture
from problems.linear_uniform import LinearUniform
from problems.lotka_volterra import LotkaVolterra
from problems.ornstein_uhlenbeck import OrnsteinUhlenbeck
from problems.problem import KnownPosterior, Problem
from problems.sir import Sir
from problems.slcp import Slcp
from problems.spectrum import Spectrum
from problems.spikes import Spikes
from problems.student import Student
from problems.two_moons import TwoMoons

__all__ = ["PROBLEMS", "KnownPosterior", "Problem"]

PROBLEMS: dict[str, Problem] = {
    "two_moons": TwoMoons(),
    "gaussian_mixture": GaussianMixture(),
    "g_and_k": GAndK(),
    "linear_uniform": LinearUniform(),
    "sir": Sir(),
    "slcp": Slcp(),
    "student": Student(),
    "lotka_volterra": LotkaVolterra(),
    "spectrum": Spectrum(),
    "spikes": Spikes(),
    "ou": OrnsteinUhlenbeck(),
}
