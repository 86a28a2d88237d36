"""A grid on disk: one folder, with a folder for each of its studies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotFileError
from kshot_viz.files import read_json, whole_file
from kshot_viz.study.regimes.study import Study

if TYPE_CHECKING:
    from kshot_viz.analysis.transfer.result import TransferGrid

SCHEMA = 1
ABOUT = "grid.json"
PARTS = {"rows": "rows.parquet", "layers": "layers.parquet"}


def save(grid: TransferGrid, folder: str | Path) -> Path:
    """Write everything; ``grid.json`` comes last, so that what it names is there."""
    target = Path(folder)
    for name, one in grid.studies.items():
        one.save(target / name)
    for name, file in PARTS.items():
        with whole_file(target / file, called=target) as path:
            getattr(grid, name).to_parquet(path, index=False)
    about = {"schema": SCHEMA, "studies": list(grid.studies), "manifest": dict(grid.manifest)}
    with whole_file(target / ABOUT, called=target) as path:
        path.write_text(json.dumps(about, indent=1), encoding="utf-8")
    return target


def load(folder: str | Path) -> dict[str, Any]:
    """Read the fields of a grid."""
    import pandas as pd

    path = Path(folder) / ABOUT
    about = read_json(path)
    try:
        if about["schema"] > SCHEMA:
            raise KShotFileError(
                f"{path} has schema {about['schema']}; this version reads up to {SCHEMA}. Install "
                f"a newer kshot-viz."
            )
        names, manifest = [str(one) for one in about["studies"]], dict(about["manifest"])
        lacking = {"sources", "targets", "starts", "seeds", "learned", "cells"} - set(manifest)
        if lacking:
            raise KeyError(", ".join(sorted(lacking)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, KShotFileError):
            raise
        raise KShotFileError(f"{path} holds no readable grid ({error!r}).") from error
    outside = [one for one in names if Path(one).name != one]
    if outside:
        raise KShotFileError(f"{path} names a folder outside of its own: {outside[0]!r}.")
    parts = {}
    for name, file in PARTS.items():
        try:
            parts[name] = pd.read_parquet(Path(folder) / file)
        except (OSError, ValueError) as error:
            raise KShotFileError(f"{Path(folder) / file} cannot be read: {error}.") from error
    studies = {name: Study.load(Path(folder) / name) for name in names}
    return {**parts, "studies": studies, "manifest": manifest}
