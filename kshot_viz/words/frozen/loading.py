"""Find again the text encoder that saved words were trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.words.frozen.encoder import PROBE, TextEncoder, TextFunction, text_encoder
from kshot_viz.words.frozen.minilm import NAME
from kshot_viz.words.modules.text2label import Text2Label

# Other versions of libraries move the vector of a text by far less; another encoder by more.
_TOLERANCE = 1e-2


def needed_encoder(
    document: Any, given: str | TextFunction | None, path: Path
) -> TextEncoder | None:
    """Return the encoder that the record of words says they need; None for learned words.

    Parameters
    ----------
    document : object
        What is in the record's file.
    given : str, callable or None
        What the caller gives.
    path : pathlib.Path
        The file of the words, for messages.

    Raises
    ------
    KShotValueError
        If a function is needed and none is given, its vectors have another length, or one is given
        and none is needed.
    KShotFileError
        If the record cannot be read.
    """
    said = _said(document, path)
    if said is None:
        if given is not None:
            raise KShotValueError(
                f"the words {path} have a learned embedding of each word and read no texts with "
                f"an encoder; leave `encoder` out."
            )
        return None
    name, dimension = said
    if given is None and name != NAME:
        raise KShotValueError(
            f"the words {path} read texts with the function {name!r} ({dimension} numbers a "
            f"text), which is not in the file. Hand it over: words = load_words({str(path)!r}, "
            f"encoder=FUNCTION), and give these `words` wherever the file is taken."
        )
    found = text_encoder(name if given is None else given)
    if found.dimension != dimension:
        raise KShotValueError(
            f"the words {path} need an encoder of {dimension} numbers a text, {name!r}; "
            f"`encoder` {found.name!r} gives {found.dimension}."
        )
    return found


def check_same(label: nn.Module, encoder: TextEncoder | None, path: Path) -> None:
    """Raise a KShotValueError where an encoder is another one than words were trained with."""
    if encoder is None or not isinstance(label, Text2Label):
        return
    away = torch.linalg.vector_norm(encoder([PROBE])[0] - label.probe)
    if not away <= _TOLERANCE * torch.linalg.vector_norm(label.probe):
        raise KShotValueError(
            f"`encoder` {encoder.name!r} gives texts other vectors than the one that the words "
            f"{path} were trained with."
        )


def needed_name(document: Any, path: Path) -> str | None:
    """Return the name of the encoder that the record of words says they need, or None."""
    said = _said(document, path)
    return None if said is None else said[0]


def _said(document: Any, path: Path) -> tuple[str, int] | None:
    record = document.get("record") if isinstance(document, dict) else None
    needed = record.get("encoder") if isinstance(record, dict) else None
    if needed is None:
        return None
    parts = [needed.get("name"), needed.get("dimension")] if isinstance(needed, dict) else []
    match parts:
        case [str(name), int(dimension)]:
            return name, dimension
    raise KShotFileError(f"The record beside {path} does not say which text encoder it needs.")
