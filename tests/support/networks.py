"""Small networks and images that many tests share."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.models.backbone import Backbone


class ToyNet(nn.Module):
    """Two convolutions, the first with a batch norm, and a linear head."""

    def __init__(self, width: int = 6, channels: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.deep = nn.Conv2d(width, width + 2, 3)
        self.head = nn.Linear(width + 2, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.conv(x)))
        x = torch.relu(self.deep(x)).mean(dim=(2, 3))
        return self.head(x)


def toy_backbone(
    width: int = 6, *, seed: int = 0, dtype: torch.dtype = torch.float32, size: int = 8
) -> Backbone:
    """A toy network with random weights and lively batch statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = ToyNet(width)
        with torch.no_grad():
            net.norm.running_mean.normal_(std=0.1)
            net.norm.running_var.uniform_(0.5, 1.5)
    net = net.to(dtype)
    return Backbone(net, head="head", example=torch.rand(2, 1, size, size, dtype=dtype))


def toy_data(
    classes: int = 3, per_class: int = 12, *, size: int = 8, seed: int = 0
) -> ImageDataset:
    """Noisy images whose class shows in where the bright corner is."""
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(classes), per_class)
    images = rng.integers(0, 90, (len(targets), size, size, 1), dtype=np.uint8)
    for image, target in zip(images, targets, strict=True):
        image[target : target + 3, target : target + 3] += 150
    return ImageDataset.from_arrays(
        images, targets, classes=[f"c{i}" for i in range(classes)], name="toy"
    )
