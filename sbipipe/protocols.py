"""What the members of each family can do, as protocols.

The records that pass between them are in `interfaces`.

Shapes: N rows, D parameters, C channels, L summary components, B observations, n draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from sbipipe.interfaces import (
    Array,
    Data,
    Dataset,
    Fields,
    Generator,
    History,
    LogLikelihood,
    Mask,
    PosteriorDraws,
    Result,
    Run,
    Samples,
    Scored,
    Weights,
)

if TYPE_CHECKING:
    from torch import Tensor


class Prior(Protocol):
    """A distribution over theta with named parameters.

    Fixed parameters are none of them: only simulators are given these, as columns among the others.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the D parameters, in the order of theta's columns."""

    @property
    def nuisance(self) -> tuple[str, ...]:
        """Those of them that are marginalised over where posteriors are shown."""

    @property
    def shown(self) -> tuple[str, ...]:
        """The others."""

    @property
    def fixed(self) -> Mapping[str, float]:
        """The values of parameters that are the same in every simulation."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all C parameters that a simulator is given, the fixed ones among them."""

    @property
    def source(self) -> str:
        """Equal while the files that the prior is made of are; empty where there are none."""

    @property
    def variance(self) -> Array:
        """Of each parameter, with shape (D,)."""

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """A range of each parameter that holds (nearly) all of it, for figures and messages."""

    @property
    def margins(self) -> Prior:
        """The axes of figures, which are independent parameters with roughly the same support. It
        is the prior itself where its parameters are independent."""

    def complete(self, theta: Array) -> Array:
        """With columns for the fixed parameters, (..., D) -> (..., C)."""

    def free(self, columns: Array) -> Array:
        """The inverse of `complete`."""

    def sample(self, n: int, rng: Generator) -> Array:
        """Independent draws, with shape (n, D)."""

    def log_prob(self, theta: Array) -> Array:
        """Log density in nats, (..., D) -> (...); minus infinity outside the support."""

    def inside(self, theta: Array) -> Mask:
        """Whether theta lies in the support, (..., D) -> (...)."""

    def from_unit(self, q: Array) -> Array:
        """Quantiles in (0, 1), each given the parameters that it depends on, to parameters,
        (..., D) -> (..., D)."""

    def to_unit(self, theta: Array) -> Array:
        """Parameters to quantiles, the inverse of `from_unit`."""

    def to_unbounded(self, theta: Array) -> Array:
        """Parameters to a space where the prior is a standard normal, (..., D) -> (..., D)."""

    def from_unbounded(self, u: Array) -> Array:
        """The inverse of `to_unbounded`."""

    def log_det_unbounded(self, theta: Array) -> Array:
        """log |du/dtheta| of `to_unbounded`, (..., D) -> (...)."""


@runtime_checkable
class UnknownPrior(Protocol):
    """Stands for a prior that is known from parameters alone."""

    @property
    def within(self) -> Prior | None:
        """What holds the parameters; None where they are unbounded."""

    def fit(self, train: Array, valid: Array, seed: int) -> Prior:
        """Learn from parameters `train` (N, D), choose on `valid` (M, D)."""

    def read(self, values: Mapping[str, Any]) -> Prior:
        """The prior that was learned, from what the set of simulations says of it."""

    def written(self, prior: Any) -> dict[str, Any]:
        """What `fit` has learned, as plain values that `read` reads."""


@runtime_checkable
class Simulator(Protocol):
    """Turns parameters into fields."""

    @property
    def prior(self) -> Prior:
        """Where theta is drawn from."""

    @property
    def maps(self) -> int:
        """How many rows one simulation gives."""

    @property
    def data(self) -> Data:
        """What one row is."""

    def simulate(self, theta: Array, rng: Generator) -> Array:
        """Fields with shape (N * maps, C, *space) for theta (N, D); rows of one simulation
        follow each other."""


