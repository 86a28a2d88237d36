"""A digest of the code of a user's method, so that kept rows are not those of an edited one.

It covers what can be read without running anything: the attributes of the class, the functions and
classes that their code names, and constants; not the state of objects that libraries define.
"""

from __future__ import annotations

import dis
import functools
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import Path, PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kshot_viz.methods.base import Method
from kshot_viz.records import content_digest

_INSTALLED = {"site-packages", "dist-packages"}
_PLAIN = (
    *(type(None), type(...), float, complex, str, bytes, range, slice, PurePath),
    *(np.generic, np.dtype, torch.dtype, torch.device),
)
# What Python writes into a class by itself; none of it runs.
_WRITTEN = {
    *("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__"),
    *("__annotate__", "__annotate_func__", "__annotations_cache__", "__firstlineno__"),
    *("__static_attributes__", "__match_args__", "__slots__", "__abstractmethods__", "_abc_impl"),
    *("__dataclass_fields__", "__dataclass_params__", "__parameters__", "__orig_bases__"),
}


def code_of(method: type[Method]) -> tuple[str, ...]:
    """Return the digest of a user's method; nothing for one of this library.

    It is the same in every process of one version of Python. It is not kept from one call to the
    next: a function that the method calls may have been defined anew since.
    """
    if _top(method.__module__) == "kshot_viz":
        return ()
    return (content_digest(_Reader(_top(method.__module__)).texts(method)),)


@dataclass
class _Reader:
    """Reads values as texts; ``package`` is where the method was defined.

    Attributes
    ----------
    found : dict of int to (int, object)
        Numbers of functions, classes and objects, by the address; an object is held so that no
        other one takes its address.
    waiting : deque of object
        Those that have not been read yet, so that long chains of calls take no deep recursion.
    """

    package: str
    found: dict[int, tuple[int, Any]] = field(default_factory=dict)
    waiting: deque[Any] = field(default_factory=deque)

    def texts(self, value: Any) -> Iterator[str]:
        """Yield what tells a value from another one, with all that it refers to; no address."""
        yield from self._value(value)
        while self.waiting:
            yield "; "
            yield from self._inside(self.waiting.popleft())

    def _value(self, value: Any) -> Iterator[str]:
        yield f" <{type(value).__name__} "
        if isinstance(value, int):
            # Decimal digits of large numbers are refused.
            yield hex(value)
        elif isinstance(value, _PLAIN):
            yield repr(value)
        elif isinstance(value, tuple):
            yield from self._all(value)
        elif isinstance(value, (set, frozenset)):
            # Their order differs between processes.
            yield from sorted(
                "".join(_Reader(self.package, dict(self.found)).texts(one)) for one in value
            )
        elif isinstance(value, CodeType):
            yield from self._code(value)
        elif isinstance(value, (np.ndarray, torch.Tensor)):
            yield _array_text(value)
        else:
            if id(value) not in self.found:
                self.found[id(value)] = len(self.found), value
                self.waiting.append(value)
            yield str(self.found[id(value)][0])
        yield ">"

    def _all(self, values: Iterable[Any]) -> Iterator[str]:
        for one in values:
            yield from self._value(one)

    def _inside(self, value: Any) -> Iterator[str]:
        if isinstance(value, list):
            yield from self._all(value)
        elif isinstance(value, Mapping):
            yield from self._all(part for item in value.items() for part in item)
        elif isinstance(value, (type, FunctionType, BuiltinFunctionType)):
            yield value.__qualname__
            if not self._follows(value.__module__):
                yield f" of {value.__module__}"
            elif isinstance(value, type):
                yield from self._class(value)
            elif isinstance(value, FunctionType):
                yield from self._function(value)
        else:
            yield from self._all(self._parts(value))

    def _class(self, cls: type) -> Iterator[str]:
        yield from self._all(cls.__bases__)
        for name, value in sorted(vars(cls).items()):
            if name not in _WRITTEN:
                yield name
                yield from self._value(value)

    def _function(self, function: FunctionType) -> Iterator[str]:
        yield from self._all([function.__code__, function.__defaults__])
        yield from self._all((function.__kwdefaults__ or {}).items())
        yield from self._all(map(_content, function.__closure__ or ()))
        for name, beside in sorted(_globals_of(function.__code__).items()):
            if name in function.__globals__:
                yield name
                yield from self._named(function.__globals__[name], beside)

    def _named(self, value: Any, beside: set[str]) -> Iterator[str]:
        """Read the value of a global name; of a module, what names beside it in the code mean."""
        if not isinstance(value, ModuleType):
            yield from self._value(value)
        elif self._follows(value.__name__):
            for name in sorted(beside & vars(value).keys()):
                yield name
                yield from self._named(vars(value)[name], beside - {name})

    def _code(self, code: CodeType) -> Iterator[str]:
        yield " ".join([code.co_name, code.co_code.hex(), code.co_exceptiontable.hex()])
        yield " ".join(code.co_names)
        yield from self._all(code.co_consts)

    def _parts(self, value: Any) -> list[Any]:
        """Return what an object is made of, as far as it can be told."""
        if isinstance(value, (staticmethod, classmethod, MethodType)):
            return [value.__func__, getattr(value, "__self__", None)]
        if isinstance(value, property):
            return [value.fget, value.fset, value.fdel]
        if isinstance(value, (functools.partial, functools.partialmethod)):
            return [value.func, value.args, value.keywords]
        if isinstance(value, functools.cached_property):
            return [value.func]
        if isinstance(value, Enum):
            return [type(value), value.name]
        if "__wrapped__" in getattr(value, "__dict__", {}):
            return [value.__wrapped__]
        if is_dataclass(value):
            held = {one.name: getattr(value, one.name, None) for one in fields(value)}
            return [type(value), held]
        # Objects of libraries may hold anything.
        own = self._follows(type(value).__module__) and hasattr(value, "__dict__")
        return [type(value), *([vars(value)] if own else [])]

    def _follows(self, module: str | None) -> bool:
        """Say whether code is the user's: of the method's own package, or installed nowhere."""
        top = _top(module or "builtins")
        if top == "kshot_viz":
            return False
        if top in (self.package, "__main__"):
            return True
        file = getattr(sys.modules.get(module or ""), "__file__", None) or ""
        return top not in sys.stdlib_module_names and not _INSTALLED & set(Path(file).parts)


def _top(module: str) -> str:
    return module.partition(".")[0]


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        # It is not filled yet.
        return None


def _array_text(array: NDArray[Any] | torch.Tensor) -> str:
    text = f"{array.dtype} {tuple(array.shape)}"
    if isinstance(array, torch.Tensor):
        try:
            array = array.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        except RuntimeError:
            # One without values, or of a layout that has no plain bytes.
            return text
    # The bytes of objects are addresses.
    return text if array.dtype.hasobject else f"{text} {content_digest([array.tobytes()])}"


def _globals_of(code: CodeType) -> dict[str, set[str]]:
    """Return the global names of code and of the functions inside, with all names beside them."""
    found = {
        str(one.argval): set(code.co_names)
        for one in dis.get_instructions(code)
        if "GLOBAL" in one.opname or one.opname == "LOAD_NAME"
    }
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            for name, beside in _globals_of(inner).items():
                found[name] = found.get(name, set()) | beside
    return found
