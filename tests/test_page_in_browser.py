"""The page at the width of a telephone: nothing but tables in their own boxes is wider than it.

Where a Chromium is installed, it lays the page out; where none is, the rules that make it so are
looked for in the page itself.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
)  # fmt: skip
MEASURE = """
<script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument;
  const outside = [...page.querySelectorAll("main *")].filter(
    (e) => !e.closest(".scroll, pre") && e.getBoundingClientRect().right > WIDTH + 0.5);
  const broken = [...page.images].filter((e) => !e.naturalWidth);
  document.body.append(Object.assign(document.createElement("pre"), {id: "found", textContent:
    JSON.stringify({width: page.documentElement.scrollWidth, height: page.body.scrollHeight,
      outside: outside.map((e) => e.outerHTML.slice(0, 80)), broken: broken.length})}));
});
</script>
"""


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_page(run_page: str, width: int, tmp_path: Path) -> None:
    if BROWSER is None:
        assert_static_rules(run_page)
        return
    found = measure(BROWSER, run_page, width, tmp_path)
    assert found["outside"] == []
    assert found["width"] <= width
    assert found["broken"] == 0
    assert found["height"] > 3000


def test_the_rules_that_keep_it_narrow(run_page: str) -> None:
    assert_static_rules(run_page)


def assert_static_rules(page: str) -> None:
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert re.search(r"figure img \{[^}]*max-width: 100%; height: auto", page)
    assert re.search(r"\.scroll \{[^}]*overflow-x: auto", page)
    assert re.search(r"pre \{[^}]*overflow-x: auto", page)
    tables = page.count("<table>")
    assert len(re.findall(r'<div class="scroll"[^>]*>\s*<table>', page)) == tables


def measure(browser: str, page: str, width: int, folder: Path) -> dict:
    """Lay the page out in a frame of this width."""
    frame = f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{html.escape(page)}">'
    wrapper = folder / "frame.html"
    wrapper.write_text(
        f"<!doctype html><body>{frame}</iframe>" + MEASURE.replace("WIDTH", str(width))
    )
    words = (browser, *OPTIONS, f"--user-data-dir={folder / 'profile'}", "--window-size=1500,900",
             "--virtual-time-budget=20000", "--dump-dom", wrapper.as_uri())  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found[1]))
