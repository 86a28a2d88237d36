"""A comparison on disk: rows as Parquet, everything else as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotFileError

if TYPE_CHECKING:
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
    try:
        target.mkdir(parents=True, exist_ok=True)
        comparison.frame.to_parquet(target / f"{ROWS}.part", index=False)
        (target / f"{ABOUT}.part").write_text(json.dumps(about, indent=1), encoding="utf-8")
        for name in (ROWS, ABOUT):
            (target / f"{name}.part").replace(target / name)
    except OSError as error:
        raise KShotFileError(f"{target} cannot be written: {error.strerror or error}.") from error
    return target


def load(folder: str | Path) -> dict[str, Any]:
    """Read both files into the fields of a comparison."""
    import pandas as pd
    from pyarrow import ArrowException

    source = Path(folder)
    try:
        about = json.loads((source / ABOUT).read_text(encoding="utf-8"))
        _check_schema(source, about)
        frame = pd.read_parquet(source / ROWS)
        settings = pd.DataFrame(about["settings"])
        rest = {name: about[name] for name in ("manifest", "candidates", "episodes")}
    except (OSError, ValueError, KeyError, TypeError, ArrowException) as error:
        if isinstance(error, KShotFileError):
            raise
        raise KShotFileError(f"{source} holds no readable comparison: {error}") from error
    return {"frame": frame, "settings": settings, **rest}


def _check_schema(source: Path, about: dict[str, Any]) -> None:
    if about["schema"] > SCHEMA:
        raise KShotFileError(
            f"{source / ABOUT} has schema {about['schema']}; this version reads up to {SCHEMA}. "
            f"Install a newer kshot-viz."
        )
