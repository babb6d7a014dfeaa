r"""Every verdict with an example: writes `docs/verdicts.md` and its pictures (`make pictures`).

The simulator is linear with Gaussian noise, so its posterior is known and can be spoiled by a known
amount. For theta ~ N(0, I) and

    x = A theta + noise,   noise ~ N(0, S),   S diagonal,

the posterior is normal with the covariance C = (I + A^T S^-1 A)^-1 and the mean C A^T S^-1 x. What
is put through the gate (`sbipipe.judge`) are draws from normals that differ from it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

import sbipipe
from sbipipe.figures import calibration_curves
from sbipipe.figures.night import at_night
from sbipipe.figures.style import BAND, COLUMN, FAINT, Drawing, canvas, finish, head, looks
from sbipipe.gate.verdict import Verdict
from sbipipe.interfaces import Array
from sbipipe.results.tests import by_test

NAMES = ("a", "b")
DESIGN, NOISE = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([0.3, 1.0])
DRAWS, BINS = 400, 20

HEAD = """\
# Every verdict, with an example

This page is made by `tools/verdict_examples.py` (`make pictures`): of a simulator whose posterior
is known (two parameters a and b, linear in them, with Gaussian noise), the exact posterior and
others that differ from it by a known amount were put through the gate with `sbipipe.judge`. The
words under *Said* are the first reasons that it gave, as they stand on the page of a run. What to
do about each is said on [My posterior was withheld](withheld.md).

The first picture has the ranks of the true parameters among the draws, flat where the posterior is
right; the grey band holds 99 % of the bars. The second has the coverage of highest-density regions:
the share of truths that regions of each size hold, on the diagonal where the posterior is right,
below it where it is too narrow. The grey band holds the whole curve of an exact posterior in 99 %
of all runs.
"""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A posterior that differs from the exact one by a known amount.

    Attributes:
        name: The name of its pictures.
        verdict: The verdict that it gets.
        made: What was done to the exact posterior, in words.
        look: What to look at in the pictures, in words.
        simulations: The number of test simulations.
        width: The factors on the widths, below and above a median of the first datum.
        shift: The displacement of a, in its widths.
        correlated: Whether a and b are correlated as they should be.
        prior: Whether it is the prior instead.
        pair: Whether ranks are those of the sum of both parameters, not of each.
    """

    name: str
    verdict: str
    made: str
    look: str
    simulations: int = 600
    width: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    correlated: bool = True
    prior: bool = False
    pair: bool = False

    def normals(self, x: Array) -> tuple[Array, Array]:
        """Means (N, 2) and covariances (N, 2, 2) given data x (N, 2)."""
        if self.prior:
            return np.zeros_like(x), np.broadcast_to(np.eye(2), (len(x), 2, 2))
        covariance = np.linalg.inv(np.eye(2) + DESIGN.T / NOISE**2 @ DESIGN)
        mean = x / NOISE**2 @ DESIGN @ covariance
        mean[:, 0] += self.shift * np.sqrt(covariance[0, 0])
        claimed = covariance if self.correlated else np.diag(np.diag(covariance))
        width = np.where(x[:, 0] < 0, *self.width)
        return mean, width[:, None, None] ** 2 * claimed


EXAMPLES = (
    Example(
        name="calibrated",
        verdict="calibrated",
        made="Nothing: the exact posterior.",
        look="Bars and curve stay inside their bands.",
    ),
    Example(
        name="overconfident",
        verdict="overconfident",
        made="Both widths were multiplied by 0.8.",
        look="Truths pile up at both ends of the ranks, beyond the draws, and the curve hangs "
        "below the diagonal: regions hold fewer truths than they claim.",
        width=(0.8, 0.8),
    ),
    Example(
        name="underconfident",
        verdict="underconfident",
        made="Both widths were multiplied by 1.25.",
        look="Truths pile up in the middle of the ranks, and the curve arches above the diagonal.",
        width=(1.25, 1.25),
    ),
    Example(
        name="biased",
        verdict="biased",
        made="The posterior of a was moved up by 0.3 of its width.",
        look="The ranks of a slope: its truths lie among the lower draws. The coverage shows "
        "less of it, which is why it is not the only test.",
        shift=0.3,
    ),
    Example(
        name="misshapen",
        verdict="misshapen",
        made="The correlation of a and b was left out; both widths are right.",
        look="The ranks of a and of b alone would be flat. Those of their sum, which are "
        "shown, are not: the sum of two parameters that are taken to be independent is too wide.",
        correlated=False,
        pair=True,
    ),
    Example(
        name="by_region",
        verdict="misshapen",
        made="The widths were multiplied by 0.75 where the first datum is below zero, and by 1.25 "
        "elsewhere.",
        look="On average all is nearly right. The test by region finds it and names the place.",
        width=(0.75, 1.25),
    ),
    Example(
        name="uninformative",
        verdict="uninformative",
        made="The posterior is the prior, whatever the data.",
        look="Nothing is wrong with ranks and coverage: the prior is calibrated. It has learned "
        "nothing.",
        prior=True,
    ),
    Example(
        name="inconclusive",
        verdict="inconclusive",
        made="Nothing: the exact posterior, but with 150 test simulations in place of 600.",
        look="The bands are so wide that a posterior with quite wrong widths would stay inside.",
        simulations=150,
    ),
)


