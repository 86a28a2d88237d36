"""Load a network by name: the bundled one, or one of another library, with weights or a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kshot_viz.errors import KShotFileError, KShotKeyError, KShotValueError, unknown_name
from kshot_viz.files import read_json
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.glyphnet.glyphnet import GlyphNet
from kshot_viz.models.inputs.example import Prepare, as_preprocess, read_preprocess
from kshot_viz.models.inputs.preprocess import RECIPES, Preprocess
from kshot_viz.models.loading.doors import PREFIXES, Door, Loaded, door_of
from kshot_viz.models.loading.torchvision_door import build_torchvision, default_preprocess
from kshot_viz.models.loading.torchvision_records import torchvision_names
from kshot_viz.models.loading.weights import (
    KNOWN_FILES,
    READERS,
    load_weights,
    read_weights,
    sha256_of,
)
from kshot_viz.seeds import child_seed

GLYPHNET = "glyphnet"
BUNDLED = Path(__file__).parents[1] / "glyphnet" / "weights"
SCHEMA = 1


def load_backbone(
    name: str,
    *,
    weights: str | Path | None = "DEFAULT",
    preprocess: Any = None,
    size: int | None = None,
    head: str | None = None,
) -> Backbone:
    """Load a network by name, with weights and the preprocess that belongs to them.

    Parameters
    ----------
    name : str
        "glyphnet", which comes with the package; a torchvision classification network; or one of
        another library: "timm/NAME", "hf-hub:ORG/NAME" (timm), "hf/ORG/NAME" or a folder
        (transformers), "open_clip/NAME:TAG" (its image tower).
    weights : str, Path or None
        "DEFAULT" or the name of torchvision weights, which are downloaded once; a local file
        (.safetensors, .pth, .pt, .npz); or None for random initialisation, the same each time.
    preprocess : Preprocess, str, Path or callable, optional
        Overrides the one that belongs to the weights. For a local file it is searched in
        ``FILE.preprocess.json``, ``STEM.json`` and a table of known files.
    size : int, optional
        Side in pixels of the images, instead of the preprocess's own. Vision transformers of timm
        and open_clip are made for it.
    head : str, optional
        The module to be replaced; None detects it.

    Returns
    -------
    Backbone
        Its ``notes`` say where the weights come from.

    Raises
    ------
    KShotKeyError
        For an unknown network, weights name, recipe or head.
    KShotFileError
        For a file that cannot be read, or weights that cannot be downloaded.
    KShotValueError
        For weights that do not fit, a file whose preprocess is unknown, or a network whose library
        prepares a picture otherwise than a Preprocess can say; give ``preprocess`` then.
    KShotError
        For a library that is not installed.

    Examples
    --------
    >>> import kshot_viz as kv
    >>> kv.load_backbone("squeezenet1_1", weights=None, size=64).feature_dim
    512
    """
    name = known_network(name)
    if isinstance(weights, str) and weights.lower() == "none":
        weights = None
    path = _local_file(name, weights)
    look = as_preprocess(preprocess)
    made_for = look.size if size is None and isinstance(look, Preprocess) else size
    loaded = _loaded(name, weights, path, made_for)
    module, notes = loaded.module, loaded.notes
    chosen = look or loaded.preprocess() or _belonging(path)
    backbone = Backbone(
        module, head=_head(name, head), preprocess=_resized(chosen, size), name=name, notes=notes
    )
    if path is not None:
        load_weights(backbone.module, path, backbone.head_name)
    return backbone


def bundled_glyphnet(folder: Path = BUNDLED) -> tuple[nn.Module, Preprocess, dict[str, Any]]:
    """Return the bundled network, its preprocess and the record of its training."""
    described = _read_description(folder / f"{GLYPHNET}.json")
    weights = folder / f"{GLYPHNET}.safetensors"
    first = read_weights(weights)["blocks.0.conv.weight"]
    module = GlyphNet(width=first.shape[0], in_channels=first.shape[1])
    load_weights(module, weights, "head")
    return module, Preprocess.from_dict(described["preprocess"]), dict(described["record"])


def _loaded(name: str, weights: str | Path | None, path: Path | None, size: int | None) -> Loaded:
    if (door := door_of(name)) is not None:
        return _of_library(door, name, weights, path, size)
    if path is not None:
        return Loaded(_untrained(name), lambda: None, _file_notes(path))
    if weights is None:
        own = RECIPES["glyphs"] if name == GLYPHNET else default_preprocess(name)
        return Loaded(_untrained(name), lambda: own, {"weights": "none: random initialisation"})
    if name == GLYPHNET:
        module, preprocess, record = bundled_glyphnet()
        return Loaded(module, lambda: preprocess, {"weights": "bundled", "record": record})
    module, transforms, label = build_torchvision(name, str(weights))
    return Loaded(module, lambda: transforms, {"weights": f"torchvision {label}"})


def _of_library(
    door: tuple[Door, str],
    name: str,
    weights: str | Path | None,
    path: Path | None,
    size: int | None,
) -> Loaded:
    make, rest = door
    if path is None and weights not in (None, "DEFAULT"):
        raise unknown_name("weights", weights, ["DEFAULT", "none", *(f"FILE{e}" for e in READERS)])
    with _same_start(name):
        found = make(rest, path is None and weights is not None, size)
    return found if path is None else replace(found, notes=_file_notes(path))


def _untrained(name: str) -> nn.Module:
    with _same_start(name):
        return GlyphNet() if name == GLYPHNET else build_torchvision(name, None)[0]


@contextmanager
def _same_start(name: str) -> Iterator[None]:
    """Make initial weights repeatable; the caller's random state is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(0, "untrained", name))
        yield


