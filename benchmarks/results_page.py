"""Turn a results folder of `kshot-viz demo` or `compare` into a page under docs/results.

    python benchmarks/results_page.py runs/demo docs/results/digits.md --title "..."

The page carries tables and plots, never an image of the data. What stands between the two `reading`
marks of an existing page is kept: that part is written by a person.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from kshot_viz.study.comparison import Comparison
from kshot_viz.viz import plot_accuracy, plot_step_size, save_figure, summary_markdown
from kshot_viz.viz.style.colours import method_label

if TYPE_CHECKING:
    import pandas as pd

START, END = "<!-- reading -->", "<!-- /reading -->"


def main() -> None:
    """Write the page and its pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="folder with results.parquet")
    parser.add_argument("page", type=Path, help="Markdown file to write")
    parser.add_argument("--title", required=True)
    arguments = parser.parse_args()
    comparison = Comparison.load(arguments.results)
    command = json.loads((arguments.results / "request.json").read_text("utf-8"))["command"]
    parts = [
        f"# {arguments.title}",
        f"Made by `{command}`, then `python benchmarks/results_page.py`. "
        f"Versions: {versions(comparison)}.",
        reading(arguments.page),
        "## Each method at its own best setting",
        summary_markdown(comparison),
        *pictures(comparison, arguments.page),
        "## Accuracy on the tuning episodes against step size",
        curve(comparison),
    ]
    arguments.page.write_text("\n\n".join(part.strip() for part in parts) + "\n", "utf-8")


def versions(comparison: Comparison) -> str:
    """Return the versions in one line."""
    return ", ".join(f"{name} {number}" for name, number in comparison.manifest["versions"].items())


def reading(page: Path) -> str:
    """Return what a person wrote on the page that is there already."""
    old = page.read_text("utf-8") if page.exists() else ""
    found = re.search(f"{START}.*?{END}", old, re.DOTALL)
    return found.group() if found else f"{START}\n{END}"


def pictures(comparison: Comparison, page: Path) -> list[str]:
    """Save the plots beside the page and return the lines that show them."""
    axes = {"accuracy": plot_accuracy(comparison)}
    for shot in sorted(comparison.frame["shot"].unique().tolist()):
        axes[f"step size, {shot} shot"] = plot_step_size(comparison, shot=shot)
    lines = []
    for name, drawn in axes.items():
        file = page.with_name(f"{page.stem}_{name.replace(', ', '_').replace(' ', '_')}.png")
        save_figure(drawn, file, dpi=100)
        lines.append(f"![{name}]({file.name})")
    return lines


def curve(comparison: Comparison) -> str:
    """Return a table per shot and step size of the head: a row a method, a column a step size."""
    tables = []
    for head_lr in comparison.manifest["grid"]["head_lrs"]:
        for (way, shot), rows in comparison.curve(head_lr=head_lr).groupby(["way", "shot"]):
            steps, n = int(rows["steps"].iloc[0]), int(rows["n"].iloc[0])
            title = (
                f"{way} classes, {shot} shot, after {steps} steps, mean of {n} tuning episodes, %"
            )
            body = rows[rows["method"] != "head_only"]
            tables += _table(f"{title}; step size of the head {head_lr:g}", body)
    for (way, shot), rows in comparison.curve().groupby(["way", "shot"]):
        title = f"{way} classes, {shot} shot; step size of the head, where nothing else moves"
        tables += _table(title, rows[rows["method"] == "head_only"])
    return "\n".join(tables)


def _table(title: str, rows: pd.DataFrame) -> list[str]:
    wide = rows.pivot_table(index="method", columns="step_size", values="accuracy", sort=False)
    if wide.empty:
        return []
    wide = wide[sorted(wide.columns)]
    lines = [
        f"| {method_label(name)} | " + " | ".join(_percent(values))
        for name, values in wide.T.items()
    ]
    head = "| " + " | ".join(["step size", *(f"{size:g}" for size in wide.columns)]) + " |"
    rule = "| --- |" + " ---: |" * len(wide.columns)
    return [f"{title}:", "", head, rule, *(f"{line} |" for line in lines), ""]


def _percent(values: pd.Series) -> list[str]:
    return [f"{100 * value:.1f}" for value in values]


if __name__ == "__main__":
    main()
