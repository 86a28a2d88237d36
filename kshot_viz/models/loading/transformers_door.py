"""Vision networks of transformers, from the hub or a local folder, with their image processor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kshot_viz.errors import KShotFileError, KShotValueError, warn
from kshot_viz.extras import needed
from kshot_viz.models.inputs.preprocess import Preprocess
from kshot_viz.models.loading.doors import FROM_CACHE, Loaded, unloadable
from kshot_viz.models.loading.followed import CURE, followed

# Networks for images and texts, of which only the tower of images is taken.
_TOWERS = {
    "clip": "CLIPVisionModel",
    "clip_vision_model": "CLIPVisionModel",
    "siglip": "SiglipVisionModel",
    "siglip_vision_model": "SiglipVisionModel",
}
_CLASSIFIER = "ForImageClassification"
_LISTED = 4
# Code that comes with a network would run with the rights of whoever loads it.
_NO_CODE = {"trust_remote_code": False}
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
# Numbers of Pillow.
_INTERPOLATION = {2: "bilinear", 3: "bicubic"}
# The crop that ConvNeXt's processor takes where its configuration does not say.
_CONVNEXT_CROP, _CONVNEXT_LARGE = 224 / 256, 384


def load_transformers(name: str, trained: bool, size: int | None) -> Loaded:
    """Make a network of transformers.

    Parameters
    ----------
    name : str
        ``"ORG/NAME"`` on the hub, or a folder that ``save_pretrained`` wrote.
    trained : bool
        Whether to load its weights, safetensors only.
    size : int or None
        Not used: the network keeps the size of its configuration.
    """
    transformers = needed("transformers", "hf", "This network")
    folder = Path(name).expanduser()
    source = str(folder) if folder.is_dir() else name
    try:
        config = transformers.AutoConfig.from_pretrained(source, **_NO_CODE)
        # Files may hold half precision, in which small steps vanish.
        module = _made(transformers, source, config, trained).float()
    except Exception as error:  # Whatever the hub's client raises.
        if _NO_CODE.keys() & set(str(error).replace("`", " ").replace("=", " ").split()):
            raise KShotFileError(
                f"The network {name!r} brings code of its own, which is never run from here: load "
                f"it with transformers and give kv.Backbone(module)."
            ) from error
        raise KShotFileError(unloadable(f"hf/{name}", error, FROM_CACHE)) from error
    label = f"transformers {transformers.__version__}" if trained else "none: random initialisation"
    return Loaded(module, partial(_preprocess, transformers, source), {"weights": label})


def _made(transformers: Any, source: str, config: Any, trained: bool) -> Any:
    kind = _class_of(transformers, config)
    if trained:
        return _trained(transformers, kind, source)
    if kind.__name__.startswith("Auto"):
        return kind.from_config(config, **_NO_CODE)
    return kind(getattr(config, "vision_config", config))


def _trained(transformers: Any, kind: Any, source: str) -> Any:
    """Load weights; what the library says of the tower that is left out is not shown."""
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        module, about = kind.from_pretrained(
            source, use_safetensors=True, output_loading_info=True, **_NO_CODE
        )
    finally:
        transformers.logging.set_verbosity(level)
    if missing := sorted(about["missing_keys"]):
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        warn(f"{source} has no weights for {', '.join(missing[:_LISTED])}{more}: they are random.")
    return module


def _class_of(transformers: Any, config: Any) -> Any:
    if config.model_type in _TOWERS:
        return getattr(transformers, _TOWERS[config.model_type])
    made = (getattr(config, "architectures", None) or [""])[0]
    whole = "AutoModelForImageClassification" if made.endswith(_CLASSIFIER) else "AutoModel"
    return getattr(transformers, whole)


def _preprocess(transformers: Any, source: str) -> Preprocess | None:
    """Return what the image processor does; None for a folder without one."""
    folder = Path(source)
    if folder.is_dir() and not any((folder / one).is_file() for one in _PROCESSORS):
        warn(f"{source} has no image processor, so pixels stay in [0, 1]; or {CURE}.")
        return None
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(source, **_NO_CODE)
    except Exception as error:  # Whatever the hub's client raises.
        raise KShotFileError(
            f"The image processor of {source!r} could not be read ({error}): {CURE}."
        ) from error
    return followed_processor(processor)


def followed_processor(processor: Any) -> Preprocess:
    """Return what an image processor does, as a Preprocess that was compared with it."""
    ours = preprocess_of(processor.to_dict())
    return followed(ours, partial(_prepared, processor), "transformers")


def _prepared(processor: Any, image: Any) -> Any:
    return processor(images=image, return_tensors="pt")["pixel_values"][0]


def preprocess_of(config: Mapping[str, Any]) -> Preprocess:
    """Turn the configuration of an image processor into a :class:`Preprocess`.

    Raises
    ------
    KShotValueError
        For what a Preprocess cannot say.
    """
    normal = config.get("do_normalize", True)
    geometry = _geometry(config)
    try:
        return Preprocess(
            **geometry,
            scale=1.0 if config.get("do_rescale", True) else 255.0,
            mean=tuple(config.get("image_mean") or (0.0,)) if normal else (0.0,),
            std=tuple(config.get("image_std") or (1.0,)) if normal else (1.0,),
            interpolation=_INTERPOLATION.get(int(config.get("resample") or 2), "bilinear"),
            channels="BGR" if config.get("do_flip_channel_order") else "RGB",
            corner="floor",
        )
    except KShotValueError as error:
        raise KShotValueError(
            f"A Preprocess cannot follow the image processor of this network ({error}): {CURE}."
        ) from error


def _geometry(config: Mapping[str, Any]) -> dict[str, Any]:
    resized = dict(config.get("size") or {}) if config.get("do_resize", True) else {}
    crop = dict(config.get("crop_size") or {}) if config.get("do_center_crop") else {}
    short = resized.get("shortest_edge")
    if str(config.get("image_processor_type", "")).startswith("ConvNext") and short:
        return _convnext(short, config.get("crop_pct") or _CONVNEXT_CROP)
    cut = _side(crop) if crop else None
    if short:
        return {"size": cut or short, "resize": "crop", "short_side": short}
    if resized:
        whole = _side(resized)
        return {"size": cut or whole, "resize": "stretch", "short_side": whole}
    if cut:
        raise KShotValueError(f"A crop without a resize is not known to a Preprocess: {CURE}.")
    return {"size": None}


def _convnext(short: int, share: float) -> dict[str, Any]:
    if short >= _CONVNEXT_LARGE:
        return {"size": short, "resize": "stretch"}
    return {"size": short, "resize": "crop", "short_side": int(short / share)}


def _side(size: Mapping[str, Any]) -> int:
    height, width = size.get("height"), size.get("width")
    if not height or height != width:
        raise KShotValueError(
            f"The network wants images of the size {dict(size)}, which a Preprocess does not know: "
            f"{CURE}."
        )
    return int(height)
