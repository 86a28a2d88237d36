"""The picture that a widget leaves in a notebook, for readers without a running kernel."""

from __future__ import annotations

import base64
import io
from typing import Any

from traitlets import Unicode

from kshot_viz.errors import KShotError
from kshot_viz.viz.style.canvas import to_png

# Small and readable: notebooks are kept in git.
_DPI = 72
# Characters at the end of the picture that tell it from all others.
_TAIL = 96
_PNG = "image/png"


class LeavesPicture:
    """A widget whose cell keeps its figure as a picture, beside the view that needs a kernel.

    JupyterLab shows nothing but an error for a view without a kernel, though a picture is in the
    same output. So the picture is an output of its own, before the view, and the view hides it for
    as long as it lives.

    Subclasses are widgets with ``figure()``.
    """

    figure: Any

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Return the view with its picture, for whoever takes one output only."""
        bundle = super()._repr_mimebundle_(**options)  # type: ignore[misc]
        png = left_png(self)
        if not png or not bundle:
            return bundle
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle,)
        return ({**data, _PNG: png}, *rest) if rest else {**data, _PNG: png}

    def _ipython_display_(self) -> None:
        from IPython.display import display

        data = self._repr_mimebundle_() or {"text/plain": repr(self)}
        data, metadata = data if isinstance(data, tuple) else (data, {})
        view = {name: value for name, value in data.items() if name != _PNG}
        if _PNG in data:
            self._hide(data[_PNG][-_TAIL:])
            display({_PNG: data[_PNG], "text/plain": repr(self)}, raw=True)
        display(view, metadata=metadata, raw=True)

    def _hide(self, tail: str) -> None:
        """Let the browser's side hide the picture that ends so."""
        raise NotImplementedError


def left_png(shown: Any) -> str:
    """Return a widget's figure as base64, or nothing where it has no figure: the widget says why.

    It has at most 128 colours, and so a third of the size.
    """
    from PIL import Image

    try:
        png = to_png(shown.figure(), _DPI)
    except KShotError:
        return ""
    few = Image.open(io.BytesIO(png)).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, "png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def tail_trait() -> Any:
    """Return the trait that tells the browser's side the end of the picture to hide."""
    return Unicode("").tag(sync=True)
