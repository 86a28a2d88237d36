"""The search spaces by name, for reading a search back from storage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kshot_viz.errors import unknown_name
from kshot_viz.search.spaces.assignments import AssignmentSpace
from kshot_viz.search.spaces.base import Space
from kshot_viz.search.spaces.groups import GroupSpace

SPACES: dict[str, type[GroupSpace] | type[AssignmentSpace]] = {
    "groups": GroupSpace,
    "assignments": AssignmentSpace,
}


def space_from_dict(record: Mapping[str, Any]) -> Space:
    """Rebuild a space of any kind from its ``to_dict()``."""
    kind = record["kind"]
    if kind not in SPACES:
        raise unknown_name("kind", kind, SPACES)
    return SPACES[kind].from_dict(record)
