"""Stage `simulate`: an entry of `simulate:` -> data/sets/<name>."""

import time

from sbipipe import paths, plugins, runtime, storage
from sbipipe.config import read_params
from sbipipe.interfaces import History
from sbipipe.protocols import Simulator
from sbipipe.sets import campaign


def main(name: str) -> None:
    start = time.perf_counter()
    params = read_params()
    entry, path = params.simulate[name], paths.SETS / name
    simulator = plugins.simulator(params, name)
    if isinstance(simulator, Simulator):
        with runtime.workers(params.runtime) as client:
            campaign.run_simulations(
                simulator, entry, name, params.seed, path, client, paths.SET_ASIDE
            )
    else:
        campaign.import_simulations(simulator, entry, name, params.seed, path, paths.SET_ASIDE)
    record = paths.history_path("simulate", name)
    before = storage.load_history(record).seconds if record.exists() else 0.0
    seconds = before + time.perf_counter() - start
    storage.save_history(record, History(seconds=seconds))


if __name__ == "__main__":
    runtime.main(main)
