"""Rollouts of a search, told to callbacks as its batches end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kshot_viz.search.result import SearchResult
from kshot_viz.trackers.callback import Callback, RunInfo
from kshot_viz.trackers.session import scalars, session


@contextmanager
def told_rollouts(
    callbacks: Sequence[Callback], stored: SearchResult
) -> Iterator[Callable[[SearchResult], None]]:
    """Tell callbacks of a search that begins, or goes on from what is stored, and of its end.

    Yields
    ------
    callable
        Takes the result so far, of which rollouts that were not told yet are.
    """
    latest, known = stored, 0

    with session(callbacks, _info(stored.manifest)) as told:

        def tell(found: SearchResult, resumed: bool = False) -> None:
            nonlocal latest, known
            if told and len(found.rollouts) > known:
                rows = found.history.iloc[known:].to_dict("records")
                for row in rows:
                    told.row({"resumed": resumed, **{str(name): row[name] for name in row}})
            latest, known = found, len(found.rollouts)

        tell(stored, resumed=True)
        yield tell
        told.finish(latest)


def _info(manifest: Mapping[str, Any]) -> RunInfo:
    about = {"backbone": manifest["network"][0], "data": manifest["reward"]["data"]}
    reward = {f"reward_{name}": value for name, value in scalars(manifest["reward"]).items()}
    return RunInfo("search_groups", {**about, **scalars(manifest), **reward})
