"""What a comparison compares: methods as candidates, and which of them a network allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kshot_viz.checks import several
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import resolve_method
from kshot_viz.models.backbone import Backbone
from kshot_viz.text import listed


def rivals_of(
    methods: Sequence[str | Method | Candidate], rule: GroupingRule, config: FinetuneConfig
) -> list[Candidate]:
    """Turn methods into candidates; ready-made candidates pass, with their own settings."""
    if several(methods) or not (methods := list(methods)):
        raise KShotValueError(
            f"`methods` must be a list of one or more names, methods or candidates; "
            f"not {methods!r}."
        )
    found = [
        one if isinstance(one, Candidate) else _rival(resolve_method(one, "methods"), rule, config)
        for one in methods
    ]
    names = [one.name for one in found]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise KShotValueError(
            f"`methods` must have distinct names; twice: {', '.join(map(repr, double))}. Give a "
            f"candidate a `name=` of its own."
        )
    return found


def applicable(
    rivals: Sequence[Candidate], backbone: Backbone
) -> tuple[list[Candidate], dict[str, str]]:
    """Return the rivals that can be used on a network, and why the others cannot, by name.

    Raises
    ------
    KShotValueError
        If none can.
    """
    reasons = {one.name: one.method.applies(backbone) for one in rivals}
    unfit = {name: why for name, why in reasons.items() if why}
    if len(unfit) == len(rivals):
        raise KShotValueError(
            f"None of the methods can tune {backbone.name!r}: {listed(why_unfit(unfit))}."
        )
    return [one for one in rivals if one.name not in unfit], unfit


def ready_made(methods: Sequence[str | Method | Candidate]) -> frozenset[str]:
    """Return the names of candidates that were given with their own settings."""
    return frozenset(one.name for one in methods if isinstance(one, Candidate))


def _rival(method: Method, rule: GroupingRule, config: FinetuneConfig) -> Candidate:
    return Candidate(rule if method.shares else None, config, method)


def why_unfit(reasons: Mapping[str, str]) -> list[str]:
    """Return ``"bitfit (it has neither biases nor normalisation parameters)"``, one a method."""
    return [f"{name} ({why})" for name, why in reasons.items()]
