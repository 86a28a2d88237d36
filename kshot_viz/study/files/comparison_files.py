"""A comparison on disk: its rows as Parquet, and the rest as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotError, KShotFileError
from kshot_viz.files import whole_file
from kshot_viz.records import content_digest, record_digest
from kshot_viz.study.files.candidate_records import from_records, to_records
from kshot_viz.study.files.older import upgraded
from kshot_viz.study.findings.alike import ALIKE

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.study.comparison import Comparison

SCHEMA = 4
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
        **to_records(comparison.candidates),
        "episodes": {key: one.to_dict() for key, one in comparison.episodes.items()},
        "alike": comparison.alike.to_dict(orient="records"),
    }
    rows, rest = (whole_file(target / name, called=target) for name in (ROWS, ABOUT))
    with rows as rows_path, rest as rest_path:
        target.mkdir(parents=True, exist_ok=True)
        comparison.frame.to_parquet(rows_path, index=False)
        about = json.loads(json.dumps(about))
        about[CHECK] = _digest(about, rows_path)
        rest_path.write_text(json.dumps(about), encoding="utf-8")
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
    return upgraded(found, about["schema"])


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
            "candidates": from_records(about),
            "episodes": {k: Episode.from_dict(one) for k, one in about["episodes"].items()},
            # Files of before lack it.
            "alike": pd.DataFrame(about.get("alike", []), columns=ALIKE),
        }
    except (KShotError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise KShotFileError(f"{path} holds no readable comparison: {_why(error)}") from error


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