def known_network(name: str, argument: str = "name") -> str:
    """Return the name of a network, that of torchvision's in lower case.

    Raises
    ------
    KShotKeyError
        For a name that no library has; names the argument.
    """
    if door_of(str(name)) is not None:
        return str(name)
    if set("/\\~") & set(str(name)):
        raise KShotKeyError(
            f"`{argument}` is {str(name)!r}, and there is no such folder with the `config.json` of "
            f"a network of transformers; names with a prefix are {', '.join(PREFIXES)}."
        )
    lower = str(name).lower()
    # torchvision takes seconds to import; the bundled network does without it.
    if lower != GLYPHNET and lower not in torchvision_names():
        raise unknown_name(argument, name, [GLYPHNET, *torchvision_names(), *PREFIXES])
    return lower


def _local_file(name: str, weights: str | Path | None) -> Path | None:
    """Return the path when ``weights`` means a file, by its type or its ending."""
    if weights is None:
        return None
    if not isinstance(weights, (str, Path)):
        raise KShotValueError(
            f"`weights` must be a file, a name or None; not {type(weights).__name__}."
        )
    path = Path(weights).expanduser()
    if isinstance(weights, Path) or path.suffix.lower() in READERS:
        return path
    if name == GLYPHNET and weights != "DEFAULT":
        raise unknown_name("weights", weights, ["DEFAULT", "none", *(f"FILE{e}" for e in READERS)])
    return None


def _belonging(path: Path | None) -> Preprocess | None:
    """Find the preprocess that belongs to a local weights file."""
    if path is None:
        return None
    beside = (path.with_name(f"{path.name}.preprocess.json"), path.with_suffix(".json"))
    for candidate in beside:
        if candidate.is_file():
            return read_preprocess(candidate)
    known = KNOWN_FILES.get(sha256_of(path))
    if known is None:
        raise KShotValueError(
            f"How images must be prepared for {path.name} is not known. Give `preprocess=` (one "
            f"of {', '.join(map(repr, RECIPES))}, a Preprocess, a JSON file or a function), or "
            f"put {beside[0].name} beside it, written with Preprocess.to_json()."
        )
    return RECIPES[known.recipe]


def _file_notes(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise KShotFileError(f"There is no weights file {path}.")
    digest = sha256_of(path)
    known = KNOWN_FILES.get(digest)
    return {"weights": path.name, "sha256": digest} | ({"about": known.about} if known else {})


def _resized(preprocess: Prepare | None, size: int | None) -> Prepare | None:
    if size is None:
        return preprocess
    if not isinstance(preprocess, Preprocess):
        raise KShotValueError("`size` needs a Preprocess; a function decides the size itself.")
    return preprocess.with_size(size)


def _head(name: str, head: str | None) -> str | None:
    return "head" if head is None and name == GLYPHNET else head


def _read_description(path: Path) -> Mapping[str, Any]:
    described = read_json(path, called=f"The description {path}")
    if not isinstance(described, dict) or described.get("schema") != SCHEMA:
        raise KShotFileError(f"The description {path} must have schema {SCHEMA}.")
    lacking = [key for key in ("preprocess", "record") if not isinstance(described.get(key), dict)]
    if lacking:
        raise KShotFileError(f"The description {path} lacks {', '.join(lacking)}.")
    return described
