"""The page that dashboards stand on: one look for all of them, and whether its theme is dark."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import anywidget
from traitlets import Bool

STATIC = Path(__file__).parents[1] / "static"


@cache
def static(name: str) -> str:
    """Return the text of a file that comes with the package."""
    return (STATIC / name).read_text("utf-8")


class Page(anywidget.AnyWidget):
    """Brings the look to the page; draws nothing.

    Attributes
    ----------
    dark : bool
        Whether the page is dark; told by the browser, light until then.
    """

    _esm = static("page.js") + static("theme.js")
    _css = static("dashboard.css")
    dark = Bool(False).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.layout.display = "none"
