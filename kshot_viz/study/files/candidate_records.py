"""Candidates as records, with each grouping once: settings of a method share a large one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.candidate import Candidate

# The key of a grouping's number, which stands for the grouping.
SHARED = "shared"


def to_records(candidates: Mapping[str, Candidate]) -> dict[str, Any]:
    """Return ``candidates``, a record for each key, and ``groupings``, which these number."""
    records, numbers = {}, dict[str, int]()
    for key, one in candidates.items():
        record = one.to_dict()
        if record["grouping"] is not None:
            text = json.dumps(record["grouping"])
            record = record | {"grouping": {SHARED: numbers.setdefault(text, len(numbers))}}
        records[key] = record
    return {"candidates": records, "groupings": [json.loads(text) for text in numbers]}


def from_records(about: Mapping[str, Any]) -> dict[str, Candidate]:
    """Rebuild what :func:`to_records` returned, or records that hold their groupings."""
    groupings = about.get("groupings", [])

    def whole(record: dict[str, Any]) -> dict[str, Any]:
        grouping = record["grouping"]
        if grouping is None or SHARED not in grouping:
            return record
        number = grouping[SHARED]
        if not 0 <= number < len(groupings):
            raise KShotValueError(f"There is no grouping {number}; there are {len(groupings)}.")
        return record | {"grouping": groupings[number]}

    return {key: Candidate.from_dict(whole(one)) for key, one in about["candidates"].items()}
