"""The page says what the results say, and brings everything it needs."""

from __future__ import annotations

import csv
import re
import runpy
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import finished_run
from sbipipe import report, storage, writing
from sbipipe.emulation.asked import Asked
from sbipipe.figures.gallery import Gallery, draw_all
from sbipipe.gate.sharpness import estimate
from sbipipe.gate.verdict import Advice, Estimate
from sbipipe.records import dump, load
from sbipipe.results import run as results
from sbipipe.results.asked import Hearing
from sbipipe.results.learning import Learning
from sbipipe.results.mended import Recalibrated
from sbipipe.results.posteriors import EXAMPLES
from sbipipe.results.run import Results

STAGE = Path(__file__).parents[1] / "stages/report.py"


def test_nothing_is_fetched_and_nothing_runs(run_page: str) -> None:
    sources = re.findall(r'src="([^"]*)"', run_page)
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    links = set(re.findall(r'href="([^"]*)"', run_page))
    assert all(re.match(r"#|posteriors/|withheld/", link) for link in links)
    assert not re.search(r"<script|<link|@import|url\(|https?://", run_page)
    assert len(run_page) < 6e6


def test_every_figure_says_what_it_shows(run_page: str) -> None:
    assert all(len(alt) > 30 for alt in re.findall(r'<img[^>]*alt="([^"]*)"', run_page))
    assert run_page.count("<img") == run_page.count(" alt=")


def test_words_from_outside_are_escaped(run_page: str) -> None:
    assert "&lt;b&gt;no&lt;/b&gt; &amp; convergence" in run_page
    assert "<b>" not in run_page


def test_params_are_shown_as_they_were_written(run_results: Results, run_page: str) -> None:
    assert run_results.text in run_page


def test_the_verdicts_come_first(run_results: Results, run_page: str) -> None:
    table = run_page.index("<table")
    assert run_page.index(report.verdict(run_results)[:30]) < table < run_page.index("<img")
    for e in run_results.estimators:
        row = re.search(rf'scope="row">{e.name}</th>(.*?)</tr>', run_page[table:], re.DOTALL)
        assert row
        assert e.verdict.verdict in row[1]
        assert e.file in row[1]


def test_navigation_comes_first_and_the_answer_before_the_verdicts(run_page: str) -> None:
    places = [run_page.index(word) for word in ("<nav", "lead", "What to use", 'id="verdicts"')]
    assert places[1:] == sorted(places[1:])
    assert places[0] < places[2]
    links = re.findall(r'<a href="#([a-z]+)">', run_page)
    assert links
    assert all(f'<h2 id="{link}">' in run_page for link in links)


def test_a_column_of_dashes_is_left_out(
    run_results: Results, run_gallery: Gallery, run_page: str
) -> None:
    assert "KL from exact" in run_page
    learned = tuple(
        replace(e, performance=replace(e.performance, kl_from_exact=None, train_seconds=None))
        for e in run_results.estimators
        if not e.exact
    )
    pairs = tuple(replace(pair, nats=None) for pair in run_results.pairs)
    bare = replace(run_results, estimators=learned, pairs=pairs)
    text = report.page(bare, dict.fromkeys(run_gallery, ()))
    assert "KL from exact" not in text
    assert ">Training</th>" not in text
    assert ">Difference<small>" not in text


def test_without_estimators_the_page_is_about_emulated_fields(
    run_results: Results, run_gallery: Gallery
) -> None:
    nobody = replace(run_results, estimators=(), sharing={}, pairs=(), recalibrated=())
    text = report.page(nobody, dict.fromkeys(run_gallery, ()))
    assert "<h1>Emulated fields: " in text
    assert "No estimator was trained" in text
    headings = re.findall('<h2 id="(.*?)"', text)
    assert headings == ["simulations", "emulation", "learning", "run", "words"]
    for anchor in re.findall('<a href="#(.*?)"', text):
        assert f'id="{anchor}"' in text


def test_every_kind_of_test_is_cited(run_results: Results, run_page: str) -> None:
    assert run_results.sources.keys() == run_results.params.diagnose.keys()
    for arxiv in ("1804.06788", "2110.06581", "2302.03026", "2102.10473", "2211.02383"):
        assert f"arXiv:{arxiv}" in run_page


