"""The bundled network: four convolution blocks, small enough to fine-tune interactively.

This is the Conv-4 of the few-shot literature (Vinyals et al., "Matching Networks for One Shot
Learning", NeurIPS 2016, section 4.1) with 32 channels and one grey input channel.
"""

from __future__ import annotations

from torch import Tensor, nn


class ConvBlock(nn.Module):
    """3x3 convolution, batch norm, ReLU, 2x2 max pooling: (N, C, H, W) -> (N, D, H//2, W//2)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)

    def forward(self, images: Tensor) -> Tensor:
        """Return the pooled activations of the block."""
        return self.pool(self.relu(self.norm(self.conv(images))))


class GlyphNet(nn.Module):
    """Four convolution blocks, and an identity that a head replaces.

    Parameters
    ----------
    width : int
        Channels of every block, and so the number of features.
    in_channels : int
        Channels of the images; the bundled weights read grey images.

    Notes
    -----
    Images are (N, ``in_channels``, H, W) with H and W >= 16; the bundled weights were trained on
    28x28. Until a head is put in, the network returns the features, (N, ``width``).
    """

    def __init__(self, width: int = 32, in_channels: int = 1) -> None:
        super().__init__()
        channels = (in_channels, width, width, width)
        self.blocks = nn.Sequential(*(ConvBlock(given, width) for given in channels))
        self.head: nn.Module = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Return the output of the head, (N, classes), or the features where there is none."""
        return self.head(self.blocks(images).mean(dim=(2, 3)))
