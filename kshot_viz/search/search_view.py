"""A search in another process, or one that has ended, read and driven through its storage."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.search.lifecycle import ControllableSearch
from kshot_viz.search.result import SearchResult
from kshot_viz.search.settings import space_from_dict
from kshot_viz.search.storage.ledger import Ledger

if TYPE_CHECKING:
    import pandas as pd
    from optuna.storages import BaseStorage

# Seconds between two looks into the storage.
POLL_SECONDS = 0.5


class SearchView(ControllableSearch):
    """A search seen through its storage; see :meth:`GroupSearch.attach`.

    Every property is read from the storage anew. Requests take effect between two batches.
    """

    local = False

    def __init__(self, storage: str | Path | BaseStorage, *, key: str | None = None) -> None:
        self._ledger = Ledger(storage, own=False, key=key)

    @property
    def manifest(self) -> dict[str, Any]:
        """The settings of the search, its network and its reward; plain JSON values."""
        return self._ledger.manifest

    @property
    def state(self) -> str:
        """As of :class:`GroupSearch`, or ``"died"`` where no process runs the search any more."""
        state = self._ledger.state
        return "died" if state in ("running", "paused") and not self._ledger.running else state

    @property
    def requested(self) -> str:
        """The request, from any process, that has not taken effect yet; or ``""``."""
        return self._ledger.request if self.state in ("running", "paused") else ""

    @property
    def result(self) -> SearchResult:
        """The rollouts so far."""
        manifest = self.manifest
        if not manifest:
            raise KShotFileError("There is no search in this storage yet: it has not begun.")
        space = space_from_dict(manifest["space"])
        return SearchResult(tuple(self._ledger.rollouts()), space, manifest)

    @property
    def history(self) -> pd.DataFrame:
        """One row a rollout, as of :attr:`SearchResult.history`."""
        return self.result.history

    def start(self) -> NoReturn:
        """Raise a KShotValueError: a search starts where its network is."""
        raise KShotValueError(
            "A search that was attached by its storage cannot be started here: run it where "
            "its network is, with GroupSearch(...) and the same storage."
        )

    def wait_for_change(self, seen: object, timeout: float) -> object:
        """Read the storage until state, request or number of rollouts differ from ``seen``."""
        end = time.monotonic() + timeout
        while (now := (self.state, self.requested, len(self._ledger.rollouts()))) == seen:
            left = end - time.monotonic()
            if left <= 0:
                break
            time.sleep(min(POLL_SECONDS, left))
        return now

    def _send(self, request: str) -> None:
        # A journal without an owner may end in the middle of a line, so nothing is written.
        if self.state not in ("running", "paused"):
            raise KShotValueError(
                f"No process runs this search (it is {self.state}), so it cannot {request}."
            )
        self._ledger.request = request


def open_search(search: ControllableSearch | str | Path | Any) -> ControllableSearch:
    """Return a search as it is, or a view of the one at the address of a storage.

    Raises
    ------
    KShotFileError
        If there is no search in the storage.
    KShotValueError
        For anything else.
    """
    if isinstance(search, ControllableSearch):
        return search
    if isinstance(search, (str, Path)):
        return SearchView(search)
    raise KShotValueError(
        f"A search to follow is a GroupSearch, the view that GroupSearch.attach returns, or the "
        f"address of a storage; not {search!r}."
    )
