"""What a report says about which neurons share a group, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kshot_viz.study.findings.finding import LEVEL, titled_tasks
from kshot_viz.study.task import TASK
from kshot_viz.text import counted, p_text
from kshot_viz.viz.comparison.selection import records

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
HEAD = ("layer", "neurons", "groups", "within", "between", "shuffled", "p adj.", "verdict")
# Layers are named in a sentence where there are no more than these.
_NAMED = 8
SAID = {"activations": "correlation of activations", "gradients": "cosine of gradients"}
ABOUT = (
    "Similarity of two neurons on query images, which formed no group: within a group, between "
    "groups, and within groups of the same sizes with random members (the range of 95 % of 999 "
    "draws). p is the share of draws at least as alike, adjusted for the number of layers by "
    "Holm's method."
)


def verdicts(part: pd.DataFrame) -> str:
    """Return in how many layers the neurons of a group are alike, for one task and method."""
    told = " and ".join(
        f"in {_layers(rows)} by {measure}" for measure, rows in part.groupby("measure", sort=False)
    )
    return f"neurons of a group are more alike than those of shuffled groups {told}."


def methods_of(alike: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield the title of each task, each of its methods, and the rows of both."""
    for title, rows in titled_tasks(alike):
        part = alike[(alike[TASK] == [rows[0][name] for name in TASK]).all(axis=1)]
        for method, own in part.groupby("method", sort=False):
            yield title, str(method), own


def cells(part: pd.DataFrame) -> list[list[str]]:
    """Return the cells of one task, method and measure, a row a layer."""
    return [
        [
            row["layer"],
            str(int(row["neurons"])),
            f"{row['groups']:g}" if row["groups"] == int(row["groups"]) else f"{row['groups']:.1f}",
            _number(row["within"]),
            _number(row["between"]),
            _range(row),
            p_text(row["p_holm"]),
            verdict(row),
        ]
        for row in records(part)
    ]


def verdict(row: Row) -> str:
    """Return whether the neurons of a layer's groups are more alike than those of shuffled ones."""
    if math.isnan(row["p_holm"]):
        return "no pair to compare"
    if row["p_holm"] < LEVEL:
        return "more than shuffled"
    return "no more than shuffled"


def _layers(rows: pd.DataFrame) -> str:
    known = rows.dropna(subset="p_holm")
    alike = known.loc[known["p_holm"] < LEVEL, "layer"]
    which = f" ({', '.join(alike)})" if 0 < len(alike) < len(known) <= _NAMED else ""
    return f"{len(alike) or 'none'} of {counted(len(known), 'layer')}{which}"


def _number(value: float) -> str:
    # Adding zero turns -0.0 into 0.0.
    return "" if math.isnan(value) else f"{round(value, 2) + 0.0:.2f}"


def _range(row: Row) -> str:
    if math.isnan(row["shuffled"]):
        return ""
    ends = (_number(row[f"shuffled_{end}"]) for end in ("low", "high"))
    return f"{_number(row['shuffled'])} [{', '.join(ends)}]"
