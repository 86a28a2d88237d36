"""What torchvision says of its classification networks and of their weights."""

from __future__ import annotations

from typing import Any

from kshot_viz.errors import unknown_name


def torchvision_names() -> list[str]:
    """Return the names of torchvision's classification networks."""
    from torchvision import models

    return models.list_models(module=models)


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
