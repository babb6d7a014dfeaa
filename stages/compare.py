"""Stage `compare`: draws -> reports/comparison.json and comparison.csv, one row per figure."""

import pandas as pd

from sbipipe import paths, project, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.gate import uniformity
from sbipipe.gate.verdict import Estimate
from sbipipe.interfaces import PosteriorDraws
from sbipipe.posteriors.compare import compare, join, kl_from_exact, to_table
from sbipipe.posteriors.comparison import Comparison
from sbipipe.records import dump
from sbipipe.seeds import stream

KL_DRAWS = 200
"""Exact draws of each observation that a divergence is averaged over."""


def main() -> None:
    params = read_params()
    compared = {of: compared_on(params, of, names) for of, names in params.tested_on.items()}
    whole = join(compared.values())
    storage.save_json(paths.COMPARISON, dump(whole))
    tables = [to_table(one).assign(simulator=of) for of, one in compared.items()]
    csv = (pd.concat(tables) if tables else to_table(whole)).to_csv(index=False)
    path = paths.COMPARISON.with_suffix(".csv")
    storage.write_whole(path, lambda temporary: temporary.write_text(csv))


def compared_on(params: Params, simulator: str, names: tuple[str, ...]) -> Comparison:
    """The estimators of one simulator beside each other, and beside the exact posterior."""
    draws = {name: storage.load_draws(paths.DRAWS / f"{name}.safetensors") for name in names}
    exact = next((name for name in names if params.estimators[name].kind == "exact"), None)
    kl = divergences(params, exact, draws) if exact else {}
    seconds = {
        n: storage.load_history(paths.history_path(params.section_of(n), n)).seconds for n in names
    }
    judged = {n: uniformity.fail_few(d, params.gate.fewest_draws) for n, d in draws.items()}
    rng = stream(params.seed, "compare", simulator)
    return compare(simulator, judged, rng, train_seconds=seconds, kl=kl)


def divergences(
    params: Params, exact: str, draws: dict[str, PosteriorDraws]
) -> dict[str, Estimate]:
    """KL(exact || estimator) of every other estimator, at draws of the exact posterior."""
    theta, log_prob = draws[exact].draws[:KL_DRAWS], draws[exact].log_prob[:KL_DRAWS]
    found = {}
    for name in draws:
        if name != exact:
            x = project.test_rows(params, params.set_of(name)).x
            other = project.posterior(params, name).at(x).log_prob(theta)
            found[name], _ = kl_from_exact(log_prob, other)
    return found


if __name__ == "__main__":
    runtime.main(main)
