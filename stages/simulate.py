"""Stage `simulate`: an entry of `simulate:` -> data/sets/<name>."""

from sbipipe import campaign, plugins, project, runtime
from sbipipe.config import read_params
from sbipipe.interfaces import Simulator


def main(name: str) -> None:
    params = read_params()
    entry, path = params.simulate[name], project.SETS / name
    simulator = plugins.simulator(params, name)
    if isinstance(simulator, Simulator):
        with runtime.workers(params.runtime) as client:
            campaign.run_simulations(simulator, entry, name, params.seed, path, client)
    else:
        campaign.import_simulations(simulator, entry, name, params.seed, path)


if __name__ == "__main__":
    runtime.main(main)
