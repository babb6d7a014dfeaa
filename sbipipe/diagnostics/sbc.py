r"""Simulation-based calibration (Talts et al. 2018, arXiv:1804.06788).

For theta ~ p(theta), x ~ p(x | theta) and draws from the exact posterior p(theta | x), the rank of
each true parameter among the draws is uniform, and so is the rank of log q(theta | x) among the
densities of the draws (Modrák et al. 2023, arXiv:2211.02383: this one sees errors that leave every
marginal alone). With u the randomised ranks (see `uniformity`), each is tested by the simultaneous
test of Säilynoja et al. (2022), whose band is drawn around the difference of the empirical
distribution from uniform.

The direction of an error shows in

- bias, (mean u - 1/2) sqrt(12): positive where the truth lies above the draws;
- dispersion, 12 var u: above one where the posterior is too narrow.

A band looks at all errors alike, and takes two thirds more simulations than it must to see a width
that is wrong. So the widths have a test of their own, `spread`: under the null the scores
s_i = sqrt(5 N / 4) (12 var u_i - 1) tend to standard normals, and the p-value of the D parameters
is 2 D times the tail beyond the largest |s_i| (Bonferroni).

Ranks of sums and differences of two parameters see a correlation that is missing (`correlations`):
one test, "pairs", of all pairs.

A failed observation counts as a truth outside all draws: above and below by turns for a parameter,
of lower density than all draws for the log-density.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from sbipipe.gate import saying, uniformity
from sbipipe.gate.correlations import correlations
from sbipipe.interfaces import Array, Curve, Fault, Generator, Mask, PosteriorDraws, Result
from sbipipe.records import plugin
from sbipipe.seeds import stream

__all__ = ["Sbc"]

LOG_PROB = "log_prob"
"""Name of the test of the log-density."""

SPREAD = "spread"
"""Name of the test of the parameters' widths."""


