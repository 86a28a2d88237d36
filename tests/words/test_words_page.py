"""The page of the benchmark is what its numbers give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_page_is_made_of_the_numbers_beside_it(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from words_parts.page import page

    results = ROOT / "docs" / "results"
    numbers = json.loads((results / "words.json").read_text("utf-8"))
    assert "\n\n".join(page(numbers)) + "\n" == (results / "words.md").read_text("utf-8")


def test_the_goal_of_the_recipe_is_reached():
    numbers = json.loads((ROOT / "docs" / "results" / "words.json").read_text("utf-8"))
    for kind, goal in (("random", 0.89), ("similar", 0.64)):
        right = numbers["found"][f"combinations/{kind}"]["words"]
        for seed in right:
            assert sum(seed) / len(seed) / 150 >= goal
