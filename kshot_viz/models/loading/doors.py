"""Networks of other libraries by a name with a prefix, such as ``"timm/resnet18"``.

Each library has a module of its own beside this one. Its function takes the rest of the name,
whether trained weights are wanted, and a side in pixels, and returns a :class:`Loaded`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from kshot_viz.models.inputs.preprocess import Preprocess


@dataclass(frozen=True, eq=False)
class Loaded:
    """A network as a library made it.

    Attributes
    ----------
    module : nn.Module
    preprocess : function
        Reads what the library says its images must go through; gives None where it does not say.
        It may raise, so it is called only where nobody else says it.
    notes : dict
        Where the weights come from.
    """

    module: nn.Module
    preprocess: Callable[[], Preprocess | None]
    notes: dict[str, Any] = field(default_factory=dict)


Door = Callable[[str, bool, int | None], Loaded]
# Prefix of a name -> module beside this one and its function.
_DOORS = {
    "timm/": ("timm_door", "load_timm"),
    "hf-hub:": ("timm_door", "load_timm_hub"),
    "hf/": ("transformers_door", "load_transformers"),
    "open_clip/": ("open_clip_door", "load_open_clip"),
}
# What helps without the internet: where the structure of a network comes with its library, and
# where it is fetched too.
FROM_FILE = "give `weights=FILE` (.safetensors, .pth), or `weights=None` for random weights"
FROM_CACHE = (
    "load it once on another machine and copy the library's cache from there, or give "
    "`hf/FOLDER` that save_pretrained wrote"
)
PREFIXES = ("timm/NAME", "hf-hub:ORG/NAME", "hf/ORG/NAME", "hf/FOLDER", "open_clip/NAME:TAG")


def door_of(name: str) -> tuple[Door, str] | None:
    """Return what loads a name and the rest of it, or None for a name without a prefix.

    A folder with the ``config.json`` of transformers needs no prefix.
    """
    for prefix, (module, function) in _DOORS.items():
        if name.startswith(prefix):
            found = importlib.import_module(f"kshot_viz.models.loading.{module}")
            return getattr(found, function), name[len(prefix) :]
    return door_of(f"hf/{name}") if _is_saved_network(name) else None


def _is_saved_network(name: str) -> bool:
    try:
        return (Path(name).expanduser() / "config.json").is_file()
    except (OSError, ValueError, RuntimeError):  # No name of a folder at all.
        return False


def unloadable(name: str, error: BaseException, cure: str = FROM_FILE) -> str:
    """Say why a network was not loaded, and what can be done where the internet is missing."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return (
        f"The network {name!r} could not be loaded ({first}). If it is the internet that is "
        f"missing, {cure}."
    )
