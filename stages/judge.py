"""Stage `judge`: an emulator's fields beside true ones, and true ones beside true ones
-> data/judgements/<name>.json."""

from sbipipe import paths, project, runtime, storage
from sbipipe.config import read_params
from sbipipe.emulation import emulated, truth
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.judge import judge
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.interfaces import Array, Dataset
from sbipipe.physics.fields import average
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
        train = project.rows(params, params.simulator_of(name), "train")
        with runtime.parallel(params.runtime):
            found = judge(true.like(drawn.data), drawn, coarse(train, drawn), params.seed)
    plain = {"unchecked": found.why} if isinstance(found, Unchecked) else dump(found)
    storage.save_json(paths.judgement_path(name), plain)


def coarse(train: Dataset, drawn: Drawn) -> Array:
    """Training fields on the grid of those that were drawn."""
    cells = train.x.shape[-1] // drawn.data.geometry.pixels[-1]
    return average(train.x, cells) if cells > 1 else train.x


if __name__ == "__main__":
    runtime.main(main)
