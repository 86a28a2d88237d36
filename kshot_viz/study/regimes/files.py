"""A study on disk: one folder, with a folder for each of its comparisons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotFileError
from kshot_viz.files import plain_name, read_json, whole_file
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.kept_rows import FOLDS
from kshot_viz.study.manifest import read_rows
from kshot_viz.study.regimes.choices import CHOSEN

if TYPE_CHECKING:
    from kshot_viz.study.regimes.study import Study

SCHEMA = 1
ABOUT, ROWS = "study.json", "rows.parquet"


def save(study: Study, folder: str | Path) -> Path:
    """Write everything; ``study.json`` comes last, so that what it names is there."""
    import pandas as pd

    target = Path(folder)
    folders = dict(study.manifest["folders"])
    for name, one in study.comparisons.items():
        one.save(target / folders[name])
    for name, rows in study.folds.items():
        with whole_file(target / folders[name] / FOLDS, called=target) as path:
            pd.DataFrame(rows).to_parquet(path, index=False)
    about = {
        "schema": SCHEMA,
        "manifest": dict(study.manifest),
        "choices": study.choices.to_dict(orient="records"),
    }
    with whole_file(target / ROWS, called=target) as path:
        pd.DataFrame(study.frame).to_parquet(path, index=False)
    with whole_file(target / ABOUT, called=target) as path:
        path.write_text(json.dumps(about, indent=1), encoding="utf-8")
    return target


def load(folder: str | Path) -> dict[str, Any]:
    """Read the fields of a study."""
    import pandas as pd

    path = Path(folder) / ABOUT
    about = read_json(path)
    try:
        if about["schema"] > SCHEMA:
            raise KShotFileError(
                f"{path} has schema {about['schema']}; this version reads up to {SCHEMA}. Install "
                f"a newer kshot-viz."
            )
        folders = {str(name): str(one) for name, one in about["manifest"]["folders"].items()}
        choices = pd.DataFrame(about["choices"], columns=CHOSEN)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KShotFileError(f"{path} holds no readable study ({error!r}).") from error
    outside = [one for one in folders.values() if not plain_name(one)]
    if outside:
        raise KShotFileError(f"{path} names a folder outside of its own: {outside[0]!r}.")
    comparisons = {name: Comparison.load(Path(folder) / one) for name, one in folders.items()}
    return {
        "comparisons": comparisons,
        "choices": choices,
        "manifest": about["manifest"],
        "folds": {name: read_rows(one) for name, one in _folds(Path(folder), folders).items()},
    }


def _folds(folder: Path, folders: dict[str, str]) -> dict[str, Path]:
    """Return the files with rows of folds, of the tasks that have one."""
    files = {name: folder / one / FOLDS for name, one in folders.items()}
    return {name: path for name, path in files.items() if path.exists()}
