"""Fixtures that several tests share.

Its presence lets every test import `closed_form`, whichever folder the test lies in.
"""

from __future__ import annotations

import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

import finished_run
import linear_run
from sbipipe import report
from sbipipe.results import run as results
from sbipipe.results.run import Results


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that lacks nothing but its report; its simulations failed with hostile words."""
    folder = tmp_path_factory.mktemp("finished")
    with chdir(folder):
        finished_run.write(
            Path(), simulations=80, draws=120, spoken="<b>no</b> & convergence", emulator="model"
        )
    return folder


@pytest.fixture(scope="session")
def run_results(run_folder: Path) -> Results:
    """What `run_folder` holds."""
    with chdir(run_folder):
        return results.read()


@pytest.fixture(scope="session")
def run_gallery(run_results: Results) -> dict[str, Any]:
    """Its figures."""
    from sbipipe.figures.gallery import draw_all

    return dict(draw_all(run_results))


@pytest.fixture(scope="session")
def run_page(run_results: Results, run_gallery: dict[str, Any]) -> str:
    """Its page."""
    return report.page(run_results, run_gallery)


@pytest.fixture(scope="session")
def linear_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the stages up to `publish`, on the linear Gaussian simulator; not to be changed."""
    folder = tmp_path_factory.mktemp("linear")
    with chdir(folder):
        linear_run.run(folder)
        linear_run.stage("publish")
    return folder


@pytest.fixture(scope="module")
def finished(linear_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `linear_folder`, which the tests of one file may change."""
    folder = tmp_path_factory.mktemp("copy") / "run"
    shutil.copytree(linear_folder, folder)
    return folder
