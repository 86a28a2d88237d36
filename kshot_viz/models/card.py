"""The HTML card that Jupyter shows for a backbone."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from kshot_viz.models.probe import LayerInfo

_AT_MOST = 40


def card(title: str, layers: Mapping[str, LayerInfo]) -> str:
    """Return a heading and a table of layers, every name escaped."""
    rows = [_row(info) for info in list(layers.values())[:_AT_MOST]]
    more = len(layers) - len(rows)
    note = f"<p>and {more} more layers</p>" if more > 0 else ""
    head = "".join(f"<th>{name}</th>" for name in ("layer", "kind", "neurons", "weight", "norm"))
    return (
        f"<div><p><b>{escape(title)}</b></p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{note}</div>"
    )


def _row(info: LayerInfo) -> str:
    shape = " x ".join(map(str, info.weight_shape))
    cells = (info.name, info.kind, str(info.width), shape, info.norm or "")
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
