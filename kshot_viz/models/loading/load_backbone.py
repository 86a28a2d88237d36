"""Load a network by name: the bundled one, or torchvision's with its weights or a local file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kshot_viz.errors import KShotFileError, KShotValueError, unknown_name
from kshot_viz.files import read_json
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.glyphnet.glyphnet import GlyphNet
from kshot_viz.models.inputs.example import Prepare, as_preprocess, read_preprocess
from kshot_viz.models.inputs.preprocess import RECIPES, Preprocess
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
        "glyphnet", which comes with the package, or a torchvision classification network.
    weights : str, Path or None
        "DEFAULT" or the name of torchvision weights, which are downloaded once; a local file
        (.safetensors, .pth, .pt, .npz); or None for random initialisation, the same each time.
    preprocess : Preprocess, str, Path or callable, optional
        Overrides the one that belongs to the weights. For a local file it is searched in
        ``FILE.preprocess.json``, ``STEM.json`` and a table of known files.
    size : int, optional
        Side in pixels of the images, instead of the preprocess's own.
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
        For weights that do not fit, or a file whose preprocess is unknown.
    """
    name = known_network(name)
    if isinstance(weights, str) and weights.lower() == "none":
        weights = None
    path = _local_file(name, weights)
    module, own, notes = _ingredients(name, weights, path)
    chosen = as_preprocess(preprocess) or own or _belonging(path)
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


def _ingredients(
    name: str, weights: str | Path | None, path: Path | None
) -> tuple[nn.Module, Preprocess | None, dict[str, Any]]:
    if path is not None:
        return _untrained(name), None, _file_notes(path)
    if weights is None:
        own = RECIPES["glyphs"] if name == GLYPHNET else default_preprocess(name)
        return _untrained(name), own, {"weights": "none: random initialisation"}
    if name == GLYPHNET:
        module, preprocess, record = bundled_glyphnet()
        return module, preprocess, {"weights": "bundled", "record": record}
    module, transforms, label = build_torchvision(name, str(weights))
    return module, transforms, {"weights": f"torchvision {label}"}


def _untrained(name: str) -> nn.Module:
    # The caller's random state is put back: the seed only makes the initial weights repeatable.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(0, "untrained", name))
        return GlyphNet() if name == GLYPHNET else build_torchvision(name, None)[0]


def known_network(name: str, argument: str = "name") -> str:
    """Return the name of a network in lower case; a KShotKeyError names the argument."""
    lower = str(name).lower()
    # torchvision takes seconds to import; the bundled network does without it.
    if lower != GLYPHNET and lower not in torchvision_names():
        raise unknown_name(argument, name, [GLYPHNET, *torchvision_names()])
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


# These two warn without the argument `init_weights`; the others do not have it.
_INIT_WEIGHTS = ("googlenet", "inception_v3")


def torchvision_names() -> list[str]:
    """Return the names of torchvision's classification networks."""
    from torchvision import models

    return models.list_models(module=models)


def build_torchvision(
    name: str, weights: str | None
) -> tuple[nn.Module, Preprocess | None, str | None]:
    """Build a network; with ``weights`` they are downloaded once into torch's cache.

    Returns
    -------
    tuple of nn.Module, Preprocess or None, str or None
        The network, what its weights' own transforms do, and the weights' name.

    Raises
    ------
    KShotKeyError
        For a name that the network's weights do not have.
    KShotFileError
        When the download fails.
    """
    from torchvision import models

    if weights is None:
        options: dict[str, Any] = {"init_weights": True} if name in _INIT_WEIGHTS else {}
        return models.get_model(name, weights=None, **options), None, None
    chosen = _weights(name, weights)
    try:
        module = models.get_model(name, weights=chosen, progress=False)
    except (OSError, RuntimeError, EOFError) as error:
        raise KShotFileError(
            f"The weights {chosen.name} of {name} could not be downloaded ({error}). Without the "
            "internet give `weights=FILE` (.safetensors, .pth, .npz), or `weights=None`."
        ) from error
    return module, from_transforms(chosen.transforms()), chosen.name


def default_preprocess(name: str) -> Preprocess:
    """Return what the network's default weights expect; downloads nothing."""
    return from_transforms(_weights(name, "DEFAULT").transforms())


def from_transforms(transforms: Any) -> Preprocess:
    """Turn torchvision's ``ImageClassification`` transforms into a :class:`Preprocess`."""
    return Preprocess(
        size=transforms.crop_size[0],
        resize="crop",
        short_side=transforms.resize_size[0],
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        antialias=bool(transforms.antialias),
        interpolation=transforms.interpolation.value,
    )


def _weights(name: str, weights: str) -> Any:
    from torchvision import models

    members = models.get_model_weights(name).__members__
    if weights not in members:
        raise unknown_name(
            "weights", weights, [*members, "none", "a file: .safetensors, .pth, .npz"]
        )
    return members[weights]
