"""Which tasks are on the same images, under whatever names."""

from __future__ import annotations

from collections.abc import Sequence

from kshot_viz.data.dataset import ImageDataset


def share_images(data: ImageDataset, other: ImageDataset) -> bool:
    """Say whether two data sets are the same or overlap: by name, by any image, or by origin.

    A subset of a data set has another name, and test images of one may be labelled in the other;
    so may those of its variants, see :mod:`kshot_viz.data.transforms`. Copies that were resized or
    encoded anew outside of this package are not recognised.
    """
    return (
        data.name == other.name
        or _origin(data) == _origin(other)
        or not set(data.digests).isdisjoint(other.digests)
    )


def _origin(data: ImageDataset) -> str:
    return data.notes.get("of", data.fingerprint)


def data_sets(every: Sequence[ImageDataset]) -> dict[str, str]:
    """Return for the name of each data set the first name under which its images are given."""
    found: dict[str, str] = {}
    for i, one in enumerate(every):
        like = {found[other.name] for other in every[:i] if share_images(one, other)}
        first = next((name for name in found.values() if name in like), one.name)
        # One that shares images with two makes them one.
        found = {name: first if to in like else to for name, to in found.items()}
        found[one.name] = first
    return found
