"""Small networks of transformers with random weights, in folders as ``save_pretrained`` writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

_VIT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 8,
}
_RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
_DINO = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}


def _vit(library: Any) -> Any:
    return library.ViTForImageClassification(library.ViTConfig(**_VIT, num_labels=5))


def _vit_features(library: Any) -> Any:
    return library.ViTModel(library.ViTConfig(**_VIT))


def _resnet(library: Any) -> Any:
    return library.ResNetForImageClassification(library.ResNetConfig(**_RESNET, num_labels=5))


def _dinov2(library: Any) -> Any:
    return library.Dinov2Model(library.Dinov2Config(**_DINO))


def _clip(library: Any) -> Any:
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = library.CLIPConfig(
        text_config={**text, "intermediate_size": 16, "vocab_size": 20},
        vision_config=_VIT,
        projection_dim=16,
    )
    return library.CLIPModel(config)


# Name -> what makes the network, and the side of its images.
TRANSFORMERS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "vit": (_vit, 32),
    "vit_features": (_vit_features, 32),
    "resnet": (_resnet, 32),
    "dinov2": (_dinov2, 28),
    "clip": (_clip, 32),
}


def saved_network(name: str, folder: Path) -> Path:
    """Write a network and its image processor into a folder, and return it."""
    import transformers

    make, side = TRANSFORMERS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make(transformers).save_pretrained(folder)
    square = {"height": side, "width": side}
    processor = transformers.ViTImageProcessor(size=square, image_mean=[0.5] * 3)
    processor.save_pretrained(folder)
    return folder
