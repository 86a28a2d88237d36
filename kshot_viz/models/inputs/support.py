"""The labelled images a network is tuned on, as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kshot_viz.data.arrays import label_row
from kshot_viz.data.images import image_count, image_source
from kshot_viz.errors import KShotValueError

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, eq=False)
class Support:
    """Prepared inputs, target indices, and the class each index stands for."""

    inputs: Tensor
    targets: Tensor
    classes: NDArray[Any]

    def to(self, device: str | torch.device) -> Support:
        """Return the same images on another device."""
        return Support(self.inputs.to(device), self.targets.to(device), self.classes)


def support_images(support: Any) -> Any:
    """Return the images of a support as they were given."""
    return support_parts(support)[0]


def support_labels(support: Any) -> NDArray[Any]:
    """Return the class of each image of a support."""
    _, targets, classes = support_parts(support)
    return classes[targets]


def prepare_support(backbone: Backbone, support: Any) -> Support:
    """Turn ``support`` into tensors.

    Parameters
    ----------
    support : object with ``images`` and ``labels``, or a pair (images, labels)
        A data set's own class indices (``targets`` into ``classes``) are used where it has them;
        otherwise classes are the sorted distinct labels.

    Raises
    ------
    KShotValueError
        If images and labels do not match in number or there is only one class.
    """
    images, targets, classes = support_parts(support)
    if image_count(images) != len(targets):
        raise KShotValueError(f"{image_count(images)} images but {len(targets)} labels were given.")
    if len(classes) < 2:
        raise KShotValueError(
            f"Fine-tuning needs two classes or more, not one class: {classes.tolist()}."
        )
    inputs = backbone.prepare(images) if len(targets) else _no_images(backbone)
    return Support(inputs, torch.from_numpy(targets).to(inputs.device), classes)


def support_parts(support: Any) -> tuple[Any, NDArray[np.int64], NDArray[Any]]:
    """Return the images of a support, their class indices, and the class of each index.

    Parameters
    ----------
    support : object with ``images`` and ``labels``, or a pair (images, labels)
    """
    if all(hasattr(support, name) for name in ("images", "targets", "classes")):
        used = _used(np.asarray(support.targets), np.asarray(support.classes))
        return image_source(support.images), *used
    if hasattr(support, "images") and hasattr(support, "labels"):
        images, labels = support.images, support.labels
    elif isinstance(support, (tuple, list)) and len(support) == 2:
        images, labels = support
    else:
        raise KShotValueError(
            "`support` must have `.images` and `.labels`, or be a pair (images, labels); "
            f"not {type(support).__name__}. kv.load_dataset(support) makes one of a data set of "
            "PyTorch and other libraries."
        )
    try:
        classes, targets = np.unique(label_row(labels), return_inverse=True)
    except TypeError as error:
        raise KShotValueError(f"labels must be all names or all numbers: {error}.") from error
    return image_source(images), targets.ravel().astype(np.int64), classes


def _no_images(backbone: Backbone) -> Tensor:
    """Return a batch of the network's type without an image."""
    like = next(p for p in backbone.module.parameters() if p.dtype.is_floating_point)
    return like.new_empty((0, *backbone.input_shape))


def _used(targets: NDArray[Any], classes: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Leave out the classes without an image, unless there is no image at all."""
    if not len(targets):
        return targets.astype(np.int64), classes
    present, used = np.unique(targets, return_inverse=True)
    return used.ravel().astype(np.int64), classes[present]
