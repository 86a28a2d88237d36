"""One tensor from networks of transformers, and the image sizes that networks state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

# In this order: logits of a classifier, features of a tower, pooled features.
_FIELDS = ("logits", "image_embeds", "pooler_output")


def returning_tensor(module: nn.Module) -> nn.Module:
    """Let a network of transformers return one tensor in place of a ``ModelOutput``.

    A hook does it, so that the names of all modules stay as they are. Other networks are left
    alone.

    Parameters
    ----------
    module : nn.Module
        Is changed: give a private copy.
    """
    classes = type(module).__mro__
    if any(one.__module__.startswith("transformers.") for one in classes):
        module.register_forward_hook(_take_tensor)
    return module


def tensor_of(output: Any) -> Any:
    """Return logits, pooled features, or the first token; a tensor as it is."""
    if isinstance(output, Tensor):
        return output
    for name in _FIELDS:
        value = getattr(output, name, None)
        if value is not None:
            return value
    hidden = getattr(output, "last_hidden_state", None)
    if hidden is None:
        return output
    return hidden[:, 0] if hidden.ndim == 3 else hidden


def stated_shapes(module: nn.Module) -> Iterator[tuple[int, int, int]]:
    """Yield the shapes (C, H, W) that a network says its images have, the surest first."""
    channels = _channels(module)
    for owner in (getattr(module, "patch_embed", None), module, getattr(module, "config", None)):
        for name in ("img_size", "image_size"):
            if (sides := _sides(getattr(owner, name, None))) is not None:
                yield channels, *sides
    for name in ("pretrained_cfg", "default_cfg"):
        stated = getattr(module, name, None)
        given = stated.get("input_size") if isinstance(stated, dict) else None
        if isinstance(given, (tuple, list)) and len(given) == 3:
            yield int(given[0]), int(given[1]), int(given[2])


def _take_tensor(module: nn.Module, args: object, output: Any) -> Any:
    return tensor_of(output)


def _channels(module: nn.Module) -> int:
    first = next((one for one in module.modules() if isinstance(one, nn.Conv2d)), None)
    return first.in_channels if first is not None else 3


def _sides(size: object) -> tuple[int, int] | None:
    if isinstance(size, int) and not isinstance(size, bool):
        return size, size
    if isinstance(size, (tuple, list)) and len(size) == 2 and all(isinstance(s, int) for s in size):
        return int(size[0]), int(size[1])
    return None