def test_what_to_try_next_stands_beside_the_verdict(
    run_results: Results, run_gallery: Gallery
) -> None:
    first = run_results.estimators[0]
    verdict = replace(
        first.verdict,
        verdict="overconfident",
        published=False,
        advice=(Advice(found="npe stopped at epoch 60", do="train.npe: <more>"),),
    )
    held = replace(run_results, estimators=(replace(first, verdict=verdict),))
    text = report.page(held, dict.fromkeys(run_gallery, ()))
    assert "<code>train.npe: &lt;more&gt;</code><br>npe stopped at epoch 60." in text
    assert "Try next for npe: train.npe: &lt;more&gt; (npe stopped at epoch 60)." in text


def test_the_verdict_in_words(run_results: Results) -> None:
    first = run_results.estimators[0]
    out = replace(first.verdict, verdict="calibrated", published=True)
    npe = replace(first, verdict=out)
    held = replace(out, verdict="overconfident", published=False, reasons=("Too narrow: it is",))
    nre = replace(first, name="nre", verdict=held)
    words = report.verdict(replace(run_results, estimators=(npe, nre)))
    assert words.startswith("1 of 2 posteriors may be published: npe. ")
    assert "nre is withheld as overconfident: too narrow: it is." in words
    three = (npe, nre, replace(nre, name="nle"))
    words = report.verdict(replace(run_results, estimators=three))
    assert "nre and nle are withheld as overconfident: too narrow: it is." in words
    assert report.verdict(replace(run_results, estimators=(nre,))).startswith(
        "The posterior may not be published."
    )
    assert report.verdict(replace(run_results, estimators=(nre, nre))).startswith(
        "None of 2 posteriors may be published."
    )


def test_the_settings_of_the_gate_are_quoted(run_results: Results, run_page: str) -> None:
    gate = run_results.params.gate
    assert f"a width that is wrong by {writing.percent(gate.width_error)}" in run_page
    assert f"<small>with probability {gate.chance:g}</small>" in run_page


def test_missing_pieces_leave_a_page(run_results: Results) -> None:
    bare = replace(
        run_results,
        pairs=(),
        learning=(),
        examples=(),
        recoveries=(),
        suites=(),
        components=(),
        stages=(),
        emulations=(),
        budgets={},
    )
    text = report.page(bare, draw_all(bare))
    assert "There is no pair of estimators to compare." in text
    assert "No network was trained." in text
    assert "No posterior could be drawn." in text


def test_an_emulator_has_a_section(run_results: Results, run_page: str) -> None:
    section = run_page[run_page.index('<h2 id="emulation">') : run_page.index('<h2 id="learning">')]
    assert '<a href="#emulation">' in run_page
    assert "model drew 12 fields each, which stand here beside 10 true fields of cdm" in section
    (found,) = run_results.emulations
    for headline in found.headlines:
        assert headline.what in section
        assert writing.number(headline.generated) in section
    assert "model drew 60 fields, which stand beside 60 true ones of 20 simulations" in section
    for line in found.sampled:
        assert line.what in section
    assert section.count("<td>chosen</td>") == sum(
        line.seen == "chosen" for line in (*found.headlines, *found.sampled)
    )
    assert section.count("<img") == 2 + 1 + 3 * 3 + 1 + 2
    assert "Left out" not in section


def test_what_more_simulations_would_gain_stands_below_the_learning_curves(
    run_results: Results, run_page: str
) -> None:
    section = run_page[run_page.index('id="budget"') : run_page.index('id="comparison"')]
    curve = run_results.budgets["npe"]
    assert f"<li>{curve.sentence}." in section
    for point in curve.points:
        assert f'<td class="n">{point.simulations}</td>' in section


def test_the_ladder_has_a_row_for_each_rung_and_one_for_the_prior(
    run_results: Results, run_page: str
) -> None:
    (ladder,) = run_results.ladders
    section = run_page[run_page.index('id="ladder"') : run_page.index("Figures of each")]
    assert section.count('scope="row"') == len(ladder.rungs) + 1
    assert all(f"<li>{sentence}.</li>" in section for sentence in ladder.sentences)


def test_without_an_emulator_there_is_no_trace(run_results: Results, run_gallery: Gallery) -> None:
    stages = tuple(one for one in run_results.stages if one.stage not in ("emulate", "score"))
    learning = tuple(one for one in run_results.learning if one.entry != "model")
    bare = replace(run_results, emulations=(), stages=stages, learning=learning)
    text = report.page(bare, run_gallery)
    text = text.partition("params.yaml")[0]
    assert "mulat" not in text.replace("simulat", "").replace("Simulat", "")


