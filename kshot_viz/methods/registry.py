"""Methods by name: those of this library, and anybody's own."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from kshot_viz.errors import KShotError, KShotKeyError, KShotValueError, unknown_name, warn
from kshot_viz.methods.base import Method

if TYPE_CHECKING:
    from collections.abc import Collection

    from kshot_viz.methods.config import FinetuneConfig
    from kshot_viz.models.backbone import Backbone

M = TypeVar("M", bound=type[Method])

GROUP = "kshot_viz.methods"
# The methods of this library that tables and figures show first, in this order.
FIRST = ("head_only", "last_block", "plain", "grouped", "shuffled", "weight_groups")
_METHODS: dict[str, type[Method]] = {}


def register_method(method: M) -> M:
    """Make a method known by its name; use it as a class decorator.

    A package may name its methods as entry points of the group ``"kshot_viz.methods"`` instead. A
    class registered again under its name (a notebook cell run twice) replaces the old one.

    Parameters
    ----------
    method : subclass of Method
        A frozen dataclass.

    Raises
    ------
    KShotValueError
        If it is no frozen dataclass that extends :class:`Method`, or has no name.
    """
    fine = isinstance(method, type) and issubclass(method, Method)
    if not fine or not method.name or not method.label:
        raise KShotValueError(
            f"A method is a frozen dataclass that extends kv.Method and has a `name` and a "
            f"`label`; not {method!r}."
        )
    hints = inspect.get_annotations(method)
    options = {name for name, hint in hints.items() if "ClassVar" not in str(hint)}
    missing = options - {one.name for one in dataclasses.fields(method)}
    if missing:
        raise KShotValueError(
            f"{method.__name__} has options ({', '.join(sorted(missing))}) and so needs "
            f"@dataclass(frozen=True) below @kv.register_method."
        )
    if not method.__module__.startswith(f"{GROUP}."):
        _load_own()
    known = _METHODS.get(method.name, method)
    if known.__module__.startswith(f"{GROUP}.") and known.__module__ != method.__module__:
        raise KShotValueError(f"The name {method.name!r} belongs to a method of this library.")
    _METHODS[method.name] = method
    return method


def list_methods() -> list[str]:
    """Return the names of all methods, those of this library first."""
    known = _known()
    return sorted(known, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))


def resolve_method(
    method: str | Method | type[Method], argument: str = "method", *others: str
) -> Method:
    """Return a method object for a name, a class, or an object.

    Parameters
    ----------
    method : str, Method or subclass of Method
    argument : str
        Its name in errors.
    *others : str
        What else the argument may say there.

    Raises
    ------
    KShotKeyError
        For an unknown name.
    KShotValueError
        For anything else, or a class whose options have no defaults.
    """
    if isinstance(method, Method):
        return method
    known = _known()
    if isinstance(method, str):
        if method not in known:
            raise unknown_name(argument, method, [*others, *list_methods()])
        method = known[method]
    if not (isinstance(method, type) and issubclass(method, Method)):
        raise KShotValueError(f"`{argument}` must be a name or a kv.Method; not {method!r}.")
    try:
        return method()
    except TypeError as error:
        raise KShotValueError(
            f"The method {method.name!r} has options without defaults; give an object, such as "
            f"{method.__name__}(...)."
        ) from error


def method_from_dict(record: str | Mapping[str, Any]) -> Method:
    """Rebuild a method from :meth:`Method.to_dict` (files of version 0.1.0 hold its name alone).

    One that is not registered here is rebuilt as an :class:`UnknownMethod`, so that its results can
    be read, though not computed again.
    """
    name, options = (record, {}) if isinstance(record, str) else (record["name"], record["options"])
    known = _known()
    if name not in known:
        return UnknownMethod(called=name, stored=dict(options))
    try:
        return known[name].from_options(options)
    except (KShotError, TypeError) as error:
        return UnknownMethod(called=name, stored=dict(options), reason=str(error))


def method_class(name: str) -> type[Method] | None:
    """Return the class of a registered method, or None."""
    return _known().get(name)


@dataclass(frozen=True)
class UnknownMethod(Method):
    """A method of stored results whose class is not registered in this process."""

    name = "unknown"
    label = "unknown method"
    called: str = ""
    stored: Any = None
    reason: str = ""

    def trained(
        self, network: Backbone, layers: Collection[str], config: FinetuneConfig
    ) -> NoReturn:
        """Raise a KShotKeyError that says what is missing."""
        if self.reason:
            raise KShotKeyError(f"The method {self.called!r} is another one now: {self.reason}")
        raise KShotKeyError(
            f"The method {self.called!r} is not registered here: run the code that defines it "
            f"(with @kv.register_method), then load the results again."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the stored record as it was."""
        return {"name": self.called, "options": self.stored}


def _known() -> dict[str, type[Method]]:
    _load()
    return _METHODS


@cache
def _load_own() -> None:
    """Import every method of this folder."""
    package = import_module(GROUP)
    for module in walk_packages(package.__path__, f"{GROUP}."):
        import_module(module.name)


@cache
def _load() -> None:
    """Import the methods of this library, then those that installed packages offer."""
    _load_own()
    for entry in entry_points(group=GROUP):
        if entry.name in _METHODS:
            continue
        try:
            register_method(entry.load())
        except Exception as error:  # Whatever a stranger's package raises must not stop this one.
            warn(f"The method {entry.name!r} of a package: {error!r}")
