"""Plurals, durations and tables for messages, figures and notebook output."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from html import escape
from unicodedata import bidirectional

# Classes of letters that run from right to left, and of marks that turn what follows.
_TURNED = {"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "FSI", "PDF", "PDI"}


def counted(n: int, one: str) -> str:
    """Return ``"1 shot"`` or ``"5 shots"``, with thousands separated."""
    return f"{n:,} {one}" if n == 1 else f"{n:,} {one}s"


def duration(seconds: float) -> str:
    """Return a time in words: ``"40 seconds"``, ``"3 minutes"``, ``"2.5 hours"``."""
    if seconds < 90:
        return counted(max(1, round(seconds)), "second")
    if seconds < 5400:
        return counted(round(seconds / 60), "minute")
    return f"{seconds / 3600:.1f} hours"


def minutes_text(minutes: float) -> str:
    """Return ``"1 minute"`` or ``"0.5 minutes"``, as they were given."""
    return f"{minutes:g} minute" + ("" if minutes == 1 else "s")


def time_left(seconds: float) -> str:
    """Return what a progress bar says: ``"about 2:05 left"``, ``"about 3.5 hours left"``."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"about {seconds / 3600:.1f} hours left"
    return f"about {minutes}:{rest:02d} left"


def listed(names: Sequence[str]) -> str:
    """Return ``"plain, groups and last block"``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def wrapped(text: str, width: int, mark: str = "") -> list[str]:
    """Return the lines of a text, the first after ``mark``; a number keeps its percent sign."""
    lines = textwrap.wrap(
        # No break is made at this space, which is an ordinary one again below.
        text.replace(" %", "\N{NO-BREAK SPACE}%"),
        width,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\N{NO-BREAK SPACE}%", " %") for line in lines]


def interval_text(value: float, low: float, high: float, form: str, unit: str = "") -> str:
    """Return ``"71.4 [70.1, 72.6]"``, or the value alone where there is no interval.

    ``form`` is the format specification of one number, ``".1f"`` or ``"+.1f"``.
    """
    text = formatted(value, form) + unit
    if math.isnan(low):
        return text
    return f"{text} [{formatted(low, form)}, {formatted(high, form)}]"


def formatted(value: float, form: str) -> str:
    """Return a number in a format such as ``"+.1f"``; what rounds to zero has no sign."""
    text = f"{value:{form}}"
    return text.lstrip("+-") if float(text) == 0 else text


def points(share: float) -> str:
    """Return a difference of shares as ``"+0.9"`` points."""
    return formatted(100 * share, "+.1f")


def points_range(low: float, high: float) -> str:
    """Return ``"-0.4 to +2.2"``, the interval of a difference of shares inside a sentence."""
    return f"{points(low)} to {points(high)}"


def points_interval(share: float, low: float, high: float) -> str:
    """Return ``"+0.9 [-0.4, +2.2]"`` in a table, or the difference alone without an interval."""
    text = points(share)
    return text if math.isnan(low) else f"{text} [{points(low)}, {points(high)}]"


def p_text(p: float) -> str:
    """Return ``"0.012"``, ``"<0.001"``, or nothing where there is no test."""
    if math.isnan(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def isolated(name: str) -> str:
    """Return a name that stays together inside a sentence, whichever way its letters run.

    Letters that run from right to left would take numbers and brackets beside them along; such a
    name is put between Unicode's isolates, all others stay as they are.
    """
    turned = any(bidirectional(letter) in _TURNED for letter in name)
    return f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}" if turned else name


def aligned_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as lines of text, the columns below each other."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(one.ljust(width) for one, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


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


def evenly_spaced(items: Sequence[str], most: int) -> list[str]:
    """Return at most so many items, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]
