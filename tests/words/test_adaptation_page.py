"""The page on changes of layers from text is made of the numbers beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return json.loads((RESULTS / "adaptation.json").read_text("utf-8"))


def test_the_page_is_made_of_the_numbers_beside_it(scores):
    from adaptation import STEPS
    from adaptation_parts.page import page

    assert page(scores, STEPS) == (RESULTS / "adaptation.md").read_text("utf-8")


def test_the_sentence_follows_the_numbers(scores):
    from adaptation_parts.page import verdicts

    for seeds in scores.values():
        *_, said = verdicts(seeds)
        assert "above constant changes" in said
        other = [one | {"text": one["constant"]} for one in seeds]
        *_, said = verdicts(other)
        assert "above constant changes" not in said
