"""Who takes part in a comparison: methods by name, and the null groupings beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.config import FinetuneConfig
from kshot_viz.grouping.rule import GroupingRule

CONTENDERS = ("head_only", "last_block", "plain", "grouped", "shuffled", "weight_groups")


def contenders(
    methods: Sequence[str | Candidate], rule: GroupingRule, config: FinetuneConfig
) -> list[Candidate]:
    """Turn names into candidates; ready-made candidates pass, with their own settings.

    ``"grouped"`` follows ``rule``; ``"shuffled"`` has groups of the same sizes with members drawn
    at random, ``"weight_groups"`` forms groups from weights instead of activations.
    """
    if isinstance(methods, (str, Candidate)) or not methods:
        raise KShotValueError(
            f"`methods` must be a list of one or more names or candidates; not {methods!r}."
        )
    found = [one if isinstance(one, Candidate) else _by_name(one, rule, config) for one in methods]
    names = [one.name for one in found]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise KShotValueError(
            f"`methods` must have distinct names; twice: {', '.join(map(repr, double))}. Give a "
            f"candidate a `name=` of its own."
        )
    return found


def _by_name(name: str, rule: GroupingRule, config: FinetuneConfig) -> Candidate:
    rules = {
        "grouped": rule,
        "shuffled": replace(rule, shuffled=True),
        "weight_groups": replace(rule, groups_from="weights", given=None),
    }
    if name not in CONTENDERS:
        raise unknown_name("methods", name, CONTENDERS)
    if name in rules:
        return Candidate(rules[name], config, name=name)
    return Candidate(None, config, method=name)
