"""Stage `judge`: an emulator's fields beside true ones, and true ones beside true ones
-> data/judgements/<name>.json."""

from sbipipe import project, runtime, storage
from sbipipe.config import read_params
from sbipipe.emulation import drawing, judge, truth
from sbipipe.emulation.truth import Unchecked


def main(name: str) -> None:
    params = read_params()
    true = truth.load(project.truth_path(params.simulator_of(name)))
    drawn = drawing.load(project.emulation_path(name))
    if isinstance(true, Unchecked) or isinstance(drawn, Unchecked):
        found = true
    else:
        cells = true.data.geometry.pixels[0] // drawn.data.geometry.pixels[0]
        found = judge.judge(true.coarser(cells), drawn)
    storage.save_json(project.JUDGEMENTS / f"{name}.json", judge.to_json(found))


if __name__ == "__main__":
    runtime.main(main)
