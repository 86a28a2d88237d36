"""Parts of a self-contained HTML page without scripts, and a DataFrame as an HTML table."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.viz.style.colours import method_label
from kshot_viz.viz.style.intervals import p_text

if TYPE_CHECKING:
    import pandas as pd

_STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --text: #1b1f24; --faint: #59636e;
  --line: #d5dae0; --panel: #f4f6f8; --mark: #fff3cd; --marked: #5b4300; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181d; --text: #e6e9ec;
  --faint: #a3adb8; --line: #38414b; --panel: #1d232a; --mark: #4a3b0a; --marked: #ffe9a8; } }
body { margin: 0; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 58rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
.finding { font-size: 1.08rem; background: var(--panel); border-left: .3rem solid #0072b2;
  padding: .6rem 1rem; margin: .6rem 0; }
.warning { background: var(--mark); color: var(--marked); padding: .5rem .8rem; }
.notes, figcaption, caption { color: var(--faint); font-size: .92rem; }
.notes p { margin: .35rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0 1.2rem; }
caption { text-align: left; padding-bottom: .3rem; color: var(--text); font-weight: 600; }
th, td { text-align: left; padding: .28rem 1.1rem .28rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { font-weight: 600; }
tbody th { font-weight: 400; white-space: nowrap; }
thead th { color: var(--faint); font-size: .88rem; white-space: nowrap; }
td { white-space: nowrap; }
td.free { white-space: normal; overflow-wrap: anywhere; }
.number { text-align: right; }
tr.clear td, tr.clear th { font-weight: 700; }
figure { margin: 1.2rem 0 2rem; }
figure img { display: block; max-width: 100%; height: auto; background: #ffffff;
  border: 1px solid var(--line); border-radius: .4rem; }
figure.themed img { background: none; border: none; border-radius: 0; }
figcaption { margin-top: .4rem; }
.led { margin: .5rem 0; }
pre { background: var(--panel); padding: .8rem 1rem; overflow-x: auto; border-radius: .4rem;
  font-size: .85rem; line-height: 1.45; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
summary { cursor: pointer; font-weight: 600; margin: .8rem 0 .4rem; }
@media print { main { max-width: none; } figure, tr { break-inside: avoid; } }
"""
# The browser itself refuses whatever is not in the file.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
AT_MOST = 200
# Longer texts in a table may take several lines.
_LONG = 20
_NAMES = {
    "low": "95 % from",
    "high": "to",
    "p_value": "p",
    "p_holm": "adjusted p",
}
# Written as they were given: decimals would hide how small they are.
_AS_GIVEN = ("step_size", "lr", "head_lr")


def page(title: str, body: Iterable[str]) -> str:
    """Return a whole page around ready HTML."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            "<main>",
            f"<h1>{escape(title)}</h1>",
            *body,
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def section(title: str, *parts: str) -> str:
    """Return parts under a heading, or an empty string if there are none."""
    filled = [part for part in parts if part]
    return (
        "\n".join([f"<section><h2>{escape(title)}</h2>", *filled, "</section>"]) if filled else ""
    )


def paragraphs(lines: Iterable[str], kind: str) -> str:
    """Return paragraphs of a class; warnings stand out."""
    return "\n".join(
        f'<p class="{"warning" if line.startswith("Warning") else kind}">{escape(line)}</p>'
        for line in lines
    )


def led(lines: Iterable[str]) -> str:
    """Return paragraphs whose beginning, up to the first colon, stands out."""
    parted = (line.partition(": ") for line in lines)
    return "\n".join(
        f'<p class="led"><strong>{escape(lead)}{colon}</strong>{escape(rest)}</p>'
        if rest
        else f'<p class="led">{escape(lead)}</p>'
        for lead, colon, rest in parted
    )


def table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    clear: Sequence[bool] = (),
    numbers_from: int = 1,
) -> str:
    """Return a table whose first column names the rows; numbers are aligned right."""
    columns = "".join(
        f'<th scope="col"{_aligned(i, numbers_from)}>{escape(h)}</th>' for i, h in enumerate(head)
    )
    lines = [
        _line(row, bool(clear) and clear[index], numbers_from) for index, row in enumerate(rows)
    ]
    return "\n".join(
        [
            f'<div class="scroll"><table><caption>{escape(caption)}</caption>',
            f"<thead><tr>{columns}</tr></thead>",
            "<tbody>",
            *lines,
            "</tbody></table></div>",
        ]
    )


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and values below one another."""
    cells = (
        f'<tr><th scope="row">{escape(name)}</th><td class="free">{escape(value)}</td></tr>'
        for name, value in rows
    )
    return "\n".join(["<table><tbody>", *cells, "</tbody></table>"])


def picture(png: bytes, caption: str, width: int) -> str:
    """Return an inline PNG, ``width`` CSS pixels wide at most, with its caption."""
    text = escape(caption)
    return (
        f'<figure><img src="{_source(png)}" alt="{text}" width="{width}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def themed_picture(light: bytes, dark: bytes, caption: str, width: int) -> str:
    """Return an inline PNG with a transparent ground for light pages and one for dark ones.

    The caption is the alternative text only: such a picture has its title in it.
    """
    on_light, on_dark = map(_source, (light, dark))
    return (
        '<figure class="themed"><picture>'
        f'<source media="(prefers-color-scheme: dark)" srcset="{on_dark}"/>'
        f'<img src="{on_light}" alt="{escape(caption)}" width="{width}"></picture></figure>'
    )


def _source(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def code(text: str) -> str:
    """Return preformatted text."""
    return f"<pre><code>{escape(text)}</code></pre>"


def folded(title: str, *parts: str) -> str:
    """Return parts that open on a click, without a script."""
    return "\n".join([f"<details><summary>{escape(title)}</summary>", *parts, "</details>"])


def _line(row: Sequence[str], clear: bool, numbers_from: int) -> str:
    first, *others = (
        escape(cell).replace("-", "\u2212") if i else escape(cell) for i, cell in enumerate(row)
    )
    cells = "".join(
        f"<td{_aligned(i, numbers_from)}>{cell}</td>" for i, cell in enumerate(others, start=1)
    )
    start = '<tr class="clear">' if clear else "<tr>"
    return f'{start}<th scope="row">{first}</th>{cells}</tr>'


def _aligned(column: int, numbers_from: int) -> str:
    return ' class="number"' if column >= numbers_from else ""


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
    cells = [form(value) for value in values]
    long = not number and max(map(len, cells), default=0) > _LONG
    side = ' class="number"' if number else ' class="long"' * long
    return _NAMES.get(name, name.replace("_", " ")), side, cells


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
