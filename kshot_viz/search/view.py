"""A search seen from another process: its history, and requests to pause or stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.search.result import SearchResult
from kshot_viz.search.spaces.registry import space_from_dict
from kshot_viz.search.storage.ledger import Ledger

if TYPE_CHECKING:
    import pandas as pd
    from optuna.storages import BaseStorage


class SearchView:
    """A look at a search that runs, or ran, elsewhere; see :meth:`GroupSearch.attach`.

    Everything is read again whenever it is asked for. Requests are heeded between two batches.
    """

    def __init__(self, storage: str | Path | BaseStorage, *, key: str | None = None) -> None:
        self._ledger = Ledger(storage, own=False, key=key)

    @property
    def manifest(self) -> dict[str, Any]:
        """What is searched, how, and by which reward."""
        return self._ledger.manifest

    @property
    def state(self) -> str:
        """As of :class:`GroupSearch`, or ``"died"`` where nobody works at a search any more."""
        state = self._ledger.state
        return "died" if state in ("running", "paused") and not self._ledger.running else state

    @property
    def asked(self) -> str:
        """What was asked for and is not heeded yet: a request, or ``""``."""
        return self._ledger.request if self.state in ("running", "paused") else ""

    @property
    def result(self) -> SearchResult:
        """What was found so far."""
        manifest = self.manifest
        if not manifest:
            raise KShotFileError("There is no search in this storage yet: it has not begun.")
        space = space_from_dict(manifest["space"])
        return SearchResult(tuple(self._ledger.rollouts()), space, manifest)

    @property
    def history(self) -> pd.DataFrame:
        """One row a rollout, as of :attr:`SearchResult.history`."""
        return self.result.history

    def request_pause(self) -> None:
        """Ask the search to pause."""
        self._request("pause")

    def request_resume(self) -> None:
        """Ask a paused search to go on."""
        self._request("resume")

    def request_stop(self) -> None:
        """Ask the search to stop; it can go on later."""
        self._request("stop")

    def _request(self, what: str) -> None:
        # A journal that nobody works at may end in the middle of a line, so nothing is written.
        if self.state not in ("running", "paused"):
            raise KShotValueError(
                f"Nobody is working at this search (it is {self.state}), so it cannot {what}."
            )
        self._ledger.request = what
