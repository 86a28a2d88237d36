"""Photographs as the recorded results drew episodes of them."""

from __future__ import annotations

from dataclasses import replace

import kshot_viz as kv


def by_files(data: kv.ImageDataset) -> kv.ImageDataset:
    """Draw episodes by the fingerprint of the files, not by that of the pixels.

    The results on photographs were recorded when episodes of a folder were drawn so; with it the
    scripts draw the same ones again.
    """
    return replace(data, pixel_fingerprint=data.fingerprint)
