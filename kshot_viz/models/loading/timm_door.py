"""Networks of timm, by name or from the hub, with the preprocess of their configuration."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from kshot_viz.errors import KShotFileError, KShotValueError, unknown_name
from kshot_viz.extras import needed
from kshot_viz.models.inputs.preprocess import Preprocess
from kshot_viz.models.loading.doors import FROM_CACHE, FROM_FILE, Loaded, unloadable
from kshot_viz.models.loading.followed import CURE, followed


def load_timm(name: str, trained: bool, size: int | None) -> Loaded:
    """Make a network of timm.

    Parameters
    ----------
    name : str
        As :func:`timm.create_model` takes it, also with a tag: ``"resnet18.a1_in1k"``.
    trained : bool
        Whether to load its weights, which timm downloads once.
    size : int or None
        Side in pixels that the network is made for; its own where it takes no other one.
    """
    timm = needed("timm", "timm", "This network")
    if not timm.is_model(name):
        raise unknown_name("name", f"timm/{name}", [f"timm/{one}" for one in timm.list_models()])
    return _loaded(timm, name, f"timm/{name}", trained, size)


def load_timm_hub(name: str, trained: bool, size: int | None) -> Loaded:
    """Make a network of timm that somebody has put on the hub, ``"ORG/NAME"``."""
    timm = needed("timm", "timm", "This network")
    return _loaded(timm, f"hf-hub:{name}", f"hf-hub:{name}", trained, size)


def _loaded(timm: Any, name: str, called: str, trained: bool, size: int | None) -> Loaded:
    try:
        module = _made(timm, name, trained, size)
    # What is not there or cannot be reached comes as whatever the hub's client raises.
    except Exception as error:
        cure = FROM_CACHE if called.startswith("hf-hub:") else FROM_FILE
        raise KShotFileError(unloadable(called, error, cure)) from error
    config = timm.data.resolve_data_config({}, model=module)
    tag = (getattr(module, "pretrained_cfg", None) or {}).get("tag") or "default"
    label = f"timm {timm.__version__}, {tag}" if trained else "none: random initialisation"
    return Loaded(module, partial(_preprocess, timm, config), {"weights": label})


def _made(timm: Any, name: str, trained: bool, size: int | None) -> Any:
    if size is None:
        return timm.create_model(name, pretrained=trained)
    try:
        return timm.create_model(name, pretrained=trained, img_size=size)
    except TypeError:
        # Convolutions take any size, and know no such argument.
        return timm.create_model(name, pretrained=trained)


def _preprocess(timm: Any, config: dict[str, Any]) -> Preprocess:
    def theirs(image: Any) -> Any:
        return timm.data.create_transform(**config)(image)

    return followed(preprocess_of(config), theirs, "timm")


def preprocess_of(config: dict[str, Any]) -> Preprocess:
    """Turn what ``timm.data.resolve_data_config`` returns into a :class:`Preprocess`.

    Raises
    ------
    KShotValueError
        For what a Preprocess cannot say.
    """
    channels, height, width = config["input_size"]
    mode = config.get("crop_mode") or "center"
    if height != width or channels not in (1, 3) or mode not in ("center", "squash"):
        raise KShotValueError(
            f"The network wants images of {channels} x {height} x {width} with "
            f"crop mode {mode!r}, which a Preprocess does not know: {CURE}."
        )
    return Preprocess(
        size=height,
        resize="crop" if mode == "center" else "stretch",
        short_side=math.floor(height / (config.get("crop_pct") or 1.0)),
        channels="RGB" if channels == 3 else "L",
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=_interpolation(config.get("interpolation") or "bicubic"),
    )


def _interpolation(name: str) -> str:
    # Random ones are for training; timm then evaluates with bilinear.
    return name if name in ("bilinear", "bicubic") else "bilinear"
