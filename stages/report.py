"""Stage `report`: what the run left behind -> reports/: the page, figures, metrics and plots."""

import shutil
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from sbipipe import report, runtime, storage
from sbipipe.config import read_params
from sbipipe.figures.gallery import draw_all
from sbipipe.figures.style import Drawing
from sbipipe.paths import EMULATION, REPORTS
from sbipipe.records import dump
from sbipipe.results import run as results
from sbipipe.results.emulation import judgements


def main() -> None:
    found = results.read()
    with runtime.parallel(read_params().runtime):
        gallery = draw_all(found)
    save_figures(chain.from_iterable(gallery.values()), REPORTS / "figures")
    said = judgements(found.params)
    emulators = {name: one | {"asked": dump(found.asked[name].asked)} for name, one in said.items()}
    storage.save_json(EMULATION, {"emulators": emulators})
    storage.save_json(REPORTS / "metrics.json", report.metrics(found))
    save_text(REPORTS / "plots" / "coverage.csv", report.coverage_csv(found))
    save_text(REPORTS / "plots" / "learning.csv", report.learning_csv(found))
    save_text(REPORTS / "index.html", report.page(found, gallery))


def save_figures(drawings: Iterable[Drawing], folder: Path) -> None:
    """The figures as files, for talks; those of an earlier run go."""
    shutil.rmtree(folder, ignore_errors=True)
    for drawing in drawings:
        path = folder / f"{drawing.name}.{drawing.suffix}"
        storage.write_whole(
            path, lambda temporary, image=drawing.image: temporary.write_bytes(image)
        )


def save_text(path: Path, text: str) -> None:
    storage.write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    runtime.main(main)
