"""A frozen text encoder: a function from texts to vectors, checked, with a name and a digest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.records import content_digest
from kshot_viz.words.frozen.minilm import DIGEST, NAME, load_minilm, minilm_folder

# A list of texts -> an array of floats (n, d).
TextFunction = Callable[[list[str]], Any]
# Any text will do: what an encoder makes of it tells it from other encoders.
PROBE = "a small round shape with a tail below"
_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """A function from texts to vectors.

    Attributes
    ----------
    name : str
        ``"minilm"``, or module and name of a function.
    digest : str
        Of the weights; of a function, of the vector that it gives a fixed text.
    dimension : int
        Length of the vectors.
    function : callable
        List of texts -> floats (n, dimension).
    """

    name: str
    digest: str
    dimension: int
    function: TextFunction

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return float32 vectors (n, dimension) of texts.

        Raises
        ------
        KShotValueError
            If the function returns anything else.
        """
        starts = range(0, len(texts), _AT_ONCE)
        parts = [_vectors(self.function, list(texts[i : i + _AT_ONCE])) for i in starts]
        for part in parts:
            if part.shape[1] != self.dimension:
                raise KShotValueError(
                    f"`encoder` {self.name!r} gave vectors of {self.dimension} numbers at first, "
                    f"and now of {part.shape[1]}."
                )
        return torch.cat([torch.zeros(0, self.dimension), *parts])

    def to_dict(self) -> dict[str, Any]:
        """Return what records say of it, as plain JSON values."""
        return {"name": self.name, "digest": self.digest, "dimension": self.dimension}


def encoder_rule(value: Any) -> str:
    """Allow names and functions, as a rule of :mod:`kshot_viz.checks`."""
    fine = isinstance(value, str) or callable(value)
    return "" if fine else f"{NAME!r} or a function from a list of texts to an array (n, d)"


def text_encoder(encoder: str | TextFunction) -> TextEncoder:
    """Load the encoder of a name, or try a function on one text.

    Raises
    ------
    KShotKeyError
        For an unknown name.
    KShotError
        If the package of a name is missing or its files are others, or a function returns no array
        of finite floats (n, d).
    """
    if isinstance(encoder, str):
        if encoder != NAME:
            raise unknown_name("encoder", encoder, [NAME])
        loaded = load_minilm(minilm_folder())
        return TextEncoder(NAME, DIGEST, loaded.dimension, loaded)
    vector = _vectors(encoder, [PROBE])[0]
    digest = content_digest([vector.numpy().tobytes()])[:16]
    return TextEncoder(_name(encoder), digest, len(vector), encoder)


def _name(function: Any) -> str:
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def _vectors(function: TextFunction, texts: list[str]) -> Tensor:
    found = function(texts)
    if isinstance(found, Tensor):
        found = found.detach().cpu()
    try:
        values = np.array(found, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise KShotValueError(
            f"`encoder` must return an array of floats (n, d) for n texts; not {found!r:.60}."
        ) from error
    if values.ndim != 2 or len(values) != len(texts) or not values.shape[1]:
        raise KShotValueError(
            f"`encoder` must return an array of floats (n, d), a row for each text; for "
            f"{len(texts)} texts it returned one of shape {values.shape}."
        )
    if not np.isfinite(values).all():
        bad = texts[int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])]
        raise KShotValueError(f"`encoder` returned NaN or infinity for the text {bad!r:.60}.")
    return torch.from_numpy(values)
