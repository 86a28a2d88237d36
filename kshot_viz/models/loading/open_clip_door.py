"""The image towers of open_clip, with the preprocess of their weights."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

from kshot_viz.errors import KShotFileError, KShotValueError, unknown_name
from kshot_viz.extras import needed
from kshot_viz.models.inputs.preprocess import Preprocess
from kshot_viz.models.loading.doors import Loaded, unloadable
from kshot_viz.models.loading.followed import CURE, followed

_RESIZE = {"shortest": "crop", "squash": "stretch"}


def load_open_clip(name: str, trained: bool, size: int | None) -> Loaded:
    """Make the image tower of a network of open_clip.

    Parameters
    ----------
    name : str
        ``"NAME:TAG"``, for example ``"ViT-B-32:laion2b_s34b_b79k"``; without weights the tag may
        be left out.
    trained : bool
        Whether to load the weights of the tag, which open_clip downloads once.
    size : int or None
        Side in pixels that the network is made for; its own by default.
    """
    open_clip = needed("open_clip", "clip", "This network")
    model, _, tag = name.partition(":")
    if model not in open_clip.list_models():
        known = [f"open_clip/{one}" for one in open_clip.list_models()]
        raise unknown_name("name", f"open_clip/{model}", known)
    tags = open_clip.list_pretrained_tags_by_model(model)
    if trained and tag not in tags:
        raise unknown_name(
            "name", f"open_clip/{name}", [f"open_clip/{model}:{one}" for one in tags]
        )
    given: dict[str, Any] = {"force_image_size": size} if size else {}
    if "load_weights" in inspect.signature(open_clip.create_model).parameters:
        # Older versions load none where `pretrained` is None.
        given["load_weights"] = trained
    try:
        whole = open_clip.create_model(model, pretrained=tag if trained else None, **given)
    except Exception as error:  # Whatever the hub's client raises.
        raise KShotFileError(unloadable(f"open_clip/{name}", error)) from error
    label = f"open_clip {open_clip.__version__}, {tag}"
    notes = {"weights": label if trained else "none: random initialisation"}
    return Loaded(whole.visual, partial(_preprocess, whole.visual.preprocess_cfg), notes)


def _preprocess(config: dict[str, Any]) -> Preprocess:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    def theirs(image: Any) -> Any:
        return image_transform_v2(PreprocessCfg(**config), is_train=False)(image)

    return followed(preprocess_of(config), theirs, "open_clip")


def preprocess_of(config: dict[str, Any]) -> Preprocess:
    """Turn the ``preprocess_cfg`` of an image tower into a :class:`Preprocess`.

    Raises
    ------
    KShotValueError
        For what a Preprocess cannot say.
    """
    side, mode = config["size"], config.get("resize_mode") or "shortest"
    height, width = (side, side) if isinstance(side, int) else side
    if height != width or mode not in _RESIZE or config.get("mode", "RGB") != "RGB":
        raise KShotValueError(
            f"The network wants images of {height} x {width} with resize mode {mode!r}, which a "
            f"Preprocess does not know: {CURE}."
        )
    interpolation = config.get("interpolation") or "bicubic"
    return Preprocess(
        size=height,
        resize=_RESIZE[mode],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=interpolation if interpolation in ("bilinear", "bicubic") else "bicubic",
    )
