"""The words that pages explain are those of the glossary, and every verdict."""

from __future__ import annotations

import re

from repository import ROOT
from sbipipe.writing import SIGNS


def test_every_word_of_the_pages_is_in_the_glossary_or_a_verdict() -> None:
    page = (ROOT / "sbipipe/templates/words.html").read_text()
    words = re.findall(r"<dt>(.*?)</dt>", page)
    glossary = re.findall(r"^(\S.*)$", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    assert len(words) == len(set(words)) > 15
    assert set(words) <= {*glossary, *SIGNS}
    assert set(SIGNS) <= set(words)
