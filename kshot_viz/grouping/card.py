"""How a grouping looks in a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kshot_viz.grouping.grouping import Grouping

_TITLES = ("layer", "neurons", "groups", "largest", "singletons")


def card(grouping: Grouping) -> str:
    """Return a small HTML table, one row a layer."""
    head = "".join(f"<th>{title}</th>" for title in _TITLES)
    rows = "".join(_row(grouping, layer) for layer in grouping)
    origin = html.escape(", ".join(f"{k}={v}" for k, v in grouping.origin.items()))
    return (
        f"<details open><summary>Grouping of {len(grouping)} layers ({origin})</summary>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></details>"
    )


def _row(grouping: Grouping, layer: str) -> str:
    sizes = grouping.sizes(layer)
    numbers = (sizes.sum(), sizes.size, sizes.max(), (sizes == 1).sum())
    cells = "".join(f"<td>{int(number)}</td>" for number in numbers)
    return f"<tr><td>{html.escape(layer)}</td>{cells}</tr>"
