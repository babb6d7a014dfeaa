"""Stage `judge`: an emulator's fields beside true ones, and true ones beside true ones
-> data/judgements/<name>.json."""

from sbipipe import project, runtime, storage
from sbipipe.config import read_params
from sbipipe.emulation import drawing, truth
from sbipipe.emulation.judge import judge
from sbipipe.emulation.plain import to_json
from sbipipe.emulation.unchecked import Unchecked


def main(name: str) -> None:
    params = read_params()
    true = truth.load(project.truth_path(params.simulator_of(name)))
    drawn = drawing.load(project.emulation_path(name))
    if isinstance(true, Unchecked) or isinstance(drawn, Unchecked):
        found = true
    else:
        found = judge(true.like(drawn.data), drawn)
    storage.save_json(project.judgement_path(name), to_json(found))


if __name__ == "__main__":
    runtime.main(main)
