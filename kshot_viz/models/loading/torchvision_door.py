"""Classification networks of torchvision, with the preprocess of their weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kshot_viz.errors import KShotFileError
from kshot_viz.models.inputs.preprocess import Preprocess
from kshot_viz.models.loading.fetch import fetch, source_of
from kshot_viz.models.loading.torchvision_records import torchvision_weights

# These two warn without the argument `init_weights`; the others do not have it.
_INIT_WEIGHTS = ("googlenet", "inception_v3")


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
    chosen = torchvision_weights(name, weights)
    _check_cached(name, chosen.name)
    module = models.get_model(name, weights=chosen, progress=False)
    return module, from_transforms(chosen.transforms()), chosen.name


def _check_cached(name: str, weights: str) -> None:
    """Fetch a file of weights unless it is there, and refuse one that holds more than weights.

    torchvision reads the file with pickle and does not look at the hash of what is in the cache.
    """
    source = source_of(name, weights)
    try:
        file = fetch(source)
    except KShotFileError as error:
        raise KShotFileError(
            f"The weights {weights} of {name} could not be downloaded ({error.__cause__}). Once "
            f"there is internet, `{_command(name, weights)}` fetches them into "
            f"{source.file.parent}, and they are used from there. Until then give `weights=FILE` "
            "(.safetensors, .pth, .npz), or `weights=None`."
        ) from error
    try:
        torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # Whatever a broken pickle raises.
        raise KShotFileError(f"{file} holds something else than weights: remove it.") from error


def default_preprocess(name: str) -> Preprocess:
    """Return what the network's default weights expect; downloads nothing."""
    return from_transforms(torchvision_weights(name, "DEFAULT").transforms())


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


def _command(name: str, weights: str) -> str:
    """Return the command that fetches these weights."""
    default = torchvision_weights(name, "DEFAULT").name
    return f"kshot-viz fetch {name}" + (f" --weights {weights}" * (weights != default))
