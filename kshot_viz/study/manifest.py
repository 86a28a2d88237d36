"""What was compared, the sentences that say so, and a comparison on disk."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
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
from kshot_viz.study.task import Tuning, tasks_of
from kshot_viz.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.comparison import Comparison

SCHEMA = 2
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

    path, rows = Path(folder) / ABOUT, Path(folder) / ROWS
    about = _read_about(path)
    frame, check = _read_rows(rows), about.pop(CHECK, None)
    if check is not None and check != _digest(about, rows):
        raise KShotFileError(
            f"{path} and {ROWS} are not what was saved: one of them was changed or damaged. The "
            "command that made them, given again, computes only what is missing."
        )
    found = {
        "frame": frame,
        "settings": pd.DataFrame(about["settings"]),
        "manifest": about["manifest"],
        **_objects(path, about),
    }
    return _upgraded(found) if about["schema"] == 1 else found


def _digest(about: dict[str, Any], rows: Path) -> str:
    """Name the content of both files."""
    return record_digest([about, content_digest([rows.read_bytes()])])


def _objects(path: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Rebuild candidates and episodes."""
    try:
        return {
            "candidates": {k: Candidate.from_dict(one) for k, one in about["candidates"].items()},
            "episodes": {k: Episode.from_dict(one) for k, one in about["episodes"].items()},
        }
    except (KShotError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise KShotFileError(f"{path} holds no readable comparison: {_why(error)}") from error


def _upgraded(found: dict[str, Any]) -> dict[str, Any]:
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


def _read_rows(path: Path) -> pd.DataFrame:
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
