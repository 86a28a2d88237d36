"""One call, told to its callbacks."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from kshot_viz.errors import KShotError
from kshot_viz.trackers.callback import RunInfo, Scalar

R = TypeVar("R")
_log = logging.getLogger(__name__)


class Session:
    """Tells callbacks what happens in one call.

    Attributes
    ----------
    seconds : float
        What the callbacks took so far; a call does not count it as its own time.
    """

    def __init__(self, callbacks: Sequence[Any]) -> None:
        self._callbacks = tuple(callbacks)
        # Those that were told of a start, but of no end.
        self._open: list[Any] = []
        self.seconds = 0.0

    def __bool__(self) -> bool:
        return bool(self._callbacks)

    def start(self, run: RunInfo) -> None:
        """Tell of the call."""
        for one in self._callbacks:
            self._open.append(one)
            self._tell(one, "on_start", run)

    def row(self, row: Mapping[str, Any]) -> None:
        """Tell of a finished row, of which lists are left out."""
        if self._callbacks:
            plain = scalars(row)
            for one in self._callbacks:
                self._tell(one, "on_row", dict(plain))

    def finish(self, result: R) -> R:
        """Tell of the result, and return it."""
        while self._open:
            self._tell(self._open.pop(0), "on_finish", result)
        return result

    def fail(self, error: BaseException) -> None:
        """Tell of an error those that were told of no end; theirs would hide it."""
        while self._open:
            one = self._open.pop(0)
            try:
                self._tell(one, "on_error", error)
            except Exception as another:
                _log.warning("%s", another)

    def _tell(self, callback: Any, method: str, given: Any) -> None:
        found = getattr(callback, method, None)
        if found is None:
            return
        begin = time.perf_counter()
        try:
            found(given)
        except KShotError:
            raise
        except Exception as error:
            name = type(callback).__name__
            raise KShotError(
                f"The callback {name} failed in {method} ({type(error).__name__}: {error}), which "
                f"ended the call. What was finished before is kept where the call keeps rows; the "
                f"same call goes on from there."
            ) from error
        finally:
            self.seconds += time.perf_counter() - begin


@contextmanager
def session(callbacks: Sequence[Any], run: RunInfo) -> Iterator[Session]:
    """Tell callbacks that a call begins, and of its error if it ends by one."""
    told = Session(callbacks)
    try:
        told.start(run)
        yield told
    except BaseException as error:
        told.fail(error)
        raise


class Forward:
    """A callback of the calls that a call is made of: it tells each row once.

    Rows of a run that several parts of a comparison need are the same row.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told: set[tuple[Any, ...]] = set()

    def on_row(self, row: dict[str, Scalar]) -> None:
        """Pass a row on that was not passed on before."""
        key = row["run"], row["steps"]
        if key not in self._told:
            self._told.add(key)
            self._session.row(row)


def scalars(record: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return the entries that are None, a text, a number or a truth value, as Python's own."""
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in record.items()
        if value is None or isinstance(value, (str, bool, int, float, np.generic))
    }
