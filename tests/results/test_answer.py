"""The answer is the published estimator that says most, and nothing is claimed beyond errors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from sbipipe.gate.sharpness import estimate
from sbipipe.gate.verdict import Advice
from sbipipe.posteriors.comparison import Pair
from sbipipe.results.answer import Answer, answers
from sbipipe.results.calibration import Judged, learned
from sbipipe.results.run import Results

SHARING = {"cdm": ("npe", "nle", "nre")}


@pytest.fixture
def judged(run_results: Results) -> tuple[Judged, ...]:
    """Three estimators with 1, 1.2 and 2 nats, of which the last is withheld."""
    worth = {"npe": (1.0, True), "nle": (1.2, True), "nre": (2.0, False)}
    found = []
    for e in run_results.estimators:
        if e.name in worth:
            mean, out = worth[e.name]
            nats = replace(e.verdict.gain.nats, mean=mean, se=0.1)
            verdict = replace(
                e.verdict,
                verdict="calibrated" if out else "overconfident",
                published=out,
                gain=replace(e.verdict.gain, nats=nats),
                advice=() if out else (Advice(found="it is", do="this: 1"),),
            )
            found.append(replace(e, verdict=verdict))
    return tuple(found)


def pair(run_results: Results, a: str, b: str, mean: float, spread: float) -> Pair:
    """Of 100 paired differences with this mean and standard deviation."""
    nats = estimate(mean + spread * np.tile([-1.0, 1.0], 50))
    return replace(run_results.pairs[0], a=a, b=b, nats=nats)


def only(estimators: tuple[Judged, ...], *pairs: Pair) -> Answer:
    (found,) = answers(SHARING, estimators, pairs)
    return found


def contracted(estimator: Judged, **contraction: float) -> Judged:
    sharpness = replace(estimator.verdict.sharpness, contraction=contraction)
    return replace(estimator, verdict=replace(estimator.verdict, sharpness=sharpness))


def test_the_published_one_with_most_nats_is_used(judged: tuple[Judged, ...]) -> None:
    found = only(judged)
    assert found.use is not None
    assert found.use.name == "nle"
    assert found.filled == ("nle", "npe")
    assert found.sentences[0].startswith("Use nle: it gains 1.20 ± 0.1 nats over the prior")


def test_another_is_as_good_within_the_error_of_the_paired_difference(
    run_results: Results, judged: tuple[Judged, ...]
) -> None:
    """The same difference of 0.2 nats, with errors of 0.02 and of 0.2, and either way round."""
    clear = only(judged, pair(run_results, "nle", "npe", 0.2, 0.2))
    assert "0.20 ± 0.02 more than npe" in clear.sentences[0]
    vague = only(judged, pair(run_results, "npe", "nle", -0.2, 2.0))
    assert "more than" not in vague.sentences[0]
    assert "npe (0.20 ± 0.2 nats behind)" in vague.sentences[1]


def test_what_a_withheld_sibling_would_know_is_said(
    run_results: Results, judged: tuple[Judged, ...]
) -> None:
    npe, nle, nre = judged
    wide = contracted(nle, omega_m=0.5, sigma_8=0.01)
    sharp = contracted(nre, omega_m=0.5, sigma_8=0.75)
    found = only((npe, wide, sharp), pair(run_results, "nre", "nle", 0.8, 0.1))
    assert any("learned nothing of sigma_8" in words for words in found.sentences)
    assert found.use is not None
    assert found.use.learned_nothing_of == ("sigma_8",)
    (lost,) = (words for words in found.sentences if words.startswith("nre, withheld"))
    assert "0.80 ± 0.01 nats more" in lost
    assert "narrower in sigma_8 (0.50 times as wide)" in lost
    assert [p.learned for p in found.parameters] == ["some", "nothing"]
    assert found.parameters[1].widths["nre"] == pytest.approx(0.5)
    assert found.parameters[1].widths["nle"] == pytest.approx(math.sqrt(0.99))


def test_where_none_is_published_the_next_step_is_named(judged: tuple[Judged, ...]) -> None:
    found = only((judged[2],))
    assert found.use is None
    assert found.sentences[1] == "Try next for nre: this: 1 (it is)"
    assert not found.parameters[0].learned


@pytest.mark.parametrize(
    ("contraction", "word"),
    [(-0.1, "nothing"), (0.05, "nothing"), (0.2, "little"), (0.5, "some"), (0.99, "much"),
     (math.nan, "")],
)  # fmt: skip
def test_contractions_in_words(contraction: float, word: str) -> None:
    assert learned(contraction) == word
