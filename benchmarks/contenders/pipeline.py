"""sbipipe's estimators and recalibrations, through the calls that its stages make."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

from contenders.clock import Seconds, timed
from contenders.task import SEED, Fitted, Judged, Task
from sbipipe import plugins
from sbipipe.config import Draw, Gate
from sbipipe.gate.controls import controls
from sbipipe.gate.judge import judge
from sbipipe.interfaces import Array, Dataset, Generator, Run
from sbipipe.posteriors import drawing
from sbipipe.protocols import Posterior, Prior
from sbipipe.seeds import number
from sbipipe.studies.diagnosing import diagnostics


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """An estimator, perhaps recalibrated.

    Attributes:
        kind: The kind of estimator.
        recalibration: The kind of recalibration, or nothing.
        config: The settings other than the default ones, as JSON.
    """

    kind: str
    recalibration: str = ""
    config: str = "{}"

    def fit(self, task: Task) -> Fitted:
        raw = _raw(self.kind, self.config, task)
        if not self.recalibration:
            return raw
        kind = self.recalibration
        recalibration = plugins.make("recalibrate", kind, {}, f"recalibrate.{kind}")
        run = Run(seed=number(SEED, "recalibrate", self.kind))
        (mended, _), seconds = timed(
            lambda: recalibration.fit(raw.posterior, task.split("calibrate"), raw.prior, run)
        )
        return FittedPipeline(posterior=mended, prior=raw.prior, seconds=raw.seconds + seconds)


@lru_cache(maxsize=1)
def _raw(kind: str, config: str, task: Task) -> FittedPipeline:
    """An estimator, kept for the recalibrations of it that follow."""
    prior = task.problem.prior
    estimator = plugins.make("train", kind, json.loads(config), f"train.{kind}")
    run = Run(seed=number(SEED, "train", kind))
    train, valid = task.split("train"), task.split("valid")
    (posterior, _), seconds = timed(lambda: estimator.fit(train, valid, prior, run))
    return FittedPipeline(posterior=posterior, prior=prior, seconds=seconds)


@dataclass(frozen=True, kw_only=True)
class FittedPipeline:
    """A fitted estimator of sbipipe."""

    posterior: Posterior
    prior: Prior
    seconds: Seconds

    def sample(self, x: Array, n: int, rng: Generator) -> Array:
        return self.posterior.at(x).sample(n, rng).draws

    def log_prob(self, theta: Array, x: Array) -> Array:
        return self.posterior.at(x).log_prob(theta)

    def judge(self, test: Dataset, rng: Generator) -> Judged:
        judged, seconds = timed(lambda: self._judge(test, rng))
        return Judged(**judged, seconds=seconds)

    def _judge(self, test: Dataset, rng: Generator) -> dict[str, object]:
        drawn = drawing.draw(self.posterior, test, self.prior, Draw(), rng)
        verdict = judge(drawn, diagnostics(), Gate(), controls(Draw()), rng)
        level = (drawn.log_prob > drawn.log_prob_truth).mean(0)
        nats = verdict.sharpness.log_prob_truth
        return {
            "verdict": verdict.verdict,
            "published": verdict.published,
            "reasons": verdict.reasons,
            "nats": nats.mean,
            "nats_error": nats.se,
            "covered_68": float((level < 0.68).mean()),
            "failed": verdict.failed,
        }
