"""Stage `draw_fields`: a fitted emulator -> data/emulations/<name>, its fields where the truth is
known."""

from sbipipe import project, runtime
from sbipipe.config import read_params
from sbipipe.emulation import drawing, truth
from sbipipe.emulation.unchecked import Unchecked


def main(name: str) -> None:
    params = read_params()
    true = truth.load(project.truth_path(params.simulator_of(name)))
    if not isinstance(true, Unchecked):
        drawn = drawing.draw(project.emulator(params, name), true, name, params.seed)
    drawing.save(project.emulation_path(name), true if isinstance(true, Unchecked) else drawn)


if __name__ == "__main__":
    runtime.main(main)
