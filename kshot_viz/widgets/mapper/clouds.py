"""The point clouds that an explorer of Mapper graphs is opened on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from traitlets import TraitError

from kshot_viz.analysis.activation_points import ActivationPoints, activation_points
from kshot_viz.analysis.topology.lenses import norms
from kshot_viz.analysis.topology.nodes import checked_labels
from kshot_viz.analysis.topology.points import Points, checked_points
from kshot_viz.checks import check, mapping, names
from kshot_viz.data.images import image_count
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.grouping.labels import indices

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

MOMENTS = ("before", "after")


class LayerPoints(Mapping[str, ActivationPoints]):
    """The activations of images in several layers; each is computed when it is asked for.

    Parameters
    ----------
    backbone : Backbone
    images : image batch
    layers : sequence of str
    options
        Of ``activation_points``.
    """

    def __init__(
        self, backbone: Backbone, images: Any, layers: Sequence[str] | None, **options: Any
    ) -> None:
        check("layers", [] if layers is None else layers, names)
        chosen = list(backbone.layers) if layers is None else list(layers)
        for layer in chosen or [""]:
            if layer not in backbone.layers:
                raise unknown_name("layers", layer, backbone.layers)
        self._options: tuple[Any, ...] = (backbone, images, options)
        self._known: dict[str, ActivationPoints | None] = dict.fromkeys(chosen)

    def __getitem__(self, layer: str) -> ActivationPoints:
        """Return the points of a layer; they are kept."""
        found = self._known[layer]
        if found is None:
            backbone, images, options = self._options
            found = self._known[layer] = activation_points(backbone, images, layer, **options)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


@dataclass(frozen=True, eq=False)
class Cloud:
    """Rows, and what is known of each.

    Attributes
    ----------
    points : ndarray, shape (rows, features)
    norms : ndarray, shape (rows,)
    image : ndarray of int, shape (rows,)
        The image of every row.
    title : str
    """

    points: Points
    norms: NDArray[np.float64]
    image: NDArray[np.int64]
    title: str

    @classmethod
    def of(cls, given: Any, title: str) -> Cloud:
        """Read what somebody gave: an array, activations of images, or activations of neurons."""
        points = checked_points(getattr(given, "points", given))
        image = getattr(given, "image", None)
        image = np.arange(len(points)) if image is None else np.asarray(image)
        return cls(points, norms(points), image, title)

    def labels(self, labels: Any) -> tuple[str, ...] | None:
        """Return a label for every row; those that are given may be of the images."""
        images = int(self.image.max()) + 1
        given = len(labels) if hasattr(labels, "__len__") else -1
        if given == images != len(self.points):
            found = checked_labels(labels, images) or ()
            return tuple(found[image] for image in self.image.tolist())
        return checked_labels(labels, len(self.points))

    def check_images(self, images: Any) -> None:
        """Raise a KShotValueError where a row's image is not among these; None has none to show."""
        wanted = int(self.image.max()) + 1
        if images is not None and image_count(images) != wanted:
            raise KShotValueError(
                f"`images` must be those of the rows, {wanted:,} images; "
                f"not {image_count(images):,}."
            )


class Clouds:
    """One state, or two of the same rows; with a choice of layers where mappings were given.

    Parameters
    ----------
    points : array_like, ActivationPoints, or mapping of str to these
    after : the same, optional
        A mapping must have the names of ``points``.
    titles : sequence of str, optional
        What the states are called; "before" and "after", or their layers, by default.
    """

    def __init__(self, points: Any, after: Any = None, titles: Sequence[str] | None = None) -> None:
        given = [points] if after is None else [points, after]
        if titles is not None:
            check("titles", titles, names)
            if len(titles) != len(given):
                raise KShotValueError(
                    f"`titles` must name {len(given)} graphs; not {len(list(titles))}."
                )
        mappings = [isinstance(one, Mapping) for one in given]
        if any(mappings) and not (all(mappings) and list(given[0]) == list(given[-1])):
            raise KShotValueError(
                "`points` and `after` must both be mappings with the same names, or neither."
            )
        if any(mappings):
            check("points", points, mapping)
            if not len(points):
                raise KShotValueError("`points` is a mapping without any layer.")
        self._given, self._titles = given, titles
        self.choices: tuple[str, ...] = tuple(points) if any(mappings) else ()
        self._kept: tuple[str | None, list[Cloud]] = (None, [])

    @property
    def n(self) -> int:
        """Number of states, one or two."""
        return len(self._given)

    def load(self, choice: str = "") -> list[Cloud]:
        """Return the clouds of a choice; those of the last one are kept.

        Raises
        ------
        KShotValueError
            For points that have no shape, and states with different numbers of rows.
        """
        if self._kept[0] == choice:
            return self._kept[1]
        given = [one[choice] if self.choices else one for one in self._given]
        titles = self._titles or _titles(given, choice)
        found = []
        for one, title in zip(given, titles, strict=True):
            try:
                found.append(Cloud.of(one, title))
            except KShotValueError as error:
                whose = f"{title}: " if len(given) > 1 else ""
                raise KShotValueError(f"{whose}{error}") from error
        if len({len(one.points) for one in found}) > 1:
            sizes = " and ".join(f"{len(one.points):,}" for one in found)
            raise KShotValueError(
                f"`points` and `after` must be of the same rows in the same order; not of {sizes}."
            )
        self._kept = choice, found
        return found


def checked_rows(rows: Any, n: int) -> list[int]:
    """Return rows ascending and once each, or raise a TraitError where there is no such row."""
    wanted = list(rows)
    if not wanted:
        return []
    try:
        return [int(one) for one in np.unique(indices(wanted, n, "`selected` must be rows"))]
    except KShotValueError as error:
        raise TraitError(str(error)) from error


def _titles(given: Sequence[Any], choice: str) -> list[str]:
    layers = [getattr(one, "layer", choice) or choice for one in given]
    layers = [one if isinstance(one, str) else choice for one in layers]
    if len(given) == 1:
        return [layers[0] or "Mapper graph"]
    if layers[0] != layers[1]:
        return layers
    return [f"{layers[0]}, {moment}" if layers[0] else moment for moment in MOMENTS]
