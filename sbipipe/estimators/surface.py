r"""The posterior of a likelihood surface, taken at its word.

An emulator that can score a field gives its log-likelihood as a polynomial in the parameters,

    l(theta; c) = sum_m c_m T_m(s),     s = 2 F(theta) - 1,

with the prior's distribution F and products T_m of Chebyshev polynomials (`learning.chebyshev`).
The coefficients c of each field are a row of the set named after the emulator, and

    log p(theta | c) = l(theta; c) + log p(theta) - log Z(c),

normalised and drawn from in `sbipipe.sampling`. Nothing is learned. Where the emulator's likelihood
is too sharp or biased so is this posterior; `npe`, `nle` and `nre` may read the same rows and learn
how far to believe them, and `recalibrate:` softens or sharpens it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sbipipe.interfaces import Array, Dataset, History, LogLikelihood, Run, Vectors, Weights
from sbipipe.learning.chebyshev import Basis, scaled
from sbipipe.protocols import Conditioned, Posterior, Prior
from sbipipe.records import InputError, plugin
from sbipipe.sampling.condition import condition


@plugin
class Surface:
    """Bayes' theorem with an emulator's likelihood."""

    learns: ClassVar[bool] = False

    def fit(
        self, train: Dataset, valid: Dataset, prior: Prior, run: Run
    ) -> tuple[Posterior, History]:
        """Learn nothing.

        Raises:
            InputError: If the rows are no surfaces.
        """
        if not isinstance(train.data, Vectors) or train.data.degree is None:
            raise InputError(
                "of: given rows that are no likelihood surfaces; allowed for kind surface: "
                "an emulator that can score fields"
            )
        return self.restore(Weights(meta={"degree": train.data.degree}), prior), History()

    def restore(
        self,
        weights: Weights,
        prior: Prior,
        log_likelihood: LogLikelihood | None = None,
        *,
        device: str = "cpu",
    ) -> Posterior:
        """The posterior of surfaces of the degree that these weights name."""
        return _SurfacePosterior(prior=prior, degree=int(weights.meta["degree"]))


@dataclass(frozen=True, kw_only=True)
class _SurfacePosterior:
    prior: Prior
    degree: int

    def digest(self, x: Array) -> Array:
        """The coefficients themselves, (B, M), in double precision."""
        return np.asarray(x, np.float64)

    def log_ratio(self, theta: Array, digest: Array) -> Array:
        """l, (n, B, D) and (B, M) -> (n, B)."""
        terms = Basis(len(self.prior.names), self.degree)(scaled(self.prior.to_unit(theta))).numpy()
        return np.asarray(np.einsum("nbm,bm->nb", terms, digest))

    def at(self, x: Array) -> Conditioned:
        """The posterior of each of B surfaces, with shape (B, M)."""
        return condition(self.log_ratio, self.prior, self.digest(x))

    @property
    def weights(self) -> Weights:
        return Weights(meta={"degree": self.degree})


__all__ = ["Surface"]