def judged(example: Example, seed: int = 3) -> tuple[Verdict, Array]:
    """The verdict, and the ranks of a and b, or of their sum, with shape (k, N)."""
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal((example.simulations, 2))
    x = theta @ DESIGN.T + NOISE * rng.standard_normal(theta.shape)
    mean, covariance = example.normals(x)
    root = np.linalg.cholesky(covariance)
    draws = mean + np.einsum("nij,knj->kni", root, rng.standard_normal((DRAWS, *theta.shape)))

    def log_prob(points: Array) -> Array:
        away = np.linalg.solve(root, (points - mean)[..., None])[..., 0]
        return stats.norm.logpdf(away).sum(-1) - np.log(np.diagonal(root, 0, 1, 2)).sum(-1)

    prior = {name: {"kind": "normal", "loc": 0.0, "scale": 1.0} for name in NAMES}
    verdict = sbipipe.judge(theta, draws, log_prob, prior=prior, x=x, name=example.name)
    if example.pair:
        theta, draws = theta.sum(1, keepdims=True), draws.sum(2, keepdims=True)
    return verdict, (draws < theta).mean(0).T


def ranks(example: Example, u: Array) -> Drawing:
    """Histograms of ranks (k, N), with the band that holds 99 % of the bars."""
    names = ["a + b"] if example.pair else NAMES
    n = u.shape[1]
    low, high = stats.binom.ppf([0.005, 0.995], n, 1 / BINS)
    with canvas(COLUMN, 4.0) as figure:
        head(figure, "Ranks of the truth")
        for axes, name, one in zip(
            figure.subplots(len(names), 1, squeeze=False).flat, names, u, strict=True
        ):
            axes.axhspan(low, high, color=BAND, lw=0)
            axes.axhline(n / BINS, color=FAINT, lw=0.8)
            look = looks([example.name])[example.name]
            axes.hist(one, BINS, range=(0, 1), histtype="step", color=look.colour, lw=1.4)
            axes.set(ylabel=f"simulations, {name}", xlim=(0, 1))
        axes.set_xlabel("share of draws below the truth")
        words = f"Ranks of the true parameters of the example {example.name}, {BINS} bars."
        return finish(figure, f"verdict_{example.name}_ranks", words)


def coverage(example: Example, verdict: Verdict) -> Drawing:
    """The curve of the coverage, as the page of a run has it."""
    (found,) = (one for one in by_test({"posterior": verdict}) if one.diagnostic == "coverage")
    drawn = calibration_curves.draw(found, looks(["posterior"]))
    return Drawing(
        name=f"verdict_{example.name}_coverage", alt=drawn.alt, caption="", image=drawn.image,
        suffix=drawn.suffix, width=drawn.width,
    )  # fmt: skip


def part(example: Example, verdict: Verdict, pictures: tuple[Drawing, ...]) -> Iterator[str]:
    """One example, in Markdown."""
    by_region = " (by region)" if example.name == "by_region" else ""
    yield f"## `{verdict.verdict}`{by_region}\n"
    yield f"{example.made} {example.look}\n"
    yield "\n".join(f"![{one.alt}](pictures/{one.name}.{one.suffix})" for one in pictures) + "\n"
    yield "*Said:*\n"
    yield "\n".join(f"> - {reason}." for reason in verdict.reasons[:3]) + "\n"


def main() -> None:
    """Judge every example; write the pictures, then the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs"))
    out = parser.parse_args().out
    (out / "pictures").mkdir(exist_ok=True)
    lines = [HEAD]
    for example in EXAMPLES:
        verdict, u = judged(example)
        pictures = ranks(example, u), coverage(example, verdict)
        for one in pictures:
            (out / f"pictures/{one.name}.{one.suffix}").write_bytes(at_night(one.image))
        lines += part(example, verdict, pictures)
        print(f"{example.name}: {verdict.verdict}")
    (out / "verdicts.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
