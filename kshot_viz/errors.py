"""Errors and warnings that users can cause, with messages that say what to do next.

Every error a user can cause is a :class:`KShotError`; the children also inherit the built-in
class that Python programmers would catch. A message names the argument, what was given, what is
allowed, and where the list of valid values is found.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from types import FrameType

# Files of this library, and the one of decorators that are context managers.
_INSIDE = (os.path.dirname(__file__) + os.sep, contextlib.__file__)  # noqa: PTH120


class KShotError(Exception):
    """Base class of every error that kshot_viz raises on purpose."""


class KShotValueError(KShotError, ValueError):
    """A value that cannot be used: out of range, of the wrong shape, or contradictory."""


class KShotKeyError(KShotError, KeyError):
    """A name that does not exist: a layer, a data set, a method, a class."""

    def __str__(self) -> str:
        # KeyError prints the repr of its argument, which turns a sentence into a quoted blob.
        return str(self.args[0]) if self.args else ""


class KShotFileError(KShotError, ValueError):
    """A file that is missing, cut off, unreadable, or written by a newer version."""


class KShotWarning(UserWarning):
    """What a user should know, though the call goes on.

    ``on_command_line`` is the message of a command, whose options have other names.
    """

    def __init__(self, message: str, on_command_line: str = "") -> None:
        super().__init__(message)
        self.on_command_line = on_command_line or message


def warn(message: str, on_command_line: str = "") -> None:
    """Warn of something at the line that called this library, however deep the call is by now."""
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(KShotWarning(message, on_command_line), stacklevel=level)


def unknown_name(argument: str, given: object, allowed: Iterable[object]) -> KShotKeyError:
    """Build the error for a name that is not among ``allowed``, with the nearest match first."""
    names = [str(name) for name in allowed]
    close = get_close_matches(str(given), names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return KShotKeyError(f"`{argument}` must be one of {_listing(names)}; not {given!r}.{hint}")


def _listing(names: list[str], at_most: int = 32) -> str:
    shown = ", ".join(repr(name) for name in names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
