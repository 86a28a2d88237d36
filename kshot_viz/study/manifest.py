"""What was compared, the sentences that say so, and a comparison on disk."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import distinct_images, query_reuse
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotError, KShotFileError
from kshot_viz.files import whole_file
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.records import content_digest, record_digest
from kshot_viz.study.findings.alike import ALIKE
from kshot_viz.study.settings.choice import METHOD, tuned_settings
from kshot_viz.study.task import Tuning, tasks_of
from kshot_viz.trackers.callback import RunInfo

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.comparison import Comparison
    from kshot_viz.study.plan import ComparisonPlan

SCHEMA = 3
# What both files hold, so that what is loaded is what was saved.
CHECK = "check"
ROWS, ABOUT = "results.parquet", "comparison.json"


def save(comparison: Comparison, folder: str | Path) -> Path:
    """Write both files; a reader never sees half of one."""
    target = Path(folder)
    about = {
        "schema": SCHEMA,
        "manifest": dict(comparison.manifest),
        "settings": comparison.settings.to_dict(orient="records"),
        "candidates": {key: one.to_dict() for key, one in comparison.candidates.items()},
        "episodes": {key: one.to_dict() for key, one in comparison.episodes.items()},
        "alike": comparison.alike.to_dict(orient="records"),
    }
    rows, rest = (whole_file(target / name, called=target) for name in (ROWS, ABOUT))
    with rows as rows_path, rest as rest_path:
        target.mkdir(parents=True, exist_ok=True)
        comparison.frame.to_parquet(rows_path, index=False)
        about = json.loads(json.dumps(about))
        about[CHECK] = _digest(about, rows_path)
        rest_path.write_text(json.dumps(about, indent=1), encoding="utf-8")
    return target


def load(folder: str | Path) -> dict[str, Any]:
    """Read both files into the fields of a comparison."""
    import pandas as pd

    path = Path(folder) / ABOUT
    about, frame = read_both(folder)
    found = {
        "frame": frame,
        "settings": pd.DataFrame(about["settings"]),
        "manifest": about["manifest"],
        **_objects(path, about),
    }
    for older, upgrade in _UPGRADES.items():
        found = upgrade(found) if about["schema"] <= older else found
    return found


def read_both(folder: str | Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Read what a comparison says of itself, and its rows, if they are what was saved."""
    path, rows = Path(folder) / ABOUT, Path(folder) / ROWS
    about = _read_about(path)
    frame, check = read_rows(rows), about.pop(CHECK, None)
    if check is not None and check != _digest(about, rows):
        raise KShotFileError(
            f"{path} and {ROWS} are not what was saved: one of them was changed or damaged. Where "
            f"their folder has a rows.jsonl, the command that made them, given again, computes "
            f"only what is missing."
        )
    return about, frame


def _digest(about: dict[str, Any], rows: Path) -> str:
    """Name the content of both files."""
    return record_digest([about, content_digest([rows.read_bytes()])])


def _objects(path: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Rebuild candidates, episodes and the table of neurons that are alike."""
    import pandas as pd

    try:
        return {
            "candidates": {k: Candidate.from_dict(one) for k, one in about["candidates"].items()},
            "episodes": {k: Episode.from_dict(one) for k, one in about["episodes"].items()},
            # Files of before lack it.
            "alike": pd.DataFrame(about.get("alike", []), columns=ALIKE),
        }
    except (KShotError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise KShotFileError(f"{path} holds no readable comparison: {_why(error)}") from error


def _with_task(found: dict[str, Any]) -> dict[str, Any]:
    """Add what files of schema 1 (version 0.1.0) lack: all rows are of one data set and network."""
    frame, candidates, manifest = found["frame"], found["candidates"], found["manifest"]
    task = {"data": manifest["data"]["name"], "backbone": manifest["backbone"]["name"]}
    frame = frame.rename(columns={"task": "run"}).assign(**task, options="{}")
    given = frame["candidate"].map(candidates)
    # A candidate's key is a digest that contains its method, and that was a bare name.
    frame["candidate"] = given.map(lambda one: one.key)
    frame["setting"] = given.map(lambda one: one.setting_key)
    frame["weight_decay"] = given.map(lambda one: one.config.weight_decay)
    by = ["method", "way", "shot", "lr", "head_lr", "steps"]
    chosen = frame[frame["chosen"]].drop_duplicates(by)
    settings = found["settings"].assign(**task).merge(chosen[[*by, "setting"]], on=by, how="left")
    renamed = {one.key: one for one in candidates.values()}
    return found | {"frame": frame, "settings": settings, "candidates": renamed}


def _with_tuned(found: dict[str, Any]) -> dict[str, Any]:
    """Add what files of schema 2 lack: which settings were tuned, by which rule."""
    frame = found["frame"]
    tuned = frame["candidate"].map(found["candidates"]).map(tuned_settings)
    frame = frame.assign(tuned=tuned, stopped=False)
    names = frame[[*METHOD, "setting", "tuned"]].drop_duplicates([*METHOD, "setting"])
    settings = found["settings"].merge(names, on=[*METHOD, "setting"], how="left")
    unknown = {"collapsed": float("nan"), "margin": float("nan"), "rule": "best", "edge": ""}
    return found | {"frame": frame, "settings": settings.assign(**unknown)}


_UPGRADES = {1: _with_task, 2: _with_tuned}


def _read_about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        newer = about["schema"] > SCHEMA
        lacking = {"manifest", "settings", "candidates", "episodes"} - set(about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KShotFileError(f"{path} holds no readable comparison: {_why(error)}") from error
    if newer:
        raise KShotFileError(
            f"{path} has schema {about['schema']}; this version reads up to {SCHEMA}. "
            f"Install a newer kshot-viz."
        )
    if lacking:
        raise KShotFileError(f"{path} holds no comparison: it lacks {', '.join(sorted(lacking))}.")
    return about


def read_rows(path: Path) -> pd.DataFrame:
    """Read saved rows; ``predicted`` are lists."""
    import pandas as pd
    from pyarrow import ArrowException

    try:
        frame = pd.read_parquet(path)
        # Parquet gives arrays back where there were lists.
        frame["predicted"] = [list(map(int, row)) for row in frame["predicted"]]
    except (OSError, ValueError, KeyError, TypeError, ArrowException) as error:
        raise KShotFileError(f"{path} holds no readable rows: {_why(error)}") from error
    return frame


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}."
    return f"it is cut off or of another kind ({type(error).__name__}: {error})."


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
        **_fewer_queries(data, episodes),
        "distinct_images": distinct_images(episodes),
        # Intervals are of one task each, so it is within a task that reuse makes them too narrow.
        "query_reuse": max(query_reuse(one.episodes(episodes)) for one in tasks),
        "versions": versions(),
    }


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
            "choose": plan.rule,
            "race": plan.race,
            "executor": plan.options["executor"],
            "seed": plan.options["seed"],
        },
    )
