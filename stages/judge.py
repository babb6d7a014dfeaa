"""Stage `judge`: the fields of every emulator beside true ones, and true ones beside true ones
-> data/judgements/<name>.json."""

import joblib

from sbipipe import paths, project, runtime, storage
from sbipipe.config import Params, read_params
from sbipipe.emulation import emulated, truth
from sbipipe.emulation.emulated import Drawn
from sbipipe.emulation.judge import judge
from sbipipe.emulation.unchecked import Unchecked
from sbipipe.interfaces import Array, Dataset
from sbipipe.physics.fields import average
from sbipipe.progress import track
from sbipipe.records import dump


def main() -> None:
    params = read_params()
    storage.empty_folder(paths.JUDGEMENTS)
    with runtime.parallel(params.runtime):
        jobs = [joblib.delayed(judge_one)(params, name) for name in params.emulate]
        alone = 1 if len(jobs) == 1 else None  # which then measures in parallel
        done = joblib.Parallel(n_jobs=alone, return_as="generator_unordered")(jobs)
        for _ in track(done, "judging", "emulators", total=len(jobs)):
            pass


def judge_one(params: Params, name: str) -> None:
    """Judge one emulator, and write what is said of it."""
    true = truth.load(paths.truth_path(params.simulator_of(name)))
    drawn = emulated.load(paths.emulation_path(name))
    if isinstance(true, Unchecked):
        found = true
    elif isinstance(drawn, Unchecked):
        found = drawn
    else:
        train = project.rows(params, params.simulator_of(name), "train")
        found = judge(true.like(drawn.data), drawn, coarse(train, drawn), params.seed)
    plain = {"unchecked": found.why} if isinstance(found, Unchecked) else dump(found)
    storage.save_json(paths.judgement_path(name), plain)


def coarse(train: Dataset, drawn: Drawn) -> Array:
    """Training fields on the grid of those that were drawn."""
    cells = train.x.shape[-1] // drawn.data.geometry.pixels[-1]
    return average(train.x, cells) if cells > 1 else train.x


if __name__ == "__main__":
    runtime.main(main)
