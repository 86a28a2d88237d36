"""The protocol of callbacks: what a call tells them, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# What a row and the settings of a call hold.
Scalar = str | int | float | bool | None
METHODS = ("on_start", "on_row", "on_finish", "on_error")


@dataclass(frozen=True)
class RunInfo:
    """What a callback is told when a call begins.

    Attributes
    ----------
    kind : {"finetune", "evaluate", "compare_methods", "search_groups"}
        The function that was called.
    settings : mapping of str to scalar
        The network, the data and the settings of the call; lists are texts.
    """

    kind: str
    settings: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """A name for the call: the function, the network and the data."""
        named = (self.settings.get(one) for one in ("backbone", "data"))
        return " ".join([self.kind, *(str(one) for one in named if one)])


class Callback:
    """Follows a call of ``finetune``, ``evaluate``, ``compare_methods`` or ``search_groups``.

    Override what you need. Any object that has one of the four methods is a callback too; it need
    not inherit from this class.

    All methods are called in the process and the thread of the call, one after another, also where
    other processes do the work. A callback changes neither results nor what is kept of them. An
    exception in one ends the call with a :class:`kshot_viz.KShotError` that names it, as an
    interrupt would: finished rows stay in ``store``, ``out`` or ``storage``, and the same call goes
    on from them. So a callback may also end a call on purpose.
    """

    def on_start(self, run: RunInfo) -> None:
        """Look at the settings of a call, once, after its arguments were checked."""

    def on_row(self, row: dict[str, Scalar]) -> None:
        """Look at a row as soon as it is finished.

        Parameters
        ----------
        row : dict
            A copy of its own, of scalars alone. ``finetune``: ``step, loss, accuracy``, for the
            start and after each step. ``evaluate`` and ``compare_methods``: the columns of
            :func:`kshot_viz.evaluate` without ``predicted``, in the order in which runs end.
            ``search_groups``: the columns of :attr:`SearchResult.history`, after each batch. All
            but ``finetune`` add ``resumed``: whether an earlier call finished it. Each row is told
            once a call.
        """

    def on_finish(self, result: Any) -> None:
        """Look at what the call is about to return; a search that was stopped returns too."""

    def on_error(self, error: BaseException) -> None:
        """Look at what ended the call instead of ``on_finish``, an interrupt say."""


def callbacks_rule(value: Any) -> str:
    """Allow lists of callbacks; a rule for :func:`kshot_viz.checks.checked`."""
    expected = f"a list of callbacks, objects with a method {', '.join(METHODS[:-1])} or on_error"
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        return expected
    if any(isinstance(one, type) for one in value):
        return f"{expected}; a class is none until it is called, `Best()` say"
    return "" if all(_is_callback(one) for one in value) else expected


def _is_callback(value: Any) -> bool:
    return any(callable(getattr(value, name, None)) for name in METHODS)
