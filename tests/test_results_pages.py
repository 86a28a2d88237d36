"""Pages of results say what their tables show."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "results" / "choice.md").read_text("utf-8")


def more_lost() -> dict[tuple[str, int], list[float]]:
    """How much more ``guarded`` loses than ``best`` on digits: on average, and in a draw of 20."""
    digits = PAGE[PAGE.index("## digits") : PAGE.index("## webcam")]
    rows = re.findall(r"\| (\w+) \| guarded \| (.*) \|\n\| \1 \| best \| (.*) \|", digits)
    found: dict[tuple[str, int], list[float]] = {}
    for method, *both in rows:
        numbers = [[float(one) for one in re.findall(r"[\d.]+", cells)] for cells in both]
        for i, (guarded, best) in enumerate(zip(*numbers, strict=True)):
            found.setdefault((method, i % 2), []).append(round(guarded - best, 1))
    return found


def test_what_a_rule_costs_is_what_the_table_shows():
    lost = more_lost()
    methods = {method for method, _ in lost}
    assert len(methods) == 4
    blocks = [max(lost["last_block", worst]) for worst in (0, 1)]
    others = [
        [one for method in methods - {"last_block"} for one in lost[method, worst]]
        for worst in (0, 1)
    ]
    text = " ".join(PAGE.split())
    assert f"`guarded` up to {blocks[0]} points more for last_block" in text
    assert f"at most {max(others[0])} more for the other methods" in text
    assert f"with `guarded` up to {blocks[1]} points larger for last_block" in text
    assert f"from {max(others[1])} larger to {-min(others[1])} smaller" in text


def test_the_benchmark_writes_the_same_words():
    tree = ast.parse((ROOT / "benchmarks" / "choice.py").read_text("utf-8"))
    (words,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PREAMBLE"
    )
    assert words in PAGE