@runtime_checkable
class Reader(Protocol):
    """A simulator's stand-in for simulations made elsewhere."""

    @property
    def prior(self) -> Prior | UnknownPrior:
        """The declared prior of the simulations, or what stands for it until they are a set."""

    def read(self) -> Dataset:
        """The rows as they are on disk, NaN included; raises InputError."""


@runtime_checkable
class HasLikelihood(Protocol):
    """A simulator whose likelihood is known."""

    def log_likelihood(self, theta: Array, x: Array) -> Array:
        """log p(x | theta) in nats, (n, B, D) and (B, ...) -> (n, B)."""


class Summariser(Protocol):
    """A fitted summary."""

    def __call__(self, fields: Array) -> Array:
        """Vectors (N, L) for fields (N, C, *space)."""

    @property
    def names(self) -> tuple[str, ...]:
        """A label for each of the L components."""

    @property
    def weights(self) -> Weights:
        """What `Summary.restore` needs."""


class Summary(Protocol):
    """Turns fields into vectors; may learn how."""

    def fit(self, train: Dataset, valid: Dataset, run: Run) -> tuple[Summariser, History]:
        """Learn from `train`, choose on `valid`; hand-made summaries fit nothing."""

    def restore(self, weights: Weights, *, device: str = "cpu") -> Summariser:
        """The summariser that gave these weights.

        Args:
            device: Where the networks are put, "cpu" or "cuda".
        """


class Conditioned(Protocol):
    """A posterior given B observations."""

    def sample(self, n: int, rng: Generator) -> Samples:
        """n draws for each observation, shuffled."""

    def log_prob(self, theta: Array) -> Array:
        """Normalised log density in nats, (n, B, D) -> (n, B); minus infinity outside the
        prior's support, NaN for an observation that could not be normalised."""


class Posterior(Protocol):
    """A fitted estimator. `at` does the work that all draws of one observation share."""

    def at(self, x: Array) -> Conditioned:
        """The posterior of each of B observations, with shape (B, L) or (B, C, *space)."""

    def digest(self, x: Array) -> Array:
        """What `log_ratio` needs of B observations, with shape (B, ...)."""

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        """log p(theta | x) - log p(theta) in nats, up to a constant for each x, (n, B, D) and
        (B, ...) -> (n, B); NaN for an observation that has no posterior."""

    @property
    def weights(self) -> Weights:
        """What `Estimator.restore` needs."""


@runtime_checkable
class Guided(Protocol):
    """A posterior that knows where to look for it."""

    def near(self, digest: Array) -> Array:
        """Draws u (n, B, D), in the prior's unbounded space, of a density near the posterior of
        each of B digests."""


@runtime_checkable
class Proposing(Guided, Protocol):
    """A posterior beside which a density is known that is near it.

    Attributes:
        proposes_itself: Whether that density is the posterior.
    """

    proposes_itself: ClassVar[bool]

    def propose(self, n: int, digest: Array, rng: Generator) -> Array:
        """Draws u (n, B, D), in the prior's unbounded space, of that density q."""

    def log_ratios(self, theta: Array, digest: Array) -> Array:
        """`log_ratio`, and log q(u) - log N(u; 0, I), with shape (2, n, B)."""


class Emulator(Protocol):
    """A fitted generator of fields."""

    @property
    def data(self) -> Fields:
        """The fields that it draws, the simulator's or coarser ones."""

    def draw(self, theta: Array, rng: Generator, *, same_noise: bool = False) -> Array:
        """Fields (N, C, *space) for theta (N, D), in the simulator's own units; with `same_noise`
        every field grows from the same noise, so that only theta differs."""

    @property
    def weights(self) -> Weights:
        """What `EmulatorKind.restore` needs."""


@runtime_checkable
class Scores(Protocol):
    """An emulator that also knows how likely fields are."""

    @property
    def degree(self) -> int:
        """The total degree of the polynomials that `surfaces` gives."""

    def surfaces(self, x: Array) -> Array:
        """The coefficients that `scored` gives, with shape (B, M)."""

    def scored(self, x: Array) -> Scored:
        """The log-likelihood of each of B fields of the simulator (B, C, *space), which depends on
        no other field beside it."""


