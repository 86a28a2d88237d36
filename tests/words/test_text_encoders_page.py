"""The page of the benchmark of text encoders is what its numbers give."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_of_text_encoders_is_made_of_the_numbers_beside_it(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from text_encoders_parts.page import page

    results = ROOT / "docs" / "results"
    numbers = json.loads((results / "text_encoders.json").read_text("utf-8"))
    assert "\n\n".join(page(numbers)) + "\n" == (results / "text_encoders.md").read_text("utf-8")
