"""What was compared, on what, with which versions, and the sentences that say so."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import distinct_images, query_reuse
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.study.task import Tuning, tasks_of
from kshot_viz.text import counted

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

PACKAGES = ("kshot-viz", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "pillow")
# Queries drawn this often on average make the episodes far from independent.
HEAVY_REUSE = 5.0
# Below so many episodes a bootstrap interval is clearly too narrow: see bootstrap_mean.
FEW = 10


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


def footer(manifest: Mapping[str, Any]) -> list[str]:
    """Return what must stand under every table: labels used, episodes, images, tests."""
    parts = [_tuning(manifest), _grouping(manifest), _scoring(manifest), _testing()]
    reuse = float(manifest.get("query_reuse", 0))
    if reuse > HEAVY_REUSE:
        parts.append(
            "Warning: the episodes share their query images heavily, so they are not independent: "
            "the intervals are too narrow and the p-values too small."
        )
    if 1 < (n := int(manifest.get("fewest_test", FEW))) < FEW:
        parts.append(
            f"Warning: {n} test episodes a task are few, and bootstrap intervals of so few values "
            f"are too narrow. Take {FEW} or more."
        )
    return [part for part in parts if part]


def _grouping(manifest: Mapping[str, Any]) -> str:
    origin = manifest.get("groups_from")
    if origin == "source":
        return (
            f"Groups were formed from {manifest.get('source') or 'source images'}, never a query."
        )
    return "Groups were formed from each episode's own k shots." if origin == "support" else ""


def _tuning(manifest: Mapping[str, Any]) -> str:
    tune, used = manifest.get("tune"), manifest.get("labels_used_for_tuning", 0)
    if tune is None:
        return "Nothing was tuned: every method ran at the setting it was given."
    own = "Each method ran at its own best step size and number of steps, chosen on"
    episodes = counted(int(manifest.get("n_val", 0)), "tuning episode")
    if tune == "validation":
        return (
            f"{own} {episodes} a task, drawn from images apart from the test images. That used "
            f"{counted(int(used), 'labelled target image')} beyond the k shots."
        )
    return f"{own} {episodes} a task of source data. No target label beyond the k shots was used."


def _scoring(manifest: Mapping[str, Any]) -> str:
    if "n_test" not in manifest:
        return ""
    each = " or ".join(map(str, manifest.get("queries_per_class", [])))
    queries = f"with {each} queries a class, " if each else ""
    return (
        f"{counted(int(manifest['n_test']), 'test episode')} in all, {queries}scored on "
        f"{counted(int(manifest['distinct_images']), 'distinct image')}; a query image is used "
        f"{float(manifest['query_reuse']):.1f} times a task on average."
    )


def _testing() -> str:
    return (
        "Intervals are 95 % bootstrap intervals over episodes. p is Wilcoxon's signed-rank test "
        "against plain on the same episodes, adjusted for the number of rivals by Holm's method."
    )
