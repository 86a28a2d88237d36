"""A grid on disk: one folder, with a folder for each of its studies."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.analysis.transfer.columns import LAYERS, ROWS
from kshot_viz.errors import KShotFileError
from kshot_viz.files import read_json, whole_file
from kshot_viz.study.regimes.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.analysis.transfer.result import TransferGrid

SCHEMA = 1
ABOUT = "grid.json"
# The tables by their attributes: file and columns.
PARTS = {"rows": ("rows.parquet", ROWS), "layers": ("layers.parquet", LAYERS)}
STUDY = re.compile(r"study_[0-9]+")
CELL = ("source", "target", "network", "weights")


def save(grid: TransferGrid, folder: str | Path) -> Path:
    """Write everything; ``grid.json`` comes last, so that what it names is there."""
    target = Path(folder)
    for name, one in grid.studies.items():
        one.save(target / name)
    for name, (file, _) in PARTS.items():
        with whole_file(target / file, called=target) as path:
            getattr(grid, name).to_parquet(path, index=False)
    about = {"schema": SCHEMA, "studies": list(grid.studies), "manifest": dict(grid.manifest)}
    with whole_file(target / ABOUT, called=target) as path:
        path.write_text(json.dumps(about, indent=1), encoding="utf-8")
    return target


def load(folder: str | Path) -> dict[str, Any]:
    """Read the fields of a grid."""
    path = Path(folder) / ABOUT
    about = read_json(path)
    try:
        if about["schema"] > SCHEMA:
            raise KShotFileError(
                f"{path} has schema {about['schema']}; this version reads up to {SCHEMA}. Install "
                f"a newer kshot-viz."
            )
        names, manifest = [str(one) for one in about["studies"]], _manifest(about["manifest"])
    except (KeyError, TypeError, AttributeError) as error:
        raise KShotFileError(f"{path} holds no readable grid ({error!r}).") from error
    # Also what is a folder of its own by its letters, such as "..", is none that a grid writes.
    strange = [one for one in names if not STUDY.fullmatch(one)]
    if strange:
        raise KShotFileError(
            f"{path} names the study {strange[0]!r}; the folders of a grid's studies are called "
            f"study_0, study_1 and so on."
        )
    parts = {name: _table(Path(folder) / file, columns) for name, (file, columns) in PARTS.items()}
    studies = {name: Study.load(Path(folder) / name) for name in names}
    return {**parts, "studies": studies, "manifest": manifest}


def _manifest(given: Any) -> dict[str, Any]:
    """Return what was asked for; anything else is a KeyError or TypeError."""
    for name in ("sources", "targets", "starts", "seeds", "learned", "cells"):
        if not isinstance(given[name], list):
            raise TypeError(f"{name} is no list")
    for cell in given["cells"]:
        if not all(isinstance(cell[one], str) for one in CELL):
            raise TypeError(f"a cell has no {', '.join(CELL)}")
    return dict(given)


def _table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    try:
        found = pd.read_parquet(path)
    # Readers of broken files raise nearly anything.
    except Exception as error:
        raise KShotFileError(f"{path} cannot be read: {error}.") from error
    if lacking := [one for one in columns if one not in found]:
        raise KShotFileError(
            f"{path} lacks {', '.join(lacking)}; it was written by another version."
        )
    return found[[*columns]]
