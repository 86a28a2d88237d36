"""One thing to try: a method with its grouping and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from kshot_viz.checks import checked, instance, optional, text
from kshot_viz.errors import KShotError, KShotFileError, KShotValueError, unknown_name
from kshot_viz.files import read_json, write_json
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import UnknownMethod, method_from_dict, resolve_method
from kshot_viz.records import plain, record_digest
from kshot_viz.text import counted, html_details, html_table

# Of the files of candidates; a newer one is refused.
SCHEMA = 1


@dataclass(frozen=True, init=False)
class Candidate:
    """A grouping (or a rule that makes one in every episode) with fine-tuning settings.

    Parameters
    ----------
    grouping : Grouping, GroupingRule or None
        None shares nothing.
    config : FinetuneConfig
    method : Method or str
        An object or a name; "grouped" where there is a grouping, else "plain", unless given.
    name : str
        What the rows call it; the method's name by default.

    Attributes
    ----------
    method : Method
        Always the object.
    config : FinetuneConfig
        As the method has it, with 0 steps where it takes none.
    """

    grouping: Grouping | GroupingRule | None
    config: FinetuneConfig
    method: Method
    name: str

    @checked(
        grouping=optional(instance(Grouping, GroupingRule)),
        config=optional(instance(FinetuneConfig)),
        method=instance(str, Method, type),
        name=text,
    )
    def __init__(
        self,
        grouping: Grouping | GroupingRule | None = None,
        config: FinetuneConfig | None = None,
        method: Method | type[Method] | str = "",
        name: str = "",
    ) -> None:
        found = resolve_method(method or ("plain" if grouping is None else "grouped"))
        object.__setattr__(self, "grouping", grouping_for(found, grouping))
        object.__setattr__(self, "config", settings_for(found, config))
        object.__setattr__(self, "method", found)
        object.__setattr__(self, "name", name or found.name)

    @property
    def groups(self) -> str:
        """What shares gradients, in words."""
        if self.grouping is None:
            return "nothing shares a gradient"
        if isinstance(self.grouping, GroupingRule):
            return self.grouping.summary
        n_groups = sum(self.grouping.n_groups(layer) for layer in self.grouping)
        return f"{counted(n_groups, 'group')} in {counted(len(self.grouping), 'layer')}"

    def __repr__(self) -> str:
        method = "" if self.name == self.method.name else f"{self.method.name}, "
        return f"Candidate({self.name!r}: {method}{self.groups}; {self.config.summary})"

    def _repr_html_(self) -> str:
        rows = [
            ("method", self.method.label or self.method.name),
            ("groups", self.groups),
            *((name, value) for name, value in self.method.options().items()),
            ("settings", self.config.summary),
        ]
        table = html_table(("", ""), rows)
        if isinstance(self.grouping, Grouping):
            table += self.grouping._repr_html_()
        return html_details(f"Candidate {self.name}", table)

    def setting(self, name: str) -> Any:
        """Return a setting by name: a field of the config, or an option of the method."""
        return getattr(self._owner(name), name)

    @property
    def step_size(self) -> float:
        """The setting that step-size curves are drawn over; 0 where the method takes no steps."""
        return self.setting(self.method.axis) if self.method.axis else 0.0

    def at(self, **settings: Any) -> Candidate:
        """Return a copy with other settings, of the config or of the method.

        Raises
        ------
        KShotKeyError
            For a name that is neither.
        """
        changed: dict[int, dict[str, Any]] = {}
        for name, value in settings.items():
            changed.setdefault(id(self._owner(name)), {})[name] = value
        return replace(
            self,
            config=self.config.but(**changed.get(id(self.config), {})),
            method=replace(self.method, **changed.get(id(self.method), {})),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        kind = "rule" if isinstance(self.grouping, GroupingRule) else "grouping"
        grouping = None if self.grouping is None else {kind: self.grouping.to_dict()}
        return {
            "name": self.name,
            "method": self.method.to_dict(),
            "config": self.config.to_dict(),
            "grouping": grouping,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Candidate:
        """Rebuild a candidate."""
        if not isinstance(record["name"], str):
            raise KShotValueError(f"`name` must be a text; not {record['name']!r}.")
        config = FinetuneConfig.from_dict(record["config"])
        method = method_from_dict(record["method"])
        return cls(_grouping(record["grouping"]), config, method, record["name"])

    def save(self, path: str | Path) -> Path:
        """Write JSON; a reader never sees half a file."""
        return write_json(path, {"schema": SCHEMA, "candidate": plain(self.to_dict())})

    @classmethod
    def load(cls, path: str | Path) -> Candidate:
        """Read what :meth:`save` wrote.

        Raises
        ------
        KShotFileError
            For a file that is missing, cut off, newer, or holds no candidate.
        """
        record = read_json(path)
        if not isinstance(record, dict) or not {"schema", "candidate"} <= set(record):
            raise KShotFileError(
                f"{path} holds no candidate: it needs the keys schema and candidate, as "
                f"Candidate.save writes them."
            )
        if record["schema"] != SCHEMA:
            raise KShotFileError(
                f"{path} has schema {record['schema']!r}, written by another version; this one "
                f"reads schema {SCHEMA}."
            )
        try:
            return cls.from_dict(record["candidate"])
        except (KShotError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise KShotFileError(f"{path} holds a damaged candidate: {error!r}.") from error

    @cached_property
    def key(self) -> str:
        """A short digest of grouping, settings and method, the same on every machine."""
        return record_digest(self.to_dict() | {"name": ""})

    @cached_property
    def setting_key(self) -> str:
        """As ``key``, the same whatever the number of steps: one run serves several."""
        return self.at(steps=0).key

    def _owner(self, name: str) -> FinetuneConfig | Method:
        names = [one.name for owner in (self.config, self.method) for one in fields(owner)]
        if name not in names:
            raise unknown_name("setting", name, names)
        return self.method if name in [one.name for one in fields(self.method)] else self.config


def grouping_for(
    method: Method, grouping: Grouping | GroupingRule | None
) -> Grouping | GroupingRule | None:
    """Return the groups that a method forms, or raise a KShotValueError where they do not fit."""
    if isinstance(method, UnknownMethod):
        return grouping
    if method.shares and grouping is None:
        raise KShotValueError(
            f"method={method.name!r} needs `grouping=`; make one with "
            f"kv.cluster_neurons(activations)."
        )
    if grouping is not None and not method.shares:
        raise KShotValueError(f"method={method.name!r} shares no gradients; leave out `grouping=`.")
    return None if grouping is None else method.grouping_rule(grouping)


def settings_for(method: Method, config: FinetuneConfig | None) -> FinetuneConfig:
    """Return the settings of a run as its method has them: no steps where it takes none."""
    return method.settings(config or FinetuneConfig())


def _grouping(record: Mapping[str, Any] | None) -> Grouping | GroupingRule | None:
    if record is None:
        return None
    if "rule" in record:
        return GroupingRule.from_dict(record["rule"])
    return Grouping.from_dict(record["grouping"])
