"""Closing a widget with all its parts: a box alone leaves what stands in it open."""

from __future__ import annotations

from typing import Any

import ipywidgets


def close_parts(widget: ipywidgets.Widget) -> None:
    """Close what stands in a widget, and the layout and style of all of it."""
    for part in _parts(widget):
        close_parts(part)
        part.close()


def _parts(widget: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    owned: list[Any] = [getattr(widget, name, None) for name in ("layout", "style")]
    found = [*getattr(widget, "children", ()), *owned]
    return [part for part in found if isinstance(part, ipywidgets.Widget)]
