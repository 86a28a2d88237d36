"""Parts of a self-contained HTML page without scripts: sections, tables, pictures."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

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
figcaption { margin-top: .4rem; }
pre { background: var(--panel); padding: .8rem 1rem; overflow-x: auto; border-radius: .4rem;
  font-size: .85rem; line-height: 1.45; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
summary { cursor: pointer; font-weight: 600; margin: .8rem 0 .4rem; }
@media print { main { max-width: none; } figure, tr { break-inside: avoid; } }
"""
# The browser itself refuses whatever is not in the file.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


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
    source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    text = escape(caption)
    return (
        f'<figure><img src="{source}" alt="{text}" width="{width}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


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
