"""Stage `truth`: the true fields of a simulator beside which emulated ones are set
-> data/truths/<name>."""

from sbipipe import paths, plugins, project, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.emulation import true_fields, truth
from sbipipe.emulation.truth import Truth
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.sets import fingerprint


def main(name: str) -> None:
    params = read_params()
    path = paths.truth_path(name)
    if not emulated(params, name):
        truth.save(path, Unchecked(f"no emulator is of {name}"))
        return
    code = fingerprint.of_code(true_fields.__name__)
    asked = f"{params.judge.fields} {params.judge.posteriors}"
    identity = storage.joint_hash(project.identity(params, name), asked, *code.values())
    if path.exists() and storage.load_weights(path).meta.get("identity") == identity:
        return
    truth.save(path, find(params, name), identity)


def emulated(params: Params, name: str) -> bool:
    """Whether an emulator draws fields of this simulator."""
    return any(params.simulator_of(emulator) == name for emulator in params.emulate)


def find(params: Params, name: str) -> Truth | Unchecked:
    """The true fields, simulated where simulations have too few."""
    simulator = plugins.simulator(params, name)
    test = project.rows(params, name, "test")
    with runtime.parallel(params.runtime):
        prior = plugins.prior_of(params, name)
        asked = params.judge.fields, params.judge.posteriors
        return true_fields.find(simulator, prior, test, name, params.seed, *asked)


if __name__ == "__main__":
    runtime.main(main)
