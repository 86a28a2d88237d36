"""Pages of results say what their tables show."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from kshot_viz.analysis import TransferGrid
from kshot_viz.analysis.transfer.effects import effects, is_clear
from kshot_viz.text import points, points_interval

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


# ---- which source helps -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def transfer_rows() -> pd.DataFrame:
    """The rows of the grid, from the accuracies that are kept beside the page."""
    kept = json.loads((ROOT / "docs" / "results" / "transfer.json").read_text("utf-8"))
    rows = [
        {**cell, "episode": episode, "accuracy": accuracy}
        for cell in kept["cells"]
        for episode, accuracy in zip(cell["episodes"], cell["accuracy"], strict=True)
    ]
    return pd.DataFrame(rows).drop(columns="episodes")


def masking(rows: pd.DataFrame) -> pd.DataFrame:
    return TransferGrid(rows, pd.DataFrame(), {}, {}).masking()


@pytest.mark.slow
def test_the_page_on_transfer_shows_what_its_rows_give(transfer_rows):
    page = (ROOT / "docs" / "results" / "transfer.md").read_text("utf-8")
    found = effects(transfer_rows)
    assert found["n"].min() >= 12
    for row in found.to_dict("records"):
        cell = points_interval(row["difference"], row["low"], row["high"])
        (line,) = re.findall(
            rf"^\| {re.escape(row['source'])} \| .*\[.*\[.*\|$", page, re.MULTILINE
        )
        # With what is around it, since a number in bold holds the plain one.
        assert f"| {f'**{cell}**' if is_clear(row['verdict']) else cell} |" in line
    hidden = masking(transfer_rows)
    for row in hidden.to_dict("records"):
        own = f"{100 * row['frozen_accuracy']:.1f} / {100 * row['tuned_accuracy']:.1f}"
        gains = f"{points(row['frozen_gain'])} | {points(row['tuned_gain'])}"
        index = points_interval(row["index"], row["low"], row["high"])
        assert f"| {row['source']} | {own} | {gains} | {index} | {row['verdict']} |" in page
    gain = hidden["random_tuned_accuracy"] - hidden["random_frozen_accuracy"]
    assert f"gain by tuning, here {points(gain[0])} points" in page


def test_the_sentences_on_transfer_are_those_of_its_rows(transfer_rows):
    page = (ROOT / "docs" / "results" / "transfer.md").read_text("utf-8")
    sources = [one for one in dict.fromkeys(transfer_rows["source"]) if one != "random"]
    manifest = {"sources": sources, "targets": ["digits 5-9"]}
    lines = TransferGrid(transfer_rows, pd.DataFrame(), {}, manifest).findings()
    assert len(lines) == 2 + len(sources)
    assert all(f"- {line}\n" in page for line in lines)


def test_the_page_on_transfer_says_how_layers_and_accuracies_agree(transfer_rows):
    page = (ROOT / "docs" / "results" / "transfer.md").read_text("utf-8")
    kept = json.loads((ROOT / "docs" / "results" / "transfer.json").read_text("utf-8"))
    rows = pd.DataFrame(kept["last_layer"]).set_index("source")
    gains = masking(transfer_rows).set_index("source")["frozen_gain"]
    assert rows["frozen_gain"].to_dict() == pytest.approx(gains.to_dict(), abs=1e-5)
    rank = rows["frozen_gain"].rank().corr(rows["cka"].rank())
    assert f"have a rank correlation of {rank:.2f} (" in page
