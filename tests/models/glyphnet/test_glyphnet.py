from __future__ import annotations

import pytest
import torch

from kshot_viz.models.glyphnet.glyphnet import GlyphNet


@pytest.mark.parametrize(("width", "channels", "side"), [(32, 1, 28), (8, 3, 28), (4, 1, 61)])
def test_features_have_the_width(width, channels, side):
    net = GlyphNet(width, channels).eval()
    assert net(torch.rand(2, channels, side, side)).shape == (2, width)


def test_names_are_the_agreed_ones():
    names = dict(GlyphNet().named_modules())
    assert {"blocks.0.conv", "blocks.3.norm", "blocks.3.pool", "head"} <= set(names)
    assert "blocks.0.conv.bias" not in GlyphNet().state_dict()
