"""What was compared, on what, with which versions."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import distinct_images, query_reuse
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.models.inputs.preprocess import text_of
from kshot_viz.study.task import Tuning, tasks_of
from kshot_viz.trackers.callback import RunInfo

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.plan import ComparisonPlan

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
        "preprocess": preprocess_text(backbone),
        "labels_used_for_tuning": tuning.target_labels,
        "n_val": len(tuning.episodes) // len(tasks),
        "n_test": len(episodes),
        "fewest_test": min(len(one.episodes(episodes)) for one in tasks),
        "n_query": sorted({len(one.query) for one in episodes}),
        "queries_per_class": sorted({one.query_per_class for one in episodes}),
        **_fewer_queries(data, episodes),
        "distinct_images": distinct_images(episodes),
        # Intervals are of one task each, so it is within a task that reuse makes them too narrow.
        "query_reuse": max(query_reuse(one.episodes(episodes)) for one in tasks),
        "versions": versions(),
    }


def preprocess_text(backbone: Backbone) -> str | None:
    """Return how a network's images are prepared; None for a function, which no text identifies."""
    look = backbone.preprocess
    return str(look) if look is None else text_of(look)


def _fewer_queries(data: ImageDataset, episodes: Sequence[Episode]) -> dict[str, dict[str, int]]:
    """Return the classes that lack images for the queries of the others, with their numbers."""
    found = {
        (c, n)
        for one in episodes
        for c, n in zip(one.classes, one.query_counts, strict=True)
        if n < one.query_per_class
    }
    fewest = {data.classes[c]: n for c, n in sorted(found, reverse=True)}
    return {"fewer_queries": fewest} if fewest else {}


def versions() -> dict[str, str]:
    """Return the versions that a bitwise replay needs."""
    found = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "machine": platform.machine(), **found}


def run_info(plan: ComparisonPlan, tune: str | None) -> RunInfo:
    """Describe a comparison to callbacks."""
    return RunInfo(
        "compare_methods",
        {
            "backbone": plan.backbone.name,
            "data": plan.data.name,
            "methods": ", ".join(one.name for one in plan.rivals),
            "shots": ", ".join(str(task.shot) for task in plan.tasks),
            "episodes": len(plan.episodes),
            "tuning_episodes": len(plan.tuning.episodes),
            "tune": tune,
            "choose": plan.choose,
            "race": plan.race,
            "executor": plan.options["executor"],
            "seed": plan.options["seed"],
        },
    )
