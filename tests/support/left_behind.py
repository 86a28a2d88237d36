"""What a dashboard leaves in a notebook for those who read it without a kernel."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from kshot_viz.viz.style.canvas import to_png


def opened(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int)


def leaves(widget: Any, figure: Any) -> None:
    """Hold that a widget leaves this figure, but for the colours that a small file cannot keep."""
    bundle = widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    left, whole = opened(base64.b64decode(data["image/png"])), opened(to_png(figure, 72))
    assert left.shape == whole.shape
    assert np.abs(left - whole).mean() < 2
