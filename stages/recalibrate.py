"""Stage `recalibrate`: a fitted estimator, mended on `calibrate` -> data/estimators/<name> and
data/draws/<name>."""

from sbipipe import paths, plugins, project, runtime, storage
from sbipipe.config import read_params
from sbipipe.posteriors import drawing
from sbipipe.progress import phase
from sbipipe.seeds import number, stream


def main(name: str) -> None:
    params = read_params()
    of = params.set_of(name)
    prior, test = plugins.prior_of(params, of), project.test_rows(params, of)
    raw = project.posterior_on(params, params.recalibrate[name].of, of)
    calibrate = project.calibrate_rows(params, name)
    run = runtime.fit_run(
        number(params.seed, "recalibrate", name), params.runtime, paths.CHECKPOINTS / name
    )
    with phase("calibration simulations"):
        mended, history = project.recalibration(params, name).fit(raw, calibrate, prior, run)
    storage.save_weights(paths.weights_path(name), project.stamped(mended.weights, params, name))
    storage.save_history(paths.history_path("recalibrate", name), history)
    rng = stream(params.seed, "draw", name)
    with phase("test simulations"):
        draws = drawing.draw(mended, test, prior, params.draw, rng)
    storage.save_draws(paths.DRAWS / f"{name}.safetensors", draws)


if __name__ == "__main__":
    runtime.main(main)
