"""Options that need more than their type to be read."""

from __future__ import annotations

import math
from pathlib import Path

from kshot_viz.errors import KShotValueError


def groups_from_text(text: str) -> float | int:
    """Return a share as float or a count as int: ``"0.1"``, ``"1.0"``, ``"10"``, ``"1"``."""
    try:
        return _checked(int(text) if text.strip().isdecimal() else float(text))
    except ValueError as error:
        raise KShotValueError(
            f"`--groups` must be a share in (0, 1], such as 0.1, or a count, such as 10; "
            f"not {text!r}."
        ) from error


def absolute_file(text: str | None) -> str | None:
    """Return the whole path where this is a file; a name, of weights or a recipe, as it is.

    For commands that hand their request on to a process in another folder.
    """
    path = Path(text or "").expanduser()
    return str(path.absolute()) if path.suffix and path.is_file() else text


def resolve_device(name: str) -> str | None:
    """Return a torch device, or None for the CPU with one process a core."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise KShotValueError(f"`--device` must be auto, cpu or cuda; not {name!r}.")
    if name == "cuda" and not torch.cuda.is_available():
        raise KShotValueError("`--device cuda` was asked for, but torch sees no CUDA device.")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else None


def _checked(groups: float | int) -> float | int:
    most = math.inf if isinstance(groups, int) else 1.0
    if not 0 < groups <= most:
        raise ValueError(groups)
    return groups
