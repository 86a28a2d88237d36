"""A button that makes a file and hands it to the browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
from traitlets import Unicode

from kshot_viz.widgets.base.background import Background, Failed
from kshot_viz.widgets.base.parts import static

# Name, kind (MIME) and content of a file.
File = tuple[str, str, bytes]


class Download(anywidget.AnyWidget):
    """A button that makes a file when it is pressed.

    Parameters
    ----------
    description, tooltip : str
        On the button, and for those who hover or listen.
    make : callable
        Makes the file, in a thread.
    failed : callable
        Takes an exception of ``make``; it is never swallowed.
    """

    _esm = static("download.js")
    description = Unicode().tag(sync=True)
    tooltip = Unicode().tag(sync=True)

    def __init__(
        self, description: str, tooltip: str, make: Callable[[], File], failed: Failed
    ) -> None:
        super().__init__(description=description, tooltip=tooltip)
        self._make, self._failed = make, failed
        self._background = Background(self._no_file)
        self.on_msg(self._receive)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no file is being made; return whether that is so."""
        return self._background.wait(timeout)

    def _receive(self, _: Any, content: dict[str, Any], buffers: list[bytes]) -> None:
        if content.get("kind") == "ask":
            self._background.start(self._make, self._hand_over)

    def _hand_over(self, file: File) -> None:
        name, mime, content = file
        self.send({"kind": "file", "name": name, "mime": mime}, [content])

    def _no_file(self, error: Exception) -> None:
        self.send({"kind": "failed"})
        self._failed(error)
