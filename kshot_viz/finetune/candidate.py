"""One thing to try: a method with its grouping and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.finetune.config import FinetuneConfig
from kshot_viz.finetune.methods import METHODS
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.records import record_digest


@dataclass(frozen=True)
class Candidate:
    """A grouping (or a rule that makes one in every episode) with fine-tuning settings.

    Attributes
    ----------
    grouping : Grouping, GroupingRule or None
        None shares nothing.
    config : FinetuneConfig
    method : str
        "grouped" where there is a grouping, else "plain", unless given.
    name : str
        What the rows call it; the method's name by default.
    apart : str
        Candidates with different values are never computed as one, so that the rows of one method
        are the same bits whichever others it is compared with.
    """

    grouping: Grouping | GroupingRule | None = None
    config: FinetuneConfig = field(default_factory=FinetuneConfig)
    method: str = ""
    name: str = ""
    apart: str = ""

    def __post_init__(self) -> None:
        if not self.method:
            object.__setattr__(self, "method", "plain" if self.grouping is None else "grouped")
        if self.method not in METHODS:
            raise unknown_name("method", self.method, METHODS)
        if METHODS[self.method].grouped != (self.grouping is not None):
            given = "no grouping" if self.grouping is None else "a grouping"
            raise KShotValueError(
                f"A candidate with method={self.method!r} and {given}: exactly the grouped method "
                f"has a `grouping`."
            )
        if not self.name:
            object.__setattr__(self, "name", self.method)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        kind = "rule" if isinstance(self.grouping, GroupingRule) else "grouping"
        grouping = None if self.grouping is None else {kind: self.grouping.to_dict()}
        return {
            "name": self.name,
            "method": self.method,
            "config": self.config.to_dict(),
            "grouping": grouping,
            "apart": self.apart,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Candidate:
        """Rebuild a candidate."""
        config = FinetuneConfig.from_dict(record["config"])
        grouping = _grouping(record["grouping"])
        return cls(grouping, config, record["method"], record["name"], record.get("apart", ""))

    @cached_property
    def key(self) -> str:
        """A short digest of grouping, settings and method, the same on every machine."""
        return record_digest(self.to_dict() | {"name": "", "apart": ""})


def _grouping(record: Mapping[str, Any] | None) -> Grouping | GroupingRule | None:
    if record is None:
        return None
    if "rule" in record:
        return GroupingRule.from_dict(record["rule"])
    return Grouping.from_dict(record["grouping"])
