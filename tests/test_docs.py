"""The site builds without a warning, its links lead somewhere, and what its pages show is so.

Addresses outside the repository are not fetched.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import typer
import yaml

import sbipipe
from repository import ROOT
from sbipipe import cli
from verdict_examples import EXAMPLES, Example, judged

DOCS = ROOT / "docs"
PAGES = sorted(path.stem for path in (*DOCS.glob("*.md"), *DOCS.glob("*.ipynb")))
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SMALLER = {"rows = 6000": "rows = 2000", '"steps": 3000': '"steps": 600'}
"""What makes the cells of the notebook quick."""


class Page(HTMLParser):
    """The names that a page has, and what it points to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.targets: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value for key, value in attrs if value}
        self.names |= {found[key] for key in ("id", "name") if key in found}
        self.targets |= {found[key] for key in ("href", "src") if key in found}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """The pages of the site, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    words = (sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going", "-b", "html")
    done = subprocess.run(
        [*words, "-d", str(folder / "trees"), str(DOCS), str(folder / "html")],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return {path: Page(path.read_text()) for path in (folder / "html").glob("*.html")}


def test_every_page_is_there_and_in_the_contents(site: dict[Path, Page]) -> None:
    by_name = {path.stem: page for path, page in site.items()}
    assert set(PAGES) <= set(by_name)
    assert {f"{name}.html" for name in PAGES if name != "index"} <= by_name["index"].targets


def test_links_and_pictures_lead_somewhere(site: dict[Path, Page]) -> None:
    assert [*_broken(site)] == []


def _broken(site: dict[Path, Page]) -> Iterator[str]:
    for path, page in site.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            other = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not other.exists() or (anchor and other in site and anchor not in site[other].names):
                yield f"{path.name}: {target}"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", *(f"docs/{p}.md" for p in PAGES)])
def test_links_lead_somewhere_on_a_plain_git_host(name: str) -> None:
    path = ROOT / name
    if not path.exists():
        path = path.with_suffix(".ipynb")
    text = FENCED.sub("", path.read_text())
    targets = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text)
    for target in filter(None, (a or b for a, b in targets)):
        if not urlsplit(target).scheme and not target.startswith("#"):
            assert (path.parent / target.partition("#")[0]).exists(), target


def test_words_that_are_explained_are_explained_once() -> None:
    text = (DOCS / "glossary.md").read_text()
    terms = re.findall(r"^(\S.*)\n  \S", text, re.MULTILINE)
    assert len(terms) > 40
    assert terms == sorted(terms, key=str.lower)
    assert len(terms) == len({term.lower() for term in terms})


COMMANDS = [
    (path.name, line)
    for path in DOCS.glob("*.md")
    for kind, block in FENCED.findall(path.read_text())
    if kind in {"", "console"}
    for line in block.splitlines()
    if re.match(r"(\$ )?(make|sbipipe) ", line)
]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_exists(page: str, line: str) -> None:
    program, *words = line.removeprefix("$ ").split(" #")[0].split()
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        commands = typer.main.get_command(cli.app).commands
        commands[words[0]].make_context(words[0], words[1:])


def test_the_notebook_is_executed_without_an_error() -> None:
    cells = nbformat.read(DOCS / "tutorial.ipynb", as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "execute_result"}
    assert all(output.get("name") != "stderr" for output in outputs)
    assert sum("image/svg+xml" in output.get("data", {}) for output in outputs) == 2


def test_the_cells_of_the_notebook_run() -> None:
    """With fewer rows and fewer steps of training, which may not be enough to be published."""
    cells = nbformat.read(DOCS / "tutorial.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    for long, short in SMALLER.items():
        assert long in text
        text = text.replace(long, short)
    names: dict[str, object] = {}
    exec(text.replace('posterior("npe")', 'posterior("npe", uncalibrated=True)'), names)
    assert {"study", "drawn", "exact", "judged"} <= set(names)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.name)
def test_an_example_of_a_verdict_is_as_the_page_says(example: Example) -> None:
    verdict, u = judged(example)
    assert verdict.verdict == example.verdict
    assert u.shape == (1 if example.pair else 2, example.simulations)
    page = (DOCS / "verdicts.md").read_text()
    assert example.made in page
    assert verdict.reasons[0].partition(" (")[0] in page
    for picture in ("ranks", "coverage"):
        assert (DOCS / f"pictures/verdict_{example.name}_{picture}.svg").exists()


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (DOCS / "pictures").iterdir()}
    assert {name: size for name, size in sizes.items() if size > 200_000} == {}


def test_the_citation_is_of_this_version() -> None:
    """The keys that version 1.2.0 of the format asks for, and its types."""
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert found["cff-version"] == "1.2.0"
    assert found["type"] == "software"
    assert {"message", "title", "authors"} <= set(found)
    assert all("name" in author or "family-names" in author for author in found["authors"])
    assert str(found["version"]) == sbipipe.__version__
    assert f"## {sbipipe.__version__} - " in (ROOT / "CHANGELOG.md").read_text()