@plugin
class Sbc:
    """Ranks of each parameter, their spread, and ranks of the log-density and of pairs.

    Attributes:
        level: The drawn band holds the whole curve of an exact posterior with probability
            `1 - level`.
    """

    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.01

    def __call__(self, draws: PosteriorDraws, rng: Generator) -> tuple[Result, ...]:
        """One result per parameter, one each for the log-density, for the widths, and for the
        pairs of parameters.

        `statistic` is gamma, small where the ranks stray from uniform; of the widths, it is the s_i
        farthest from zero, and of the pairs |z|.
        """
        failed, size = uniformity.failed(draws), uniformity.effective_draws(draws)
        root = int(rng.integers(2**63))

        def ranks(name: str, values: Array, truth: Array, lost: Array) -> Array:
            u = uniformity.pit(values, truth, size, stream(root, name))
            u[failed] = lost
            return u

        lost = uniformity.by_turns(int(failed.sum()))
        of = {
            name: ranks(name, draws.draws[..., i], draws.theta[:, i], lost)
            for i, name in enumerate(draws.parameters)
        }
        results = [
            self._parameter(name, u, draws, i, failed) for i, (name, u) in enumerate(of.items())
        ]
        u = ranks(LOG_PROB, draws.log_prob, draws.log_prob_truth, 0 * lost)
        pairs = correlations(draws, self.level, stream(root, "pairs"))
        return (*results, self._log_prob(u, failed), self._spread(of, failed), *pairs)

    def _parameter(
        self, name: str, u: Array, draws: PosteriorDraws, i: int, failed: Mask
    ) -> Result:
        z = _standardised(draws, i)[~failed]
        central, above = np.mean(np.abs(u - 0.5) <= 0.34), np.mean(u > 0.5)
        numbers = {
            "bias": uniformity.bias(u),
            "dispersion": uniformity.dispersion(u),
            **dict(_moments(z)),
            "failed": float(failed.sum()),
        }
        why = (
            f"the central 68 % interval of {name} holds the truth in {100 * central:.0f} % of "
            f"{len(u)} simulations, and the truth lies above the median in {100 * above:.0f} %"
        )
        return self._result(name, u, numbers, why, _says(name, u), tuple(u[~failed].tolist()))

    def _log_prob(self, u: Array, failed: Mask) -> Result:
        numbers = {"signed_area": float(np.mean(u) - 0.5), "failed": float(failed.sum())}
        why = (
            f"the density at the truth is above the median of the draws' densities in "
            f"{100 * np.mean(u > 0.5):.0f} % of {len(u)} simulations, where 50 % is right"
        )
        says: dict[Fault, str] = {
            "width": saying.width(1 - u, _densest, narrow=bool(np.mean(u) < 0.5)),
            "shape": saying.shape(1 - u, _densest),
        }
        outwards = tuple((1 - u[~failed]).tolist())
        return self._result(LOG_PROB, u, numbers, why, says, outwards, outwards=True)

    def _spread(self, of: dict[str, Array], failed: Mask) -> Result:
        names, n = tuple(of), len(failed)
        scores = uniformity.spread_scores(np.stack(list(of.values())))
        worst = int(np.abs(scores).argmax())
        u = of[names[worst]]
        dispersion = uniformity.dispersion(u)
        why = (
            f"the ranks of {names[worst]} have {dispersion:.2f} times the variance of uniform ones "
            f"in {n} simulations"
        )
        return Result(
            test=SPREAD,
            statistic=float(scores[worst]),
            p_value=uniformity.largest_score(scores),
            curve=self._scatter(names, scores, n),
            why=why,
            numbers={"dispersion": dispersion, "failed": float(failed.sum())},
            says={"width": why, "shape": _says(names[worst], u)["shape"]},
            ranks=tuple(u[~failed].tolist()),
        )

    def _scatter(self, names: tuple[str, ...], scores: Array, n: int) -> Curve:
        """A step for each parameter."""
        x = np.repeat(np.arange(len(names) + 1.0), 2)[1:-1] + 0.5
        error = uniformity.spread_error(n)
        width = error * uniformity.critical_score(self.level, len(names))
        return Curve(
            x=tuple(x.tolist()),
            y=tuple(np.repeat(1 + error * scores, 2).tolist()),
            ideal=tuple(np.ones(len(x)).tolist()),
            lower=tuple(np.full(len(x), 1 - width).tolist()),
            upper=tuple(np.full(len(x), 1 + width).tolist()),
            x_label="parameter",
            y_label="variance of the ranks, over that of uniform ones",
            ticks=names,
        )

    def _result(
        self,
        test: str,
        u: Array,
        numbers: dict[str, float],
        why: str,
        says: dict[Fault, str],
        ranks: tuple[float, ...],
        *,
        outwards: bool = False,
    ) -> Result:
        gamma, p_value = uniformity.simultaneous(u)
        lower, upper = uniformity.simultaneous_band(len(u), self.level)
        grid = uniformity.GRID
        curve = Curve(
            x=tuple(grid.tolist()),
            y=tuple((uniformity.ecdf(u) - grid).tolist()),
            ideal=tuple(0 * grid),
            lower=tuple((lower - grid).tolist()),
            upper=tuple((upper - grid).tolist()),
            x_label="rank of the truth, as a share of the draws",
            y_label="cumulative share of simulations minus that share",
        )
        return Result(
            test=test,
            statistic=gamma,
            p_value=p_value,
            curve=curve,
            why=why,
            numbers=numbers,
            says=says,
            ranks=ranks,
            outwards=outwards,
        )


def _says(name: str, u: Array) -> dict[Fault, str]:
    """The numbers that condemn a parameter's place, width or shape, from its ranks (N,)."""

    def central(content: str) -> str:
        return f"the central {content} interval of {name} holds the truth"

    def below(quantile: str) -> str:
        return f"the truth of {name} lies below the {quantile} quantile of the draws"

    narrow = uniformity.dispersion(u) > 1
    return {
        "place": saying.place(u, name),
        "width": saying.width(np.abs(2 * u - 1), central, narrow=narrow),
        "shape": saying.shape(u, below),
    }


def _densest(share: str) -> str:
    return f"the truth is among the densest {share} of the draws"


def _standardised(draws: PosteriorDraws, i: int) -> Array:
    """Distance of the truth from the posterior mean in posterior widths, with shape (B,)."""
    values = draws.draws[..., i]
    return np.asarray((draws.theta[:, i] - values.mean(0)) / values.std(0))


def _moments(z: Array) -> Iterator[tuple[str, float]]:
    """Mean of z and of its modulus (0.80 for a Gaussian), where any observation was sampled."""
    if len(z):
        yield "mean_z", float(np.mean(z))
        yield "mean_abs_z", float(np.mean(np.abs(z)))
