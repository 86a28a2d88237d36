"""The folder of a saved classifier: what is in its two files, and whether it is what was written.

The record names its file of weights by their digest and is replaced last and at once. So a reader
sees the old classifier or the new one, whenever writing was interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from kshot_viz.errors import KShotFileError
from kshot_viz.files import plain_name, read_json, whole_file, write_json
from kshot_viz.records import record_digest

ABOUT, KIND, SCHEMA = "classifier.json", "kshot_viz.classifier", 1
_WEIGHTS = "weights-*.safetensors"


def write_folder(folder: Path, record: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Write weights and record; a classifier that was there before is replaced.

    Raises
    ------
    KShotFileError
        If the folder cannot be written, or holds a ``classifier.json`` that is something else.
    """
    from safetensors.torch import save

    if (folder / ABOUT).exists():
        _checked_record(folder)
    content = save(dict(state))
    digest = hashlib.sha256(content).hexdigest()
    name = _WEIGHTS.replace("*", digest[:12])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KShotFileError(f"{folder} cannot be written: {error.strerror or error}.") from error
    with whole_file(folder / name) as part:
        part.write_bytes(content)
    about = {**record, "weights": {"file": name, "sha256": digest}}
    checked = {"kind": KIND, "schema": SCHEMA, "classifier": about, "check": record_digest(about)}
    write_json(folder / ABOUT, checked, indent=1)
    for older in folder.glob(_WEIGHTS):
        if older.name != name:
            with suppress(OSError):
                older.unlink()


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read record and weights.

    Raises
    ------
    KShotFileError
        For a folder that is missing, holds no classifier or one of a newer version, or whose files
        are damaged or changed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    record = _checked_record(folder)
    path = folder / _weights_name(folder, record)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KShotFileError(
            f"The weights {path} cannot be read: {error.strerror or error}."
        ) from error
    if hashlib.sha256(content).hexdigest() != record["weights"]["sha256"]:
        raise KShotFileError(f"The weights {path} are not what was saved: changed or cut off.")
    try:
        return record, load(content)
    except SafetensorError as error:
        raise KShotFileError(f"The weights {path} cannot be read: {error}.") from error


def _checked_record(folder: Path) -> dict[str, Any]:
    path = folder / ABOUT
    if not path.is_file():
        raise KShotFileError(
            f"{folder} holds no saved classifier: there is no {ABOUT} in it, as save_classifier "
            f"and `kshot-viz fit` write it."
        )
    held = read_json(path)
    if not isinstance(held, dict) or held.get("kind") != KIND:
        raise KShotFileError(f"{path} is no record of a saved classifier.")
    schema = held.get("schema")
    if isinstance(schema, bool) or schema != SCHEMA:
        raise KShotFileError(
            f"{path} has schema {schema!r}, written by another version; this one reads schema "
            f"{SCHEMA}."
        )
    record = held.get("classifier")
    if not isinstance(record, dict) or held.get("check") != record_digest(record):
        raise KShotFileError(f"{path} is not what was saved: it was changed or damaged.")
    return record


def _weights_name(folder: Path, record: Mapping[str, Any]) -> str:
    """Return the name of the file of weights, which is in the folder itself."""
    weights = record.get("weights")
    held = weights if isinstance(weights, dict) else {}
    name = held.get("file")
    if not isinstance(name, str) or not plain_name(name) or "sha256" not in held:
        raise KShotFileError(f"{folder / ABOUT} names no file of weights in its folder.")
    return name
