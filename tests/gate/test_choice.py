"""The one to use is published, exact before learned, and says most."""

from __future__ import annotations

from dataclasses import replace

from sbipipe.gate.choice import recommended
from sbipipe.gate.verdict import Verdict
from sbipipe.results.run import Results


def test_published_before_exact_before_nats(run_results: Results) -> None:
    first = run_results.estimators[0].verdict

    def verdict(mean: float, *, published: bool) -> Verdict:
        nats = replace(first.gain.nats, mean=mean)
        return replace(first, published=published, gain=replace(first.gain, nats=nats))

    found = {
        "low": verdict(1.0, published=True),
        "high": verdict(2.0, published=True),
        "unknown": verdict(float("nan"), published=True),
        "withheld": verdict(3.0, published=False),
    }
    assert recommended(found, exact=["withheld"]) == "high"
    assert recommended(found, exact=["low"]) == "low"
    assert recommended({"withheld": found["withheld"]}, exact=[]) is None
