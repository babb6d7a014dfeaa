"""The rungs add up, the exact posterior is the limit, and no loss is claimed within errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sbipipe.gate.sharpness import estimate
from sbipipe.posteriors.comparison import Pair
from sbipipe.results.calibration import Judged
from sbipipe.results.ladder import Ladder, ahead, ladders
from sbipipe.results.run import Results

WORTH = {"npe": 1.5, "nle": 1.2, "nre": 0.7, "exact": 1.8}
"""Nats over the prior; all but `exact` read `vectors`, which reads its simulator `cdm`."""


@pytest.fixture
def judged(run_results: Results) -> tuple[Judged, ...]:
    return tuple(worth(e, WORTH[e.name]) for e in run_results.estimators)


def worth(estimator: Judged, mean: float, cause: str = "") -> Judged:
    nats = replace(estimator.verdict.gain.nats, mean=mean, se=0.05)
    gain = replace(estimator.verdict.gain, nats=nats)
    return replace(estimator, verdict=replace(estimator.verdict, gain=gain, cause=cause))


def pairs(run_results: Results, spread: float = 0.1) -> tuple[Pair, ...]:
    """Paired differences as those of `WORTH`, each over 100 simulations."""
    first = run_results.pairs[0]
    noise = spread * np.tile([-1.0, 1.0], 50)
    names = list(WORTH)
    return tuple(
        replace(first, a=a, b=b, nats=estimate(WORTH[a] - WORTH[b] + noise))
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    )


def only(estimators: tuple[Judged, ...], found: tuple[Pair, ...]) -> Ladder:
    verdicts = {e.name: e.verdict for e in estimators}
    reads = {name: "cdm" if name == "exact" else "vectors" for name in verdicts}
    (ladder,) = ladders({"cdm": tuple(verdicts)}, reads, verdicts, ("exact",), found)
    return ladder


def test_the_ladder_of_a_run(run_results: Results) -> None:
    (ladder,) = run_results.ladders
    assert {rung.name for rung in ladder.rungs} == set(WORTH)
    assert {rung.name: rung.reads for rung in ladder.rungs} == {
        "npe": "vectors", "nle": "vectors", "nre": "vectors", "exact": "cdm"
    }  # fmt: skip


def test_the_exact_posterior_is_the_top_and_others_follow_by_nats(
    run_results: Results, judged: tuple[Judged, ...]
) -> None:
    ladder = only(judged, pairs(run_results))
    assert ladder.exact
    assert [rung.name for rung in ladder.rungs] == ["exact", "npe", "nle", "nre"]
    assert ladder.top.behind is None


def test_what_is_lost_by_the_set_and_by_the_estimator_adds_up(
    run_results: Results, judged: tuple[Judged, ...]
) -> None:
    ladder = only(judged, pairs(run_results))
    for rung in ladder.rungs[1:]:
        assert rung.reads == "vectors"
        assert rung.best == "npe"
        assert rung.behind is not None
        assert rung.by_set is not None
        own = rung.own.mean if rung.own else 0.0
        assert rung.by_set.mean + own == pytest.approx(rung.behind.mean)
        assert rung.behind.mean == pytest.approx(WORTH["exact"] - WORTH[rung.name])


def test_losses_are_said_where_they_show(run_results: Results, judged: tuple[Judged, ...]) -> None:
    clear = only(judged, pairs(run_results)).sentences
    assert clear == (
        "The exact posterior gains 1.80 ± 0.05 nats over the prior: all that the data say",
        "vectors loses at most 0.30 ± 0.01 nats, by which its best estimator, npe, is behind exact",
        "nle itself loses 0.30 ± 0.01 nats: npe has them",
        "nre itself loses 0.80 ± 0.01 nats: npe has them",
    )
    vague = only(judged, pairs(run_results, spread=5.0)).sentences
    assert len(vague) == 2
    assert vague[1].startswith("What vectors loses does not show")


def test_without_an_exact_posterior_the_limit_is_not_known(
    run_results: Results, judged: tuple[Judged, ...]
) -> None:
    learned = tuple(e for e in judged if e.name != "exact")
    ladder = only(learned, pairs(run_results))
    assert not ladder.exact
    assert ladder.top.name == "npe"
    assert "how much more the data say is not known" in ladder.sentences[0]


def test_an_exact_posterior_that_a_test_condemns_is_no_limit(
    run_results: Results, judged: tuple[Judged, ...]
) -> None:
    condemned = tuple(
        worth(e, 1.0, cause="sbc.omega_m") if e.name == "exact" else e for e in judged
    )
    assert not only(condemned, pairs(run_results)).exact


def test_what_is_not_paired_is_not_known(run_results: Results, judged: tuple[Judged, ...]) -> None:
    ladder = only(judged, ())
    assert all(rung.behind is None for rung in ladder.rungs)
    assert ladder.sentences[1:] == ("What vectors loses is not known",)
    assert ahead(pairs(run_results), "npe", "npe") is None


def test_a_difference_is_the_same_either_way_round(run_results: Results) -> None:
    found = pairs(run_results)
    one, other = ahead(found, "nle", "nre"), ahead(found, "nre", "nle")
    assert one is not None
    assert other is not None
    assert one.mean == -other.mean == pytest.approx(0.5)
    assert one.se == other.se
