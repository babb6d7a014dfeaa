"""Stage `budget`: an estimator, trained on shares of its simulations -> data/budgets/<name>."""

from sbipipe import paths, plugins, project, runtime, storage
from sbipipe.budgets.curve import MOST, budget, learns_nothing, nats
from sbipipe.config import read_params
from sbipipe.interfaces import History
from sbipipe.learning import processes
from sbipipe.posteriors.price import some
from sbipipe.records import InputError, dump
from sbipipe.seeds import number, stream
from sbipipe.sets.splits import nested


def main(name: str) -> None:
    params = read_params()
    entry = params.budget[name]
    of = params.set_of(entry.of)
    estimator = plugins.estimator(params, entry.of)
    if not estimator.learns:
        raise InputError(learns_nothing(name, entry.of))
    simulator, prior = params.simulator_of(of), plugins.prior_of(params, of)
    train, valid = (project.rows(params, of, split) for split in ("train", "valid"))
    train, valid = (rows.rows(rows.finite) for rows in (train, valid))
    scored = some(valid.one_per_group(stream(params.seed, "budget", simulator)), MOST)
    chosen = {
        share: nested(train.group, share, number(params.seed, "budget", simulator))
        for share in (*entry.shares, 1.0)
    }
    scores, histories = [], []
    for share in entry.shares:
        seed = number(params.seed, "budget", entry.of, f"{share:g}")
        folder = paths.CHECKPOINTS / "budget" / name / f"{share:g}"
        run = runtime.fit_run(seed, params.runtime, folder)
        posterior, history = estimator.fit(train.rows(chosen[share]), valid, prior, run)
        scores.append(nats(posterior, prior, scored))
        histories.append(history)
    if not processes.first():
        return
    scores.append(nats(project.posterior(params, entry.of), prior, scored))
    histories.append(storage.load_history(paths.history_path("train", entry.of)))
    counts = [len(set(train.group[rows].tolist())) for rows in chosen.values()]
    found = budget(entry.of, tuple(chosen), counts, scores, histories)
    storage.save_json(paths.budget_path(name), dump(found))
    seconds = sum(history.seconds for history in histories[:-1])
    storage.save_history(paths.history_path("budget", name), History(seconds=seconds))


if __name__ == "__main__":
    runtime.main(main)