@runtime_checkable
class HasLatents(Protocol):
    """An emulator whose fields grow from a vector of white noise, its latents."""

    @property
    def data(self) -> Fields:
        """The fields that it draws."""

    @property
    def latents(self) -> int:
        """The length M of that vector."""

    @property
    def bends(self) -> bool:
        """Whether it has second derivatives; none where it is piecewise linear."""

    def values(self, z: Tensor, theta: Array) -> Tensor:
        """What the pixels become, (n, N), before they are in the simulator's units, for latents z
        (n, M), at one theta (D,). It is differentiable, in float64, and each row by itself."""

    def fields(self, values: Tensor) -> Array:
        """Fields (n, C, *space) in the simulator's units, for such values."""


@runtime_checkable
class Reads(Protocol):
    """An emulator that can tell fields apart by features of its own, those of a critic."""

    def features(self, fields: Array, theta: Array) -> Array:
        """Features (N, L) of fields (N, C, *space) in the simulator's units, at one theta (D,)."""


class EmulatorKind(Protocol):
    """Learns to draw fields given parameters."""

    @property
    def scores(self) -> bool:
        """Whether its emulators know how likely fields are (`Scores`)."""

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Emulator, History]:
        """Learn from `train`, choose on `valid`."""

    def restore(self, weights: Weights, prior: Prior, *, device: str = "cpu") -> Emulator:
        """The emulator that gave these weights."""


@runtime_checkable
class Informed(Protocol):
    """A kind of emulator that is trained or chosen by statistics by which it is judged as well."""

    @property
    def seen(self) -> Mapping[str, str]:
        """ "trained", "chosen" or "trained and chosen", by the name of the statistic."""


@runtime_checkable
class Slow(Protocol):
    """A kind of emulator that takes long to draw."""

    @property
    def birthday(self) -> int:
        """Fields of the birthday test, at most."""


@runtime_checkable
class GoesOn(Protocol):
    """A kind of emulator that can begin with another of its kind."""

    def go_on(
        self, begun: Emulator, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Emulator, History]:
        """`EmulatorKind.fit`, with what `begun` has learned."""

    def obstacles(self, begun: object | None) -> Sequence[str]:
        """Why it cannot begin with an emulator of this kind, or with none: lines without the name
        of the entry."""


class Estimator(Protocol):
    """Learns a posterior from pairs of parameters and data."""

    @property
    def learns(self) -> bool:
        """Whether it needs rows to learn from; `fit` of one that does not is given none."""

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Learn from `train`, choose on `valid`."""

    def restore(
        self,
        weights: Weights,
        prior: Prior,
        log_likelihood: LogLikelihood | None = None,
        *,
        device: str = "cpu",
    ) -> Posterior:
        """The posterior that gave these weights; what it takes and gives are arrays, wherever its
        networks are.

        Args:
            device: Where the networks are put, "cpu" or "cuda".
        """


class Recalibration(Protocol):
    """Mends a posterior on simulations that it was not fitted to."""

    def fit(
        self, posterior: Posterior, calibrate: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """The mended posterior."""

    def restore(self, weights: Weights, posterior: Posterior, prior: Prior) -> Posterior:
        """The mended posterior that gave these weights, from the one it mends."""


@runtime_checkable
class Targeted(Protocol):
    """A recalibration that moves a posterior towards another one."""

    def towards(self, target: Posterior) -> Recalibration:
        """The recalibration towards this posterior, of the same parameters and observations."""


class Diagnostic(Protocol):
    """Asks whether a posterior may be believed. Works from stored draws alone, so it never asks
    which estimator made them."""

    def __call__(self, draws: PosteriorDraws, rng: Generator) -> tuple[Result, ...]:
        """One result per test."""