def test_an_emulator_that_could_not_be_checked_says_why(
    run_results: Results, run_gallery: Gallery
) -> None:
    mute = Asked(simulator="cdm", fields=0, why="none <yet>", readings={}, left_out={}, masses={})
    bare = replace(
        run_results,
        emulations=(),
        unchecked={"nle": "vectors, not <fields>"},
        asked={"nle": Hearing(asked=mute)},
    )
    text = report.page(bare, run_gallery)
    assert "No published estimator was asked about the fields of nle: none &lt;yet&gt;." in text
    assert "From generated fields" not in text
    assert "beside true ones: vectors, not &lt;fields&gt;." in text
    assert "reduced chi-squared" not in text


def test_what_published_estimators_found_is_said(
    run_results: Results, run_page: str, run_gallery: Gallery
) -> None:
    assert "None of them tells these fields from true ones." in run_page
    assert "Not asked: surface reads surfaces" in run_page
    found = run_results.asked["model"]
    assert len(found.lines) == 3 * len(run_results.estimators)
    npe = found.asked.readings["npe"]
    nats = npe.generated["nats"]
    seen = replace(npe, generated=npe.generated | {"nats": replace(nats, p=1e-4)}, control={})
    asked = replace(found.asked, readings=found.asked.readings | {"npe": seen})
    changed = replace(run_results, asked={"model": Hearing(asked=asked)})
    text = report.page(changed, run_gallery)
    assert "They tell these fields from true ones: npe (nats at the truth)." in text
    assert "no true fields of other seeds" in text


def test_how_well_a_spectrum_is_predicted_is_said(
    run_results: Results, run_page: str, run_gallery: Gallery
) -> None:
    (found,) = run_results.emulations
    assert "error bars" not in run_page
    notes = {"simulations": 90, "difference_percent": 14.2, "expected_percent": 14.7}
    notes |= {"error_percent": 1.6, "covered_68": 0.694, "covered_95": 0.952}
    predicts = replace(found, spectrum=notes)
    text = report.page(replace(run_results, emulations=(predicts,)), run_gallery)
    assert "Bars of 68 % hold 69 % of the values, bars of 95 % 95 %." in text
    for words in ("In 90 simulations", "by 0.14 (rms)", "0.016, together explain 0.15"):
        assert words in text


def test_what_is_left_out_is_said(run_results: Results, run_gallery: Gallery) -> None:
    (found,) = run_results.emulations
    judgement = replace(
        found.judgement,
        control="halves",
        left_out={"bispectrum": "given boxes"},
        channels=2,
        response=replace(found.judgement.response, rows={"generated": 15}),
        counts=replace(found.judgement.counts, failed=3),
        at_one_theta="They take <10> simulations",
    )
    elsewhere = replace(found, judgement=judgement)
    text = report.page(replace(run_results, emulations=(elsewhere,)), run_gallery)
    assert "Left out: bispectrum (given boxes)." in text
    assert "against the other half" in text
    assert "there is no true response" in text
    assert "3 of these simulations failed" in text
    assert "all 2 channels" in text
    assert "No tests of many fields at one place: they take &lt;10&gt; simulations." in text


@pytest.mark.parametrize("dimension", [1, 5])
def test_other_numbers_of_parameters(tmp_path: Path, dimension: int) -> None:
    with chdir(tmp_path):
        finished_run.write(
            Path(), dimension=dimension, widths={"npe": 1.0}, as_fields=False,
            simulations=30, draws=60,
        )  # fmt: skip
        whole = results.read()
    found = replace(whole, examples=whole.examples[:1], recoveries=whole.recoveries[:1])
    gallery = draw_all(found)
    assert len(whole.examples) == EXAMPLES
    assert len(gallery["posteriors"]) == 1
    pairs = int(dimension > 1)
    assert len(gallery["calibration"]) == dimension + 5 + pairs
    assert len(gallery["regions"]) == (3 if pairs else 1)
    assert report.page(found, gallery)


