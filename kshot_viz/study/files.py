"""A comparison on disk: rows as Parquet, everything else as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotFileError
from kshot_viz.files import whole_file

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.study.comparison import Comparison

SCHEMA = 1
ROWS, ABOUT = "results.parquet", "comparison.json"


def save(comparison: Comparison, folder: str | Path) -> Path:
    """Write both files; a reader never sees half of one."""
    target = Path(folder)
    about = {
        "schema": SCHEMA,
        "manifest": dict(comparison.manifest),
        "settings": comparison.settings.to_dict(orient="records"),
        "candidates": dict(comparison.candidates),
        "episodes": dict(comparison.episodes),
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

    about = _read_about(Path(folder) / ABOUT)
    rest = {name: about[name] for name in ("manifest", "candidates", "episodes")}
    return {
        "frame": _read_rows(Path(folder) / ROWS),
        "settings": pd.DataFrame(about["settings"]),
        **rest,
    }


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
