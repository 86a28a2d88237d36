"""Public names of a package, imported at first use from where its stub says they are defined."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType

import lazy_loader


def attach_stub(
    package: str, file: str, subpackages: Collection[str] = ()
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package (PEP 562).

    The one list of names is the stub beside ``file``, which type checkers read too. Subpackages
    that it names are ``subpackages``: they are there at first use too, but are no public names.
    """
    load, _, listed = lazy_loader.attach_stub(package, file)
    names = [name for name in listed if name not in subpackages]

    class Package(ModuleType):
        """A module whose public names win over subpackages of the same name.

        Python stores every imported submodule on its parent: without this class
        ``kshot_viz.finetune`` would be the function or the package, depending on what was imported
        before.
        """

        def __setattr__(self, name: str, value: object) -> None:
            if not (name in names and isinstance(value, ModuleType)):
                super().__setattr__(name, value)

        def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
            # A function of a notebook that names the package goes to worker processes with it.
            return import_module, (self.__name__,)

    def get(name: str) -> object:
        if name in subpackages:
            return load(name)
        if name not in names:
            close = get_close_matches(name, [*names, *subpackages], n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise AttributeError(f"module {package!r} has no attribute {name!r}.{hint}")
        value = load(name)
        setattr(sys.modules[package], name, value)
        return value

    sys.modules[package].__class__ = Package
    return get, lambda: list(names), names
