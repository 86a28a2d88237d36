"""Classification networks of torchvision, with the preprocess of their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from kshot_viz.errors import KShotFileError, unknown_name
from kshot_viz.models.inputs.preprocess import Preprocess

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
    chosen = torchvision_weights(name, weights)
    try:
        module = models.get_model(name, weights=chosen, progress=False)
    except (OSError, RuntimeError, EOFError) as error:
        raise KShotFileError(
            f"The weights {chosen.name} of {name} could not be downloaded ({error}). Once there is "
            f"internet, `{_command(name, chosen.name)}` fetches them into {_cache()}, and they are "
            "used from there. Until then give `weights=FILE` (.safetensors, .pth, "
            ".npz), or `weights=None`."
        ) from error
    return module, from_transforms(chosen.transforms()), chosen.name


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


def torchvision_weights(name: str, weights: str) -> Any:
    """Return torchvision's own record of a network's weights.

    Raises
    ------
    KShotKeyError
        For a name that the network's weights do not have.
    """
    from torchvision import models

    members = models.get_model_weights(name).__members__
    if weights not in members:
        raise unknown_name(
            "weights", weights, [*members, "none", "a file: .safetensors, .pth, .npz"]
        )
    return members[weights]


def _command(name: str, weights: str) -> str:
    """Return the command that fetches these weights."""
    default = torchvision_weights(name, "DEFAULT").name
    return f"kshot-viz fetch {name}" + (f" --weights {weights}" * (weights != default))


def _cache() -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"
