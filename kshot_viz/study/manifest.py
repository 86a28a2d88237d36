"""What was compared, on what, with which versions: enough to run any row again."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import distinct_images, query_reuse
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.study.task import tasks_of
from kshot_viz.study.tuning import Tuning

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

PACKAGES = ("kshot-viz", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "pillow")


def describe(
    backbone: Backbone, data: ImageDataset, episodes: Sequence[Episode], tuning: Tuning
) -> dict[str, Any]:
    """Return plain JSON values about the inputs of a comparison."""
    tasks = tasks_of(episodes, backbone)
    return {
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "classes": list(data.classes),
            "images": len(data),
        },
        "backbone": {"name": backbone.name, "fingerprint": backbone.fingerprint},
        "preprocess": str(backbone.preprocess),
        "labels_used_for_tuning": tuning.target_labels,
        "n_val": len(tuning.episodes) // len(tasks),
        "n_test": len(episodes),
        "fewest_test": min(len(one.episodes(episodes)) for one in tasks),
        "n_query": sorted({len(one.query) for one in episodes}),
        "queries_per_class": sorted({one.query_per_class for one in episodes}),
        "distinct_images": distinct_images(episodes),
        # Intervals are of one task each, so it is within a task that reuse makes them too narrow.
        "query_reuse": max(query_reuse(one.episodes(episodes)) for one in tasks),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions that a bitwise replay needs."""
    found = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "machine": platform.machine(), **found}
