"""Plurals and tables for messages, figures and notebook output."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def counted(n: int, one: str) -> str:
    """Return ``"1 shot"`` or ``"5 shots"``, with thousands separated."""
    return f"{n:,} {one}" if n == 1 else f"{n:,} {one}s"


def html_table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Return an HTML table, every cell escaped."""
    body = "".join(_html_row("td", row) for row in rows)
    return f"<table><thead>{_html_row('th', head)}</thead><tbody>{body}</tbody></table>"


def html_details(summary: str, table: str, *, opened: bool = True) -> str:
    """Return a table that folds away under its escaped summary."""
    state = " open" if opened else ""
    return f"<details{state}><summary>{escape(summary)}</summary>{table}</details>"


def _html_row(tag: str, cells: Iterable[object]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"
