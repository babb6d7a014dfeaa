"""Stage `emulate`: every emulator of `train:` -> data/emulations/<name>, beside true fields."""

from sbipipe import plugins, project, runtime
from sbipipe.config import Params, read_params
from sbipipe.emulation import held_out as emulated
from sbipipe.emulation.held_out import Emulated, Unchecked
from sbipipe.interfaces import Emulator


def main() -> None:
    params = read_params()
    project.EMULATIONS.mkdir(parents=True, exist_ok=True)
    with runtime.parallel(params.runtime):
        found = {name: emulate(params, name) for name in params.train}
    for path in project.EMULATIONS.glob("*.safetensors"):
        path.unlink()
    for name, one in found.items():
        if one is not None:
            emulated.save(project.emulation_path(name), one)


def emulate(params: Params, name: str) -> Emulated | Unchecked | None:
    """What one estimator draws; None for one that draws no fields, as one of a summary."""
    of = params.train[name].of
    if of not in params.simulate:
        return None
    posterior = project.posterior(params, name)
    if not isinstance(posterior, Emulator):
        return None
    simulator = plugins.simulator(params, of)
    test = project.rows(params, of, "test")
    return emulated.emulate(posterior, simulator, simulator.prior, test, of, name, params.seed)


if __name__ == "__main__":
    runtime.main(main)
