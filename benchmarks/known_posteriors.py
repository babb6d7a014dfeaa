"""Posteriors that are known, learned with default settings: sbipipe beside sbi.

    python benchmarks/known_posteriors.py --out scores.json        # all of it; a day
    python benchmarks/known_posteriors.py --problems two_moons,sir --sizes 10000 \\
        --methods npe,npe+tempered,sbi_npe_nsf

Every method learns from the same N simulations, N / 10 of which stop its training, and is asked for
2,000 draws of the posteriors of the same five observations. Beside them lie exact draws. Reported:

- the accuracy of a classifier between the two (C2ST, as in sbibm: a perceptron, five-fold; 0.5 is
  perfect), the median over observations,
- KL(exact || estimate) in nats, the mean over observations, where the density is normalised,
- of sbipipe's posteriors, what the gate says after 600 further simulations, as many as default
  shares give: its verdict, the log density at the truth, the truths in the regions of 68 %,
- seconds of training, of drawing all five posteriors, and of drawing and judging all 600: by the
  wall clock and, in brackets, of the processor.

Recalibrations are fitted to 300 simulations of their own. What a method refuses is reported in its
words. Times of one run on one machine compare; others do not. With `--out` each score is written as
soon as it is there, and one that is there already is not computed again.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contenders import CONTENDERS, Contender, Pipeline, Task
from contenders.score import CLASSIFIERS, score
from problems import PROBLEMS
from sbipipe.records import InputError

SIZES = (1_000, 10_000, 100_000)
TESTS, CALIBRATE = 600, 300
HEADER = """\
| problem | N | method | C2ST | KL | nats | 68 % | verdict | train s | draw s | gate s |
|---|---|---|---|---|---|---|---|---|---|---|"""


def main() -> None:
    """Score every method on every problem at every size."""
    options = parse()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    known = json.loads(options.out.read_text()) if options.out and options.out.exists() else {}
    print(HEADER, flush=True)
    for task in tasks(options):
        for method in options.methods:
            key = f"{task.name}/{task.size}/{method}{options.label}"
            if key not in known:
                known[key] = scored(task, method, options)
                if options.out:
                    options.out.write_text(json.dumps(known, indent=1))
            print(row(known[key], method + options.label), flush=True)


def tasks(options: argparse.Namespace) -> Iterator[Task]:
    """Every problem at every size."""
    for name in options.problems:
        for size in options.sizes:
            yield Task(
                name=name,
                size=size,
                tests=options.tests,
                calibrate=CALIBRATE,
                references=options.references,
            )


def scored(task: Task, method: str, options: argparse.Namespace) -> dict[str, Any]:
    """The plain values of a score, or the words of a refusal."""
    try:
        found = score(task, method, contender(method, options), options.classifier)
    except InputError as error:
        return {"problem": task.name, "size": task.size, "refused": error.problems}
    return asdict(found)


def contender(method: str, options: argparse.Namespace) -> Contender:
    """The contender of that name, with other settings where the command line gives some."""
    found = CONTENDERS[method]
    if isinstance(found, Pipeline) and options.config:
        return replace(found, config=options.config)
    return found


def row(score: dict[str, Any], method: str) -> str:
    """A line of the table."""
    if "refused" in score:
        cells = (score["problem"], f"{score['size']:,}", method, *score["refused"])
        return f"| {' | '.join(cells)} |"
    judged = score["judged"] or {}
    kl = f"{np.mean(score['kl']):.3f}" if score["kl"] else ""
    cells = (
        score["problem"],
        f"{score['size']:,}",
        method,
        f"{score['c2st_median']:.3f} ({' '.join(f'{one:.2f}' for one in score['c2st'])})",
        kl,
        f"{judged['nats']:.3f} +- {judged['nats_error']:.3f}" if judged else "",
        f"{100 * judged['covered_68']:.1f}" if judged else "",
        judged.get("verdict", ""),
        seconds(score["training"]),
        seconds(score["drawing"]),
        seconds(judged["seconds"]) if judged else "",
    )
    return f"| {' | '.join(cells)} |"


def seconds(clocks: dict[str, float]) -> str:
    """Wall time, with the processor's in brackets."""
    return f"{clocks['wall']:.1f} ({clocks['cpu']:.1f})"


def parse() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=_names(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--sizes", type=_sizes, default=SIZES, help="simulations to learn from")
    parser.add_argument("--methods", type=_names(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--out", type=Path, help="a JSON file of scores, to go on from")
    parser.add_argument("--config", help="settings of npe, nle or nre as JSON, for a trial")
    parser.add_argument("--label", default="", help="what is added to the names of such methods")
    parser.add_argument("--tests", type=int, default=TESTS, help="simulations that the gate judges")
    parser.add_argument("--classifier", choices=CLASSIFIERS, default=CLASSIFIERS[0])
    parser.add_argument("--threads", type=int, default=1, help="of every method")
    parser.add_argument(
        "--references", type=Path, default=Path("data/references"), help="folder of exact draws"
    )
    return parser.parse_args()


def _names(known: Any) -> Any:
    def names(text: str) -> list[str]:
        given = text.split(",")
        wrong = [name for name in given if name not in known]
        if wrong:
            allowed = ", ".join(known)
            raise argparse.ArgumentTypeError(f"given {', '.join(wrong)}; allowed: {allowed}")
        return given

    return names


def _sizes(text: str) -> list[int]:
    sizes = [int(part) for part in text.split(",")]
    if min(sizes) < 100:
        raise argparse.ArgumentTypeError(f"given {text}; allowed: 100 and more")
    return sizes


if __name__ == "__main__":
    main()
