"""The options of a method as plain JSON values, and what they must not be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from kshot_viz.checks import check, number
from kshot_viz.errors import KShotValueError
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.models.head_init import HeadStart

if TYPE_CHECKING:
    from kshot_viz.methods.base import Method


def check_options(method: Method) -> None:
    """Raise a KShotValueError unless the class is named and its options are JSON values."""
    listed = bool(method.tuned) == method.takes_steps
    if not method.name or not listed or "steps" in method.tuned:
        raise KShotValueError(
            f"{type(method).__name__} needs a `name` and at least one setting in `tuned` (none if "
            f"it takes no steps); the number of steps is always tuned and not listed."
        )
    if method.own_head and not method.head.zero:
        raise KShotValueError(
            f"{method.name!r} makes its head from the support's images, so `head` has no effect: "
            f"leave it out, or give it to a method that trains a head, such as 'head_only'."
        )
    taken = {one.name for one in fields(method)} & {one.name for one in fields(FinetuneConfig)}
    if taken:
        raise KShotValueError(f"Options named as settings of FinetuneConfig: {sorted(taken)}.")
    try:
        json.dumps(option_values(method), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise KShotValueError(
            f"The options of {method.name!r} must be plain JSON values: {error}."
        ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, HeadStart):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (tuple, list)) else value


def option_values(method: Method) -> dict[str, Any]:
    """Return all options of a method as plain JSON values."""
    return {one.name: _plain(getattr(method, one.name)) for one in fields(method)}


@cache
def option_defaults(cls: type[Method]) -> dict[str, Any]:
    """Return the default of every option; none where one has to be given."""
    try:
        return option_values(cls())
    except TypeError:
        return {}


def check_share(name: str, value: Any) -> None:
    """Raise a KShotValueError unless a value is a number from 0 to 1."""
    check(name, value, number(0))
    if value > 1:
        raise KShotValueError(f"`{name}` must be from 0 to 1; not {value!r}.")
