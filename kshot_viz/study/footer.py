"""What must stand under every table: labels used, episodes, images, tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kshot_viz.study.rivals import why_unfit
from kshot_viz.text import counted, listed, minutes_text

# Queries drawn this often on average make the episodes far from independent.
HEAVY_REUSE = 5.0
# Below so many episodes a bootstrap interval is clearly too narrow: see bootstrap_mean.
FEW = 10


def footer(manifest: Mapping[str, Any]) -> list[str]:
    """Return what must stand under every table: labels used, episodes, images, tests."""
    parts = [
        _unfit(manifest),
        _tuning(manifest),
        _budget(manifest),
        _grouping(manifest),
        _scoring(manifest),
        _testing(),
    ]
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


def _unfit(manifest: Mapping[str, Any]) -> str:
    reasons = manifest.get("not_applicable")
    return f"Not applicable to this network: {listed(why_unfit(reasons))}." if reasons else ""


def _budget(manifest: Mapping[str, Any]) -> str:
    omitted = manifest.get("left_out")
    return (
        f"To fit into {minutes_text(manifest['budget_minutes'])}, only this was run: {omitted}."
        if omitted
        else ""
    )


def _grouping(manifest: Mapping[str, Any]) -> str:
    origin = manifest.get("groups_from")
    if origin == "source":
        return (
            f"Groups were formed from {manifest.get('source') or 'source images'}, never a query."
        )
    return "Groups were formed from each episode's own k shots." if origin == "support" else ""


_RULES = {
    "best": "the setting with the best mean accuracy.",
    "guarded": (
        "of those that collapsed in no episode, nor a neighbouring one, the smallest step size "
        "whose mean accuracy is within one standard error of the best."
    ),
}


def _tuning(manifest: Mapping[str, Any]) -> str:
    tune, used = manifest.get("tune"), manifest.get("labels_used_for_tuning", 0)
    if tune is None:
        return "Nothing was tuned: every method ran at the setting it was given."
    own = "Each method ran at its own step size and number of steps, chosen on"
    episodes = counted(int(manifest.get("n_val", 0)), "tuning episode")
    rule = _RULES[manifest.get("choose", "best")]
    if tune == "validation":
        return (
            f"{own} {episodes} a task, drawn from images apart from the test images: {rule} That "
            f"used {counted(int(used), 'labelled target image')} beyond the k shots."
        )
    return (
        f"{own} {episodes} a task of source data: {rule} No target label beyond the k shots was "
        f"used."
    )


def _scoring(manifest: Mapping[str, Any]) -> str:
    if "n_test" not in manifest:
        return ""
    each = " or ".join(map(str, manifest.get("queries_per_class", [])))
    queries = f"with {each} queries a class, " if each else ""
    return (
        f"{counted(int(manifest['n_test']), 'test episode')} in all, {queries}scored on "
        f"{counted(int(manifest['distinct_images']), 'distinct image')}; a query image is used "
        f"{float(manifest['query_reuse']):.1f} times a task on average.{_short(manifest)}"
    )


def _short(manifest: Mapping[str, Any]) -> str:
    """Name the classes with fewer queries, the shortest first."""
    fewer = sorted(manifest.get("fewer_queries", {}).items(), key=lambda pair: pair[1])
    if not fewer:
        return ""
    more = f" and {len(fewer) - 5} others" if len(fewer) > 5 else ""
    listed = ", ".join(f"{name!r} {n}" for name, n in fewer[:5]) + more
    return (
        f" Classes with few images have fewer queries ({listed}); an accuracy is the mean over "
        f"the classes of an episode."
    )


def _testing() -> str:
    return (
        "Intervals are 95 % bootstrap intervals over episodes. p is Wilcoxon's signed-rank test "
        "against plain on the same episodes, adjusted for the number of rivals by Holm's method."
    )
