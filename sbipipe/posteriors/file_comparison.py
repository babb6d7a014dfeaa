"""Posterior files of the same observations beside each other.

Files are of the same observations when the fields (or raw vectors) behind them are equal, whatever
summary each estimator made of them. The numbers are those of `sbipipe.posteriors.compare`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np

from sbipipe.config import Gate
from sbipipe.gate import uniformity
from sbipipe.interfaces import PosteriorDraws
from sbipipe.posteriors.compare import compare_pair
from sbipipe.posteriors.comparison import Pair
from sbipipe.posteriors.content import PosteriorFile
from sbipipe.records import InputError
from sbipipe.seeds import stream


def compare_files(contents: Mapping[str, PosteriorFile]) -> tuple[Pair, ...]:
    """Every pair of files, by path.

    Raises:
        InputError: Where there are fewer than two, or their observations or parameters differ.
    """
    if len(contents) < 2:
        raise InputError(f"compare: given {len(contents)} file; allowed: two or more")
    problems = _differences(contents)
    if problems:
        raise InputError(*problems)
    draws = {path: _as_draws(content) for path, content in contents.items()}
    return tuple(
        replace(compare_pair(a, draws[a], b, draws[b], stream(0, "compare files")), nats=None)
        for a, b in combinations(draws, 2)
    )


def _differences(contents: Mapping[str, PosteriorFile]) -> list[str]:
    """Files that are not of what the first one is of."""
    (first, reference), *others = contents.items()
    problems = []
    for path, content in others:
        if content.parameters != reference.parameters:
            problems.append(
                f"{path}: given parameters {', '.join(content.parameters)}; "
                f"{first} has {', '.join(reference.parameters)}"
            )
        elif _observed(content) != _observed(reference):
            problems.append(f"{path}: of other observations than {first}")
    return problems


def _observed(content: PosteriorFile) -> object:
    return content.attributes["observation_hash"]


def _as_draws(content: PosteriorFile) -> PosteriorDraws:
    """The draws as `compare_pair` takes them; the truth, which no file knows, is left at zero.

    A file does not say how few effective draws its run allowed, so the usual number is taken.
    """
    samples = content.samples
    draws = PosteriorDraws(
        parameters=content.parameters,
        theta=np.zeros(samples.draws.shape[1:]),
        draws=samples.draws,
        log_prob=samples.log_prob,
        log_prob_truth=np.zeros(samples.draws.shape[1]),
        log_prior_truth=np.zeros(samples.draws.shape[1]),
        log_prob_controls={},
        effective_sample_size=samples.effective_sample_size,
        prior_variance=content.prior.var(0),
        seconds=0.0,
    )
    return uniformity.fail_few(draws, Gate().fewest_draws)