def test_the_stage_writes_the_page_its_figures_and_tables(
    run_folder: Path, run_results: Results
) -> None:
    with chdir(run_folder):
        runpy.run_path(str(STAGE))["main"]()
        metrics = storage.load_json(Path("reports/metrics.json"))
        figures = {path.name for path in Path("reports/figures").iterdir()}
        with Path("reports/plots/coverage.csv").open() as file:
            coverage = list(csv.DictReader(file))
        with Path("reports/plots/learning.csv").open() as file:
            learning = list(csv.DictReader(file))
    assert "<html" in (run_folder / "reports/index.html").read_text()
    assert {"c2st.svg", "fields_cdm.png", "calibration_coverage.hpd.svg"} <= figures
    for e in run_results.estimators:
        assert metrics[e.name]["published"] == int(e.verdict.published)
        assert metrics[e.name]["min_p_adjusted"] == e.min_p_adjusted
    assert "kl_from_exact" in metrics["npe"]
    ratio = run_results.emulations[0].judgement.chi_squared.sets["generated"].ratio
    assert metrics["model"]["emulation"]["chi_squared_over_null"]["mean"] == ratio
    assert metrics["model"]["emulation"]["chi_squared_over_control"]["se"] > 0
    assert "emulation" not in metrics["npe"]
    assert "kl_from_exact" not in metrics["exact"]
    assert len(coverage) == 4 * (7 * 101 + 2 * 2)
    assert {row["network"] for row in learning} >= {"vectors/member 0", "npe/member 2"}
    assert len(learning) == 40 * 7


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([-1.0, -2.0], "−1.500 ± 0.35"),  # noqa: RUF001
        ([2.0, np.inf, np.inf, np.inf], "infinite for 3; others 2.000"),
        ([-np.inf], "infinite for 1"),
        ([np.nan], "–"),  # noqa: RUF001
    ],
)
def test_estimates_in_words(values: list[float], words: str) -> None:
    """As they were made, and as they come back from a file."""
    made = estimate(np.array(values))
    assert writing.nats(made) == words
    assert writing.nats(load(Estimate, dump(made), "here")) == words


def test_what_is_not_known_is_a_dash() -> None:
    for write in (writing.nats, writing.number, writing.percent, writing.duration):
        assert write(None) == writing.NONE  # type: ignore[operator]
    for write in (writing.number, writing.percent, writing.duration):
        assert write(np.nan) == writing.NONE


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "–"), (0.0042, "4.2 ms"), (90, "1.5 min"), (5400, "1.5 h")]  # noqa: RUF001
)  # fmt: skip
def test_durations_in_words(seconds: float | None, words: str) -> None:
    assert writing.duration(seconds) == words


def test_what_a_recalibration_gains_is_on_the_page(
    run_results: Results, run_gallery: Gallery
) -> None:
    notes = {
        "nats_gained": 0.125,
        "nats_gained_error": 0.01,
        "rows_without_a_posterior": 0,
        "median_pareto_k": None,
        "own_figure": 0.25,
    }
    mended = Recalibrated(entry="npe+nle", kind="reweighted", of="npe", target="nle", notes=notes)
    page = report.page(replace(run_results, recalibrated=(mended,)), run_gallery)
    line = (
        "npe+nle, reweighted of npe towards nle: 0.125 ± 0.010 nats are gained at the truth; "
        "own figure: 0.25."
    )
    assert line in page
    assert 'id="recalibration"' not in report.page(run_results, run_gallery)


def test_what_changed_nothing_is_no_further_posterior(run_results: Results) -> None:
    first, second = (e.name for e in run_results.estimators[:2])
    mended = Recalibrated(
        entry=second, kind="levels", of=first, target=None, notes={"worth_having": False}
    )

    def found(*published: bool) -> Results:
        pair = [
            replace(e, verdict=replace(e.verdict, published=out))
            for e, out in zip(run_results.estimators, published, strict=False)
        ]
        return replace(
            run_results, estimators=(*pair, *run_results.estimators[2:]), recalibrated=(mended,)
        )

    same = found(True, True)
    assert same.idle == {second: first}
    assert f"{second} changed nothing worth having of {first}" in report.verdict(same)
    assert second not in [rung.name for ladder in same.ladders for rung in ladder.rungs]
    assert second not in same.examples[0].of([e.name for e in same.distinct]).draws
    assert not any(second in test.of([first]).results for test in same.tests)
    assert found(False, True).idle == {}


def test_memorisation_is_said_of_every_network(run_results: Results, run_gallery: Gallery) -> None:
    curve = {"epoch": (1.0, 2.0, 3.0), "train": (3.0, 1.0, 0.5), "valid": (3.0, 1.25, 1.5)}
    learned = Learning(entry="mine", curves={"features": curve}, chosen={"features": 2}, notes={})
    assert learned.memorised == {"features": 0.25}
    page = report.page(replace(run_results, learning=(learned,)), run_gallery)
    assert "mine: memorisation features 0.25." in page
    measured = replace(learned, notes={"memorisation": 0.5})
    assert measured.memorised == {}
    assert "mine: memorisation 0.5." in report.page(
        replace(run_results, learning=(measured,)), run_gallery
    )


def test_long_names_may_break_behind_their_marks_alone() -> None:
    assert writing.breakable("npe_statistics+tempered") == "npe_<wbr>statistics+<wbr>tempered"
    assert writing.breakable("withheld/a<b.nc") == "withheld/<wbr>a&lt;b.nc"
