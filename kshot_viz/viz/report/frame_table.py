"""A DataFrame as an HTML table; every text is escaped."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.viz.style.colours import method_label
from kshot_viz.viz.style.texts import p_text

if TYPE_CHECKING:
    import pandas as pd

AT_MOST = 200
_NAMES = {
    "low": "95 % from",
    "high": "to",
    "p_value": "p",
    "p_holm": "adjusted p",
}
# Written as they were given: decimals would hide how small they are.
_AS_GIVEN = ("step_size", "lr", "head_lr")


def frame_html(frame: pd.DataFrame, caption: str, *, at_most: int = AT_MOST) -> str:
    """Return a frame as an HTML table.

    Parameters
    ----------
    frame : DataFrame
        Columns without any value are left out.
    caption : str
        Where rows are left out, their number is added.
    at_most : int
        Rows that are shown.
    """
    shown = frame.head(at_most)
    if len(frame) > len(shown):
        caption += f" ({len(shown)} of {len(frame):,} rows; .frame() has all of them)"
    columns = [_column(str(name), shown[name]) for name in shown if not _empty(shown[name])]
    head = "".join(f'<th scope="col"{side}>{escape(name)}</th>' for name, side, _ in columns)
    lines = (
        "".join(
            f"<td{side}>{escape(cell)}</td>"
            for (_, side, _), cell in zip(columns, row, strict=True)
        )
        for row in zip(*(cells for _, _, cells in columns), strict=True)
    )
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<div class="kv-caption">{escape(caption)}</div><div class="kv-scroll" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def _empty(values: pd.Series[Any]) -> bool:
    return len(values) > 0 and bool(values.isna().all())


def _column(name: str, values: pd.Series[Any]) -> tuple[str, str, list[str]]:
    """Return the name of a column, the attribute that aligns it, and its cells."""
    form = _form(name, values)
    number = np.issubdtype(values.dtype, np.number) if isinstance(values.dtype, np.dtype) else False
    side = ' class="number"' if number else ""
    return _NAMES.get(name, name.replace("_", " ")), side, [form(value) for value in values]


def _form(name: str, values: pd.Series[Any]) -> Callable[[Any], str]:
    if name == "method":
        return lambda value: method_label(str(value))
    if name.startswith("p_"):
        return lambda value: p_text(float(value))
    if values.dtype.kind != "f":
        return str
    if name in _AS_GIVEN or "/" in name:
        return lambda value: "" if value != value else f"{value:g}"
    largest = float(np.nan_to_num(values.abs().max()))
    digits = 1 if largest >= 10 else 3
    return lambda value: "" if value != value else f"{value:.{digits}f}"
