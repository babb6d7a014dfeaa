"""The command line: a new observation, several posteriors, the input before a long run.

Wrong input ends with one clear line for each problem and exit code 2. Modules of ours are imported
where they are needed, so that `--help` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from sbipipe.config import Params
    from sbipipe.costs.cost import Cost
    from sbipipe.costs.stage import Stage
    from sbipipe.interfaces import Dataset
    from sbipipe.options import Described
    from sbipipe.posteriors.predicted import Predictive
    from sbipipe.simulators.particle_mesh import ParticleMesh

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="From a suite of simulations to posteriors that can be published. `dvc repro` runs all.",
    pretty_exceptions_enable=False,
)

ParamsFile = Annotated[Path, typer.Option("--params", help="The parameters of the run.")]


def main() -> None:
    """Run a command; bad input ends it with its lines and code 2."""
    try:
        app()
    except ValueError as error:
        from sbipipe.records import InputError

        if not isinstance(error, InputError):
            raise
        for problem in error.problems:
            print(problem, file=sys.stderr)
        sys.exit(2)


@app.command()
def init(
    simulations: Annotated[Path, typer.Argument(help="A table, or a folder of arrays or maps.")],
    parameters: Annotated[
        str, typer.Option(help="Their names, with commas between, in the order of theta.")
    ] = "",
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("params.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite it.")] = False,
) -> None:
    """Look at simulations made elsewhere, and write a params.yaml for them."""
    from sbipipe.records import InputError

    if out.exists() and not force:
        raise InputError(f"--out: {out} is there already; --force overwrites it")
    from sbipipe.init.guess import guess
    from sbipipe.init.looking import look
    from sbipipe.init.text import text
    from sbipipe.storage import write_whole

    names = tuple(name.strip() for name in parameters.split(",") if name.strip())
    source = look(simulations, names)
    written = text(source, guess(source.theta, source.group, source.parameters))
    write_whole(out, lambda temporary: temporary.write_text(written))
    print(f"written: {out}; read the lines with CONFIRM, then: sbipipe check")
    if Path("data/raw").resolve() not in simulations.resolve().parents:
        print(f"{simulations}: not below data/raw, so dvc repro will not see when it changes")


@app.command()
def infer(
    observation: Annotated[
        list[Path], typer.Argument(help=".npy, .csv or .fits; .npz, .h5 or .nc with the key x.")
    ],
    out: Annotated[Path, typer.Option(help="The posterior file (netCDF) to write.")],
    estimator: Annotated[
        str | None,
        typer.Option(
            help="An entry of `train:` or `recalibrate:`; by default the recommended one."
        ),
    ] = None,
    draws: Annotated[int, typer.Option(min=20, help="For each observation.")] = 4000,
    row: Annotated[int | None, typer.Option(help="One of several in each file, from 0.")] = None,
    together: Annotated[
        bool, typer.Option("--together", help="Independent observations of one universe.")
    ] = False,
    tests: Annotated[
        int, typer.Option(min=1, help="Sets of simulations that judge --together.")
    ] = 500,
    uncalibrated: Annotated[
        bool, typer.Option("--uncalibrated", help="Use an estimator that failed its gate.")
    ] = False,
    simulations: Annotated[
        int, typer.Option(min=0, help="At draws of each, for the posterior predictive check.")
    ] = 100,
    page: Annotated[bool, typer.Option(help="Write the page as well.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Overwrite both files.")] = False,
) -> None:
    """The posterior of new maps or vectors, with the verdict on its estimator inside, and a page
    beside it: the same name with .html."""
    from sbipipe.records import InputError

    written = [out, out.with_suffix(".html")] if page else [out]
    if there := [path for path in written if path.exists() and not force]:
        raise InputError(
            *(f"--out: {one} is there already; --force overwrites it" for one in there)
        )
    from sbipipe import terminal
    from sbipipe.config import read_params
    from sbipipe.pages import observation as observation_page
    from sbipipe.posteriors import file as posterior_file
    from sbipipe.posteriors import infer as inference
    from sbipipe.posteriors import predictive
    from sbipipe.posteriors.chosen import chosen
    from sbipipe.posteriors.remarks import remarks

    params = read_params()
    name, around = chosen(params, estimator), inference.Surroundings(params=params)
    if estimator is None:
        print(f"{name}: the estimator that the report of this run recommends")
    if together:
        from sbipipe.studies.universe import infer_together

        portrait = infer_together(params, name, observation, draws, row, uncalibrated, tests)
        content, said = portrait.files[name], portrait.remarks
    else:
        content = inference.infer(params, name, observation, draws, row, uncalibrated, around)
        said = tuple(remarks(content))
    posterior_file.save(out, content)
    terminal.show(terminal.moments(content))
    for line in said:
        print(line)
    if page:
        checks: Sequence[Predictive | str] = ["several observations have no check of theirs"]
        if not together:
            portrait = inference.portrait(params, content, around)
            shown = observation_page.SHOWN if simulations else 0
            checks = predictive.predict(params, content, shown, simulations)
        observation_page.write(written[1], portrait, checks)
    print(f"written: {', '.join(map(str, written))}")


@app.command()
def compare(
    files: Annotated[list[Path], typer.Argument(help="Posterior files of the same observations.")],
) -> None:
    """Means, widths and differences between posteriors of the same observations."""
    from sbipipe import terminal
    from sbipipe.posteriors import file as posterior_file
    from sbipipe.posteriors.file_comparison import compare_files

    contents = {str(path): posterior_file.load(path) for path in files}
    pairs = compare_files(contents)
    short = {path: f"[{i}]" for i, path in enumerate(contents, 1)}
    for path, content in contents.items():
        about = f"{content.attributes['estimator']}, {content.attributes['verdict']}"
        terminal.show(terminal.moments(content, title=f"{short[path]} {path}: {about}"))
    terminal.show(terminal.pairs(pairs, short))


@app.command()
def check(
    params: ParamsFile = Path("params.yaml"),
    fast: Annotated[bool, typer.Option("--fast", help="Simulate and train nothing.")] = False,
    names: Annotated[
        bool, typer.Option("--names", help="Only names, sections and kinds; as make repro does.")
    ] = False,
) -> None:
    """Name every problem of the parameters and data; then say what the gate will see, and estimate
    time, disk and memory."""
    if names:
        from sbipipe.config import read_params
        from sbipipe.plugins import require_kinds

        require_kinds(read_params(params))
        return
    from sbipipe import check as checking
    from sbipipe import terminal
    from sbipipe.records import InputError

    checked = checking.check(params)
    if checked.problems:
        raise InputError(*checked.problems)
    print(f"{params}: nothing wrong")
    for line in checking.outlooks(checked):
        print(line)
    for remark in checked.remarks:
        print(remark)
    if known := dict(checking.trivial(checked)):
        terminal.show(terminal.trivial(known))
    costs = dict(checking.costs(checked, measured=not fast))
    terminal.show(terminal.costs(costs))
    if not fast and checked.params is not None:
        terminal.show(terminal.stages([*_stages(checked.params, checked.data, costs, params)]))


@app.command()
def report() -> None:
    """Open the page of the last run, or print where it is; and say how often its test simulations
    have judged since it was written."""
    import webbrowser

    from sbipipe.gate.looks import later
    from sbipipe.paths import LOOKS, REPORTS
    from sbipipe.posteriors.chosen import verdicts
    from sbipipe.records import InputError

    page = REPORTS / "index.html"
    if not page.exists():
        raise InputError(f"{page}: no such file; run dvc repro first")
    for line in later(LOOKS, verdicts()):
        print(line)
    if not (_has_display() and webbrowser.open(page.resolve().as_uri())):
        print(page.resolve())


@app.command()
def export(
    simulator: Annotated[str, typer.Argument(help="An entry of `simulate:` in params.yaml.")],
    folder: Annotated[Path, typer.Argument(help="Where the files go.")],
    set_name: Annotated[Literal["LH", "1P", "CV"], typer.Option("--set", help="Of CAMELS.")] = "LH",
    simulations: Annotated[int, typer.Option(min=1, help="Of the set LH.")] = 1000,
    params_file: ParamsFile = Path("params.yaml"),
) -> None:
    """Simulate a set in the layout of the CAMELS Multifield Dataset, and write it."""
    from sbipipe import plugins, runtime
    from sbipipe.config import read_params
    from sbipipe.records import InputError
    from sbipipe.sets import cmd_layout

    params = read_params(params_file)
    meshes = [name for name, entry in params.simulate.items() if entry.kind == "particle_mesh"]
    if simulator not in meshes:
        found = ", ".join(meshes) or "none in these params"
        raise InputError(f"SIMULATOR: given {simulator!r}; allowed: {found} (kind particle_mesh)")
    made = cast("ParticleMesh", plugins.simulator(params, simulator))
    if made.prior.fixed:
        fixed = ", ".join(made.prior.fixed)
        raise InputError(
            f"simulate.{simulator}.config.prior: given {fixed} as fixed; allowed: both parameters "
            "of CAMELS vary"
        )
    if why := cmd_layout.obstacle(made):
        raise InputError(f"simulate.{simulator}.config: {why}")
    with runtime.parallel(params.runtime):
        written = cmd_layout.simulate_set(
            made, folder, set_name, seed=params.seed, box=made.box, simulations=simulations
        )
    for path in written:
        typer.echo(path)


@app.command()
def latent(
    name: Annotated[str, typer.Argument(help="An entry of `emulate:` of kind gan.")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("latent.html"),
    theta: Annotated[
        str,
        typer.Option(help="As omega_m=0.3,sigma_8=0.8; the others are in the middle of the prior."),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Of the two fields between which it looks.")] = 0,
    curvature: Annotated[
        bool, typer.Option(help="Of the surface that the fields of a plane make.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the page.")] = False,
) -> None:
    """The latent space of a trained GAN: paths between two fields, power, metric, curvature."""
    from sbipipe.records import InputError

    if out.exists() and not force:
        raise InputError(f"--out: {out} is there already; --force overwrites it")
    from sbipipe.config import read_params
    from sbipipe.latent.portrait import portrait
    from sbipipe.latent.trained import place, trained
    from sbipipe.pages import latent as latent_page

    params = read_params()
    emulator = trained(params, name)
    at = place(params, name, theta)
    latent_page.write(out, portrait(emulator, name, at, seed, curved=curvature))
    print(f"written: {out}")


@app.command()
def kinds(
    name: Annotated[str, typer.Argument(help="A kind or a section, for all of its keys.")] = "",
) -> None:
    """Everything that can be written after `kind:` in params.yaml, or all the keys of one."""
    from rich.table import Table

    from sbipipe import options, plugins, terminal

    for described in options.named(name) if name else ():
        terminal.show(_options_table(described))
    if name:
        return
    table = Table("section", "kind", "what it is", box=None)
    for section, family in plugins.FAMILIES.items():
        for kind in plugins.kinds(family):
            table.add_row(section, kind, plugins.description(family, kind))
    terminal.show(table)


def _options_table(described: Described) -> Table:
    """The keys of a section, or of a kind below `config:`."""
    from rich.table import Table

    kind = f" {described.name}" if described.name else ""
    table = Table("key", "default", "allowed", "meaning", box=None, title_justify="left")
    table.title = f"{described.section}{kind}: {described.what}"
    for option in described.options:
        table.add_row(option.key, option.default, option.allowed, option.meaning)
    if not described.options:
        table.add_row("no keys")
    return table


def _stages(
    params: Params, brought: Mapping[str, Dataset], costs: Mapping[str, Cost], path: Path
) -> Iterator[Stage]:
    """What the stages will take, as far as it can be known."""
    from sbipipe.costs import before, emulators, judging, sets, stages
    from sbipipe.costs.stage import STARTING, Stage

    for name, one in costs.items():
        took = STARTING + one.seconds
        yield Stage(name=f"simulate@{name}", seconds=took, of=f"{one.rows} rows")
    simulated = {name: sets.of_simulator(params, name, brought) for name in params.simulate}
    each = {name: one.each for name, one in costs.items()}
    emulated, scored = emulators.emulated(params, simulated, each)
    last = before.before(params, path)
    found = [*stages.stages(params, {**simulated, **scored}, last, emulated)]
    yield from found
    yield from judging.judging(params, simulated, {one.name: one.seconds for one in found})


def _has_display() -> bool:
    import os

    return sys.platform != "linux" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


if __name__ == "__main__":
    main()
