"""Read groupings from JSON values and files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kshot_viz.errors import KShotFileError
from kshot_viz.files import read_json
from kshot_viz.grouping.labels import Labels, checked

SCHEMA = 1


def parse_record(record: Any) -> tuple[dict[str, Labels], dict[str, int], dict[str, Any]]:
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


def load_record(path: str | Path) -> tuple[dict[str, Labels], dict[str, int], dict[str, Any]]:
    """Read a grouping's file; one that is missing, cut off, newer or other is a KShotFileError."""
    try:
        return parse_record(read_json(path, called="The file"))
    except KShotFileError as error:
        raise KShotFileError(f"{path}: {error}") from error
