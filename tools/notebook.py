"""Runs the cells of `docs/tutorial.ipynb` and writes what they give into it (`make pictures`)."""

from __future__ import annotations

import argparse
from pathlib import Path

import nbformat
from nbclient import NotebookClient

STARTUP = 600
"""Seconds that the kernel may take to start, on a busy machine."""


def executed(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """The notebook with what its cells give, without times and without what libraries warn of.

    Args:
        folder: Where its cells run.

    Raises:
        CellExecutionError: If a cell fails.
    """
    client = NotebookClient(
        notebook,
        timeout=None,
        startup_timeout=STARTUP,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
    }
    return notebook


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", type=Path, nargs="?", default=Path("docs/tutorial.ipynb"))
    path = parser.parse_args().notebook
    nbformat.write(executed(nbformat.read(path, as_version=4), path.parent), path)
