"""Read and write the JSON files of groupings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kshot_viz.errors import KShotFileError
from kshot_viz.files import whole_file
from kshot_viz.grouping.labels import Labels, checked

SCHEMA = 1


def parse(record: Any) -> tuple[dict[str, Labels], dict[str, int], dict[str, Any]]:
    """Return labels, dead groups and origin from a grouping's record.

    Raises
    ------
    KShotFileError
        For a record of a newer schema, or of something else than a grouping.
    """
    schema = record.get("schema") if isinstance(record, Mapping) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise KShotFileError(
            f"This grouping has schema {schema}; this version reads up to {SCHEMA}."
        )
    if schema != SCHEMA:
        raise KShotFileError(f"This is not a grouping: its `schema` is not {SCHEMA}.")
    try:
        rows = {name: checked(row) for name, row in record["labels"].items()}
        dead = {name: int(rows[name].max()) for name in record["dead"]}
        return rows, dead, dict(record["origin"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise KShotFileError(f"This is not a grouping: {error!r}.") from error


def write(path: str | Path, record: Mapping[str, Any]) -> Path:
    """Write JSON; a reader never sees half a file."""
    target = Path(path)
    with whole_file(target) as part:
        part.write_text(json.dumps(record), encoding="utf-8")
    return target


def read(path: str | Path) -> Any:
    """Read JSON; a file that is missing or cut off is a KShotFileError."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KShotFileError(f"The file cannot be read: {error}.") from error
