"""What must stand under every table: labels used, episodes, images, tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kshot_viz.grouping.rule import OF_EPISODE
from kshot_viz.stats import FEW_VALUES
from kshot_viz.study.rivals import why_unfit
from kshot_viz.study.tables import PLAIN
from kshot_viz.study.timing import budget_text
from kshot_viz.text import counted, listed

# Queries drawn this often on average make the episodes far from independent.
HEAVY_REUSE = 5.0
# What a manifest says it tuned on where settings were chosen on the tasks of other data.
OTHER_TASKS = "other tasks"


def footer(manifest: Mapping[str, Any]) -> list[str]:
    """Return what must stand under every table: labels used, episodes, images, tests."""
    parts = [
        _unfit(manifest),
        _tuning(manifest),
        budget_text(manifest),
        _grouping(manifest),
        _scoring(manifest),
        _testing(manifest),
    ]
    if _shared(manifest):
        parts.append(
            "Warning: the episodes share their query images heavily, so they are not independent: "
            "the intervals are too narrow and the p-values too small."
        )
    if _few(manifest):
        parts.append(
            f"Warning: {manifest['fewest_test']} test episodes a task are few, and bootstrap "
            f"intervals of so few values are too narrow. Take {FEW_VALUES} or more."
        )
    return [part for part in parts if part]


def note_of(manifest: Mapping[str, Any]) -> str:
    """Return the same in one paragraph."""
    return " ".join(footer(manifest))


def tuning_unit(manifest: Mapping[str, Any]) -> str:
    """Return what ``n_val`` counts."""
    return "other task" if manifest.get("tune") == OTHER_TASKS else "tuning episode"


def doubt(manifest: Mapping[str, Any]) -> str:
    """Return how a sentence on a clear difference ends where a warning of the footer applies.

    ``"; the episodes share their images, so this is too sure"``, or ``""``.
    """
    reasons = [*["are few"] * _few(manifest), *["share their images"] * _shared(manifest)]
    return f"; the episodes {listed(reasons)}, so this is too sure" if reasons else ""


def _shared(manifest: Mapping[str, Any]) -> bool:
    return float(manifest.get("query_reuse", 0)) > HEAVY_REUSE


def _few(manifest: Mapping[str, Any]) -> bool:
    return 1 < int(manifest.get("fewest_test", FEW_VALUES)) < FEW_VALUES


def _unfit(manifest: Mapping[str, Any]) -> str:
    reasons = manifest.get("not_applicable")
    return f"Not applicable to this network: {listed(why_unfit(reasons))}." if reasons else ""


def _grouping(manifest: Mapping[str, Any]) -> str:
    origin = manifest.get("groups_from")
    if origin == "source":
        return (
            f"Groups were formed from {manifest.get('source') or 'source images'}, never a query."
        )
    kinds = set(str(origin).split("/"))
    return "Groups were formed from each episode's own k shots." if kinds <= {*OF_EPISODE} else ""


_RULES = {
    "best": "The setting with the best mean accuracy was taken.",
    "guarded": (
        "Settings that collapsed in an episode, and those next to them, were left out. Of the rest "
        "the smallest step size was taken whose mean accuracy is within one standard error of the "
        "best."
    ),
}


def _tuning(manifest: Mapping[str, Any]) -> str:
    tune, used = manifest.get("tune"), manifest.get("labels_used_for_tuning", 0)
    if tune is None:
        return "Nothing was tuned: every method ran at the setting it was given."
    where = _tuned_on(tune, manifest)
    rule = _RULES[manifest.get("choose", "best")]
    labels = (
        f"Tuning used {counted(int(used), 'labelled target image')} beyond the k shots."
        if tune == "validation"
        else "No target label beyond the k shots was used."
    )
    lacking = manifest.get("not_chosen")
    without = f" Left out, since no setting could be chosen: {listed(lacking)}." if lacking else ""
    return (
        f"Each method ran at its own step size and number of steps, chosen on {where}. {rule} "
        f"{labels}{without}"
    )


def _tuned_on(tune: str, manifest: Mapping[str, Any]) -> str:
    """Say which episodes settings were chosen on."""
    n = int(manifest.get("n_val", 0))
    if tune == OTHER_TASKS:
        return (
            f"the tuning episodes of tasks on other data, at most {n} for each task, each of "
            f"which counts as one episode"
        )
    episodes = f"{counted(n, 'tuning episode')} a task"
    if tune != "validation":
        return f"{episodes} of source data"
    most = manifest.get("tuning_queries")
    queries = f" with at most {counted(int(most), 'query image')} a class" if most else ""
    return f"{episodes}{queries}, drawn from images apart from the test images"


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


def _testing(manifest: Mapping[str, Any]) -> str:
    text = "Intervals are 95 % bootstrap intervals over episodes."
    if not {PLAIN} < set(manifest.get("methods", ())):
        return text
    return (
        f"{text} p is Wilcoxon's signed-rank test against plain on the same episodes, adjusted for "
        "the number of rivals by Holm's method."
    )
