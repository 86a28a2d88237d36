"""A file of tasks, methods and regimes, as the command ``study`` reads it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from kshot_viz.cli.study.request import StudyRequest, StudyTaskRequest
from kshot_viz.data.load_dataset import BUILT_IN
from kshot_viz.errors import KShotFileError, unknown_name
from kshot_viz.study.regimes.choices import Few
from kshot_viz.study.settings.grid import TuningGrid


def read_study(path: Path) -> StudyRequest:
    """Read a study file (TOML); paths in it are relative to its folder.

    Raises
    ------
    KShotFileError
        If it cannot be read, is no TOML, or lacks tasks; the message names the file.
    KShotKeyError
        For an unknown key, method, network, regime or rule.
    KShotValueError
        For a value of another type than its key has.
    """
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise KShotFileError(f"{path} cannot be read as a study: {why}.") from error
    common = {key: record.pop(key) for key in _SHARED if key in record}
    tasks = record.pop("tasks", [])
    if not isinstance(tasks, list) or not all(isinstance(one, dict) for one in tasks) or not tasks:
        raise KShotFileError(f"{path} has no tasks: begin each with a line [[tasks]].")
    keys = [one.name for one in fields(StudyRequest) if one.name != "tasks"]
    for key in record:
        if key not in keys:
            raise unknown_name(f"key of {path.name}", key, [*keys, "tasks", *_SHARED])
    found = [StudyTaskRequest.from_dict(_beside(path, common | one)) for one in tasks]
    return StudyRequest(tuple(found), **{key: _value(key, one) for key, one in record.items()})


# What all tasks may have in common.
_SHARED = ("shots", "episodes", "query", "way", "val_share")
_PATHS = ("data", "source", "weights", "preprocess")


def _beside(path: Path, task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task whose paths are absolute: those beside the file, else those that exist.

    So they are not taken for names of data sets, and are found from any folder.
    """
    found = dict(task)
    for name in _PATHS:
        given = found.get(name)
        if isinstance(given, str) and given not in BUILT_IN:
            there = [one for one in (path.parent / given, Path(given)) if one.exists()]
            found[name] = str(there[0].absolute()) if there else given
    return found


def _value(key: str, given: Any) -> Any:
    if key in ("few", "grid"):
        return _table(key, given)
    return tuple(given) if isinstance(given, list) else given


def _table(key: str, given: Any) -> Few | TuningGrid:
    """Return the settings of a table of the file."""
    kind = Few if key == "few" else TuningGrid
    if not isinstance(given, Mapping):
        raise KShotFileError(f"`{key}` must be a table of settings, below a line [{key}].")
    # The unit of feature steps is measured on each task.
    known = [one.name for one in fields(kind) if one.name != "unit"]
    for name in given:
        if name not in known:
            raise unknown_name(f"key of [{key}]", name, known)
    try:
        return Few(**given) if kind is Few else TuningGrid.from_dict(given)
    except (TypeError, AttributeError) as error:
        raise KShotFileError(f"`{key}` holds a value of the wrong type: {error}.") from error
