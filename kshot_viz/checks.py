"""Checks of the arguments of public functions, all in one manner.

``@checked(seed=whole(0), data=instance(ImageDataset))`` checks the named arguments of a call before
the function runs. A wrong one is a :class:`KShotValueError` that names it, what it must be, and
what was given.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Set
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np

from kshot_viz.errors import KShotValueError

F = TypeVar("F", bound=Callable[..., Any])
# Returns what a value must be, or "" where it is.
Rule = Callable[[Any], str]
_SHOWN = 60


def checked(**rules: Rule) -> Callable[[F], F]:
    """Check arguments by their names; those that a call leaves out keep their defaults."""

    def decorate(function: F) -> F:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError:
                # The function's own message names it.
                return function(*args, **kwargs)
            for name, value in given.items():
                if name in rules:
                    check(name, value, rules[name])
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


def check(name: str, value: Any, rule: Rule) -> None:
    """Raise a KShotValueError unless a value keeps a rule."""
    if expected := rule(value):
        raise KShotValueError(f"`{name}` must be {expected}; not {shown(value)}.")


def shown(value: Any) -> str:
    """Return a value for a message: its repr where that is short, else its type."""
    if value is None or isinstance(value, (bool, int, float, str, np.generic)):
        try:
            text = repr(value)
        except ValueError:
            # Python refuses to write out so many digits.
            digits = int(math.log10(abs(value))) + 1  # type: ignore[arg-type]
            return f"an integer of about {digits:,} digits"
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return f"of type {type(value).__name__}"


def instance(*kinds: type, cure: str = "") -> Rule:
    """Allow instances of classes; ``cure`` says how to get one."""
    names = " or ".join(kind.__name__ for kind in kinds)
    expected = f"of type {names}" + (f" ({cure})" if cure else "")
    return lambda value: "" if isinstance(value, kinds) else expected


def optional(rule: Rule) -> Rule:
    """Allow None too."""

    def allowed(value: Any) -> str:
        expected = "" if value is None else rule(value)
        return f"None or {expected}" if expected else ""

    return allowed


def whole(least: int, most: int = 2**63 - 1) -> Rule:
    """Allow whole numbers from ``least`` to ``most``; a bool is none."""

    def allowed(value: Any) -> str:
        number = isinstance(value, Integral) and not isinstance(value, bool)
        if number and value > most:
            return f"at most {most:,}"
        return "" if number and value >= least else f"an integer >= {least}"

    return allowed


def number(least: float, *, above: bool = False) -> Rule:
    """Allow finite numbers from ``least`` on, or only those above it; a bool is none."""

    def allowed(value: Any) -> str:
        real = isinstance(value, Real) and not isinstance(value, bool) and _finite(value)
        fine = real and (value > least if above else value >= least)
        return "" if fine else f"a finite number {'>' if above else '>='} {least:g}"

    return allowed


def _finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def text(value: Any) -> str:
    """Allow texts."""
    return "" if isinstance(value, str) else "a text"


def several(value: Any) -> str:
    """Allow lists and the like; a text, a mapping or a set is none."""
    fine = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping, Set))
    return "" if fine else "a list"


def mapping(value: Any) -> str:
    """Allow mappings with texts as keys."""
    fine = isinstance(value, Mapping) and all(isinstance(one, str) for one in value)
    return "" if fine else "a mapping from names"


def flag(value: Any) -> str:
    """Allow True and False."""
    return "" if isinstance(value, bool) else "True or False"


def names(value: Any) -> str:
    """Allow lists of texts; a text alone is none."""
    if isinstance(value, str):
        return f"a list of names (wrap it: [{value!r}])"
    fine = isinstance(value, Iterable) and all(isinstance(one, str) for one in value)
    return "" if fine else "a list of names"
