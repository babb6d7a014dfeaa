"""Stage `judge`: an emulator's fields beside true ones, and true ones beside true ones
-> data/judgements/<name>.json."""

from sbipipe import paths, runtime, storage
from sbipipe.config import read_params
from sbipipe.emulation import emulated, truth
from sbipipe.emulation.judge import judge
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.records import dump


def main(name: str) -> None:
    params = read_params()
    true = truth.load(paths.truth_path(params.simulator_of(name)))
    drawn = emulated.load(paths.emulation_path(name))
    if isinstance(true, Unchecked):
        found = true
    elif isinstance(drawn, Unchecked):
        found = drawn
    else:
        found = judge(true.like(drawn.data), drawn)
    plain = {"unchecked": found.why} if isinstance(found, Unchecked) else dump(found)
    storage.save_json(paths.judgement_path(name), plain)


if __name__ == "__main__":
    runtime.main(main)
