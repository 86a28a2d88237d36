"""What runs showed from inside, in sentences made from the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kshot_viz.analysis.alignment.relations import RELATIONS
from kshot_viz.analysis.dynamics.course import ACCURACY
from kshot_viz.analysis.dynamics.state import AGREEMENT, KEPT, TO_START
from kshot_viz.text import counted

if TYPE_CHECKING:
    import pandas as pd


def dynamics_findings(frame: pd.DataFrame, images: int) -> list[str]:
    """Return one paragraph for each method.

    Parameters
    ----------
    frame : DataFrame
        Of :meth:`kshot_viz.analysis.FinetuneDynamics.frame`.
    images : int
        How many are measured on.
    """
    return [
        " ".join(_sentences(str(method), rows, images))
        for method, rows in frame.groupby("method", sort=False)
    ]


def _sentences(method: str, rows: pd.DataFrame, images: int) -> Iterator[str]:
    accuracy = rows[rows["measure"] == ACCURACY].sort_values("step")
    first, last = accuracy.iloc[0], accuracy.iloc[-1]
    yield (
        f"{method}: from step {first['step']} to step {last['step']} the accuracy of "
        f"{counted(images, 'image')} went from {first['value']:.0%} to {last['value']:.0%}."
    )
    # A new head has no start to be compared with; what it aligns with is another question.
    below = rows[rows["layer"].isin(_below_the_head(rows))]
    if below.empty:
        return
    yield from _moved(below)
    least = below[below["measure"] == TO_START].nsmallest(1, "value").iloc[0]
    yield (
        f"Least like its start is {least['layer']}, with a CKA of {least['value']:.2f} at step "
        f"{least['step']} ({least['untrained']:.2f} untrained)."
    )
    yield from _gradients(below)


def _below_the_head(rows: pd.DataFrame) -> list[str]:
    known = rows[(rows["measure"] == TO_START) & rows["value"].notna()]
    return list(dict.fromkeys(known["layer"]))


def _moved(below: pd.DataFrame) -> Iterator[str]:
    """Yield the relation that changed most from its first value to its last."""
    known = below[below["measure"].isin(RELATIONS) & below["value"].notna()].sort_values("step")
    groups = known.groupby(["layer", "measure"], sort=False, as_index=False)
    ends = groups.agg(
        begin=("value", "first"), end=("value", "last"), untrained=("untrained", "last")
    )
    change = ends["end"] - ends["begin"]
    if change.empty:
        return
    most = ends.iloc[int(change.abs().argmax())]
    yield (
        f"Of all relations below the head {most['measure']} of {most['layer']} changed most, from "
        f"{most['begin']:.2f} to {most['end']:.2f} ({most['untrained']:.2f} untrained)."
    )


def _gradients(below: pd.DataFrame) -> Iterator[str]:
    """Yield how far gradients agree, and what groups keep of them, averaged over layers."""
    words = {
        AGREEMENT: "Gradient agreement is {:.2f} on average, {:.2f} by chance.",
        KEPT: "Groups keep {:.2f} of the gradient's energy on average, random groups {:.2f}.",
    }
    for measure, sentence in words.items():
        part = below[(below["measure"] == measure) & below["value"].notna()]
        if not part.empty:
            yield sentence.format(part["value"].mean(), part["null"].mean())
