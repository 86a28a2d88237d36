"""Words that messages, tables and figures share."""

from __future__ import annotations


def counted(n: int, one: str) -> str:
    """Return ``"1 shot"`` or ``"5 shots"``, with thousands separated."""
    return f"{n:,} {one}" if n == 1 else f"{n:,} {one}s"
