"""A study on disk: one folder, with a folder for each of its comparisons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotFileError
from kshot_viz.files import plain_name, read_json, refuse_foreign, whole_file
from kshot_viz.records import content_digest
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.files.comparison_files import read_rows
from kshot_viz.study.regimes.choices import CHOSEN
from kshot_viz.text import listed

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.study.regimes.study import Study

SCHEMA = 1
ABOUT, ROWS = "study.json", "rows.parquet"
# Beside the rows of a comparison, those that the regime "own" chose from.
FOLDS = "folds.parquet"


def save(study: Study, folder: str | Path) -> Path:
    """Write everything; ``study.json`` comes last, so that what it names is there."""
    import pandas as pd

    target = Path(folder)
    folders = dict(study.manifest["folders"])
    for name, one in study.comparisons.items():
        one.save(target / folders[name])
        if name not in study.folds:
            # Those of an earlier study.
            (target / folders[name] / FOLDS).unlink(missing_ok=True)
    about = {
        "schema": SCHEMA,
        "manifest": dict(study.manifest),
        "choices": study.choices.to_dict(orient="records"),
        "folds": {
            name: _save_folds(rows, target / folders[name] / FOLDS)
            for name, rows in study.folds.items()
        },
    }
    with whole_file(target / ROWS, called=target) as path:
        pd.DataFrame(study.frame).to_parquet(path, index=False)
    with whole_file(target / ABOUT, called=target) as path:
        path.write_text(json.dumps(about), encoding="utf-8")
    return target


def load(folder: str | Path) -> dict[str, Any]:
    """Read the fields of a study."""
    about = _read_about(Path(folder))
    folders = about["manifest"]["folders"]
    return {
        "comparisons": {name: Comparison.load(Path(folder) / one) for name, one in folders.items()},
        "choices": about["choices"],
        "manifest": about["manifest"],
        "folds": _folds(Path(folder), about),
    }


def refuse_other_tasks(folder: Path, tasks: Mapping[str, str]) -> None:
    """Raise a KShotFileError where a folder holds something else, or a study of other tasks.

    Its tables would be replaced, while the folders of these tasks stay.

    Parameters
    ----------
    folder : Path
    tasks : mapping of str to str
        The name of each task that will run, and its folder: where a study was interrupted, these
        folders are all there is.
    """
    refuse_foreign(folder, {ABOUT, *tasks.values()}, "study")
    gone = []
    with suppress(KShotFileError):
        held = list(_read_about(folder)["manifest"]["folders"])
        gone = [one for one in held if one not in tasks]
    if gone:
        raise KShotFileError(
            f"{folder} holds another study, with {listed(gone)}. Choose another folder, remove it, "
            f"or give these tasks too."
        )


def known_folds(folder: Path) -> dict[str, pd.DataFrame]:
    """Return the rows of folds of a saved study; none where there is none to read."""
    found: dict[str, pd.DataFrame] = {}
    with suppress(KShotFileError):
        about = _read_about(folder)
        for name, digest in about["folds"].items():
            with suppress(KShotFileError):
                path = folder / about["manifest"]["folders"][name] / FOLDS
                found[name] = _read_folds(path, digest)
    return found


def _read_about(folder: Path) -> dict[str, Any]:
    """Read ``study.json``, whose choices are a table then."""
    import pandas as pd

    path = folder / ABOUT
    about = read_json(path)
    try:
        if about["schema"] > SCHEMA:
            raise KShotFileError(
                f"{path} has schema {about['schema']}; this version reads up to {SCHEMA}. Install "
                f"a newer kshot-viz."
            )
        folders = {str(name): str(one) for name, one in about["manifest"]["folders"].items()}
        choices = pd.DataFrame(about["choices"], columns=CHOSEN)
        # Studies of before have no rows of folds.
        folds = {name: str(digest) for name, digest in about.get("folds", {}).items()}
        lacking = set(folds) - set(folders)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KShotFileError(f"{path} holds no readable study ({error!r}).") from error
    if lacking:
        raise KShotFileError(f"{path} has folds of a task that it does not have: {min(lacking)!r}.")
    outside = [one for one in folders.values() if not plain_name(one)]
    if outside:
        raise KShotFileError(f"{path} names a folder outside of its own: {outside[0]!r}.")
    manifest = about["manifest"] | {"folders": folders}
    return about | {"manifest": manifest, "choices": choices, "folds": folds}


def _folds(folder: Path, about: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the rows of folds of each task that has some, if they are what was saved."""
    folders = about["manifest"]["folders"]
    return {
        name: _read_folds(folder / folders[name] / FOLDS, digest)
        for name, digest in about["folds"].items()
    }


def _save_folds(rows: pd.DataFrame, path: Path) -> str:
    """Write the rows of folds, and return a digest of the file."""
    with whole_file(path) as part:
        rows.to_parquet(part, index=False)
    return content_digest([path.read_bytes()])


def _read_folds(path: Path, digest: str) -> pd.DataFrame:
    found = read_rows(path)
    if content_digest([path.read_bytes()]) != digest:
        raise KShotFileError(f"{path} is not what was saved: it was changed or damaged.")
    return found
