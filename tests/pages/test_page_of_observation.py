"""The page of an observation says what is known of its posteriors, and brings all it needs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sbipipe import project
from sbipipe.config import read_params
from sbipipe.pages import observation
from sbipipe.posteriors import infer, predictive
from sbipipe.posteriors.portrait import Portrait
from sbipipe.writing import MINUS


@pytest.fixture
def portrait(finished: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Portrait:
    monkeypatch.chdir(finished)
    np.save(tmp_path / "<new>.npy", project.test_rows(read_params(), "vectors").x[:2])
    content = infer.infer(read_params(), "exact", [tmp_path / "<new>.npy"], 200, None, False)
    return infer.portrait(read_params(), content)


def test_the_page_has_numbers_figures_and_checks(portrait: Portrait) -> None:
    content = portrait.files["exact"]
    checks = predictive.predict(read_params(), content, 2, 40)
    best, other = sorted(("exact", "again"), key=lambda name: name != portrait.recommended)
    page = observation.page(portrait, checks)
    assert page.count("<img") == 4
    assert all(len(alt) > 30 for alt in re.findall(r'<img[^>]*alt="([^"]*)"', page))
    assert all(one.startswith("data:image/") for one in re.findall(r'src="([^"]*)"', page))
    assert "&lt;new&gt;.npy[0]" in page
    assert "<new>" not in page
    for summary in portrait.summaries(0)["exact"]:
        assert " to ".join(summary.between(0.95)).replace("-", MINUS) in page
    assert "$\\mathrm{theta\\_0} = " in page
    assert f"<td>{other}</td>" in page
    assert f'<td>{best}<small class="of">recommended</small></td>' in page
    assert all(remark[1:] in page for remark in portrait.remarks)


def test_what_could_not_be_done_is_said(portrait: Portrait) -> None:
    content = portrait.files["exact"]
    lost = content.samples.draws.copy()
    lost[:, 0] = np.nan
    samples = replace(content.samples, draws=lost)
    alone = replace(
        portrait, files={"exact": replace(content, samples=samples)}, nearby={"exact": ()}
    )
    page = observation.page(alone, ["it is <b>far</b> too slow", "it is slow"])
    assert "No estimator could sample &lt;new&gt;.npy[0]" in page
    assert "Not checked: it is &lt;b&gt;far&lt;/b&gt; too slow." in page
    assert "No other estimator is published" in page
    assert "too few test simulations" in page
    assert "no simulations were asked for" in observation.page(portrait, [])


def test_the_page_says_whose_numbers_are_for_a_paper(portrait: Portrait) -> None:
    page = observation.page(replace(portrait, recommended="exact"), [])
    assert "; the report of this run recommends it" in page
    assert "For a paper, by exact, which is recommended, with 68 % intervals" in page
    page = observation.page(replace(portrait, recommended="again"), [])
    assert "asked for by name, and the report of this run recommends again" in page
    assert "For a paper, by exact, which was asked for, with 68 % intervals" in page
