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

    from kshot_viz.analysis.dynamics.dynamics import FinetuneDynamics

# A CKA that is written as 1.00.
_SAME = 0.995


def dynamics_findings(found: FinetuneDynamics) -> list[str]:
    """Return one paragraph for each method that was measured, and one on what was not."""
    frame = found.frame()
    lines = [
        " ".join(_sentences(f"{method}{_ended(found, str(method))}", rows, found))
        for method, rows in frame.groupby("method", sort=False)
    ]
    if lines and (missing := [name for name in found.left_out if name != KEPT]):
        lines.append(f"Not measured: {counted(len(missing), 'layer')}; `left_out` says why.")
    return lines


def _ended(found: FinetuneDynamics, method: str) -> str:
    status = found.status[method]
    return f" ({status})" if status.startswith("diverged") else ""


def _sentences(method: str, rows: pd.DataFrame, found: FinetuneDynamics) -> Iterator[str]:
    accuracy = rows[rows["measure"] == ACCURACY].sort_values("step")
    first, last = accuracy.iloc[0], accuracy.iloc[-1]
    images = counted(found.images, "image")
    if first["step"] == last["step"]:
        step = first["step"]
        yield f"{method}: at step {step} the accuracy of {images} was {first['value']:.0%}."
    else:
        yield (
            f"{method}: from step {first['step']} to step {last['step']} the accuracy of {images} "
            f"went from {first['value']:.0%} to {last['value']:.0%}."
        )
    # A new head has no start to be compared with; what it aligns with is another question.
    in_head = (rows["layer"] == found.head) | rows["layer"].str.startswith(f"{found.head}.")
    below = rows[(rows["layer"] != "") & ~in_head]
    if first["step"] != last["step"]:
        yield from _moved(below)
        yield from _from_start(below)
    yield from _gradients(below)


def _moved(below: pd.DataFrame) -> Iterator[str]:
    """Yield the relation that changed most from its first value to its last."""
    known = below[below["measure"].isin(RELATIONS) & below["value"].notna()].sort_values("step")
    groups = known.groupby(["layer", "measure"], sort=False, as_index=False)
    ends = groups.agg(
        begin=("value", "first"), end=("value", "last"), untrained=("untrained", "last")
    )
    if ends.empty:
        return
    most = ends.iloc[int((ends["end"] - ends["begin"]).abs().argmax())]
    yield (
        f"Of {len(ends)} relations below the head {most['measure']} of {most['layer']} changed "
        f"most, from {most['begin']:.2f} to {most['end']:.2f} ({most['untrained']:.2f} untrained)."
    )


def _from_start(below: pd.DataFrame) -> Iterator[str]:
    known = below[(below["measure"] == TO_START) & below["value"].notna()]
    if known.empty:
        return
    least = known.nsmallest(1, "value").iloc[0]
    if least["value"] >= _SAME:
        yield "No layer below the head moved: all have a CKA of 1.00 with their start."
        return
    yield (
        f"Least like its start is {least['layer']}, with a CKA of {least['value']:.2f} at step "
        f"{least['step']} ({least['untrained']:.2f} untrained)."
    )


def _gradients(below: pd.DataFrame) -> Iterator[str]:
    """Yield how far gradients agree, and what groups keep of them."""
    words = {
        AGREEMENT: "Gradient agreement is {:.2f}, {:.2f} by chance (means over layers and steps).",
        KEPT: "Groups keep {:.2f} of the gradient's energy, random groups {:.2f}.",
    }
    for measure, sentence in words.items():
        part = below[(below["measure"] == measure) & below["value"].notna()]
        if not part.empty:
            yield sentence.format(part["value"].mean(), part["null"].mean())
