"""Stage `draw_fields`: a fitted emulator -> data/emulations/<name>, its fields where the truth is
known."""

from sbipipe import paths, plugins, project, runtime
from sbipipe.config import read_params
from sbipipe.emulation import birthday, drawing, emulated, truth
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.protocols import Informed


def main(name: str) -> None:
    params = read_params()
    true = truth.load(paths.truth_path(params.simulator_of(name)))
    if not isinstance(true, Unchecked):
        kind = plugins.emulator(params, name)
        seen = kind.seen if isinstance(kind, Informed) else {}
        many = birthday.number(kind, params.judge.birthday)
        emulator = project.emulator(params, name)
        drawn = drawing.draw(emulator, true, name, params.seed, seen, many)
    emulated.save(paths.emulation_path(name), true if isinstance(true, Unchecked) else drawn)


if __name__ == "__main__":
    runtime.main(main)
