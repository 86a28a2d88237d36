"""A comparison on disk: rows as Parquet, everything else as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotError, KShotFileError
from kshot_viz.files import whole_file
from kshot_viz.finetune.candidate import Candidate

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.study.comparison import Comparison

SCHEMA = 2
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
        rest_path.write_text(json.dumps(about, indent=1), encoding="utf-8")
    return target


def load(folder: str | Path) -> dict[str, Any]:
    """Read both files into the fields of a comparison."""
    import pandas as pd

    path = Path(folder) / ABOUT
    about = _read_about(path)
    found = {
        "frame": _read_rows(Path(folder) / ROWS),
        "settings": pd.DataFrame(about["settings"]),
        "manifest": about["manifest"],
        **_objects(path, about),
    }
    return _upgraded(found) if about["schema"] == 1 else found


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
