"""Stage `draw`: a fitted estimator -> data/draws/<name>, its draws for the test simulations."""

from sbipipe import paths, plugins, project, runtime, storage
from sbipipe.config import read_params
from sbipipe.posteriors import drawing
from sbipipe.seeds import stream


def main(name: str) -> None:
    params = read_params()
    of = params.set_of(name)
    test, prior = project.test_rows(params, of), plugins.prior_of(params, of)
    rng = stream(params.seed, "draw", name)
    draws = drawing.draw(project.posterior(params, name), test, prior, params.draw, rng)
    storage.save_draws(paths.DRAWS / f"{name}.safetensors", draws)


if __name__ == "__main__":
    runtime.main(main)
