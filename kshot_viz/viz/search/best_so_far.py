"""The best so far of several searches, at equal budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import KShotValueError

if TYPE_CHECKING:
    import pandas as pd

RANDOM = "random"


def history_of(found: Any) -> pd.DataFrame:
    """Return the history of a search, or the frame that it is already."""
    import pandas as pd

    frame: pd.DataFrame = found if isinstance(found, pd.DataFrame) else found.history
    if not len(frame):
        raise KShotValueError("The search has no finished rollout yet.")
    return frame


def random_histories(random: Any) -> list[pd.DataFrame]:
    """Return the histories of random searches: of one, of several, or out of a comparison."""
    from kshot_viz.study.samplers import SamplerComparison

    if isinstance(random, SamplerComparison):
        found = [one for (name, _), one in random.results.items() if name == RANDOM]
    else:
        found = list(random) if isinstance(random, Sequence) else [random]
    if not found:
        raise KShotValueError("`random` holds no random search to draw.")
    return [history_of(one) for one in found]


def best_frame(histories: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the best so far wherever one of the searches found a reward.

    Returns
    -------
    DataFrame
        ``spent, low, median, high, n``, from where all have begun to where the first one ends.
    """
    import pandas as pd

    spent = [one["spent"].to_numpy() for one in histories]
    places = np.unique(np.concatenate(spent))
    begin, end = max(one[0] for one in spent), min(one[-1] for one in spent)
    # One may end before another has found anything; where that begins there is something to draw.
    places = places[(places >= begin) & (places <= max(begin, end))]
    best = np.stack([_at(one, places) for one in histories])
    return pd.DataFrame(
        {
            "spent": places,
            "low": best.min(axis=0),
            "median": np.median(best, axis=0),
            "high": best.max(axis=0),
            "n": len(histories),
        }
    )


def _at(history: pd.DataFrame, places: np.ndarray) -> np.ndarray:
    """Return the best reward once so much was spent."""
    last = np.searchsorted(history["spent"].to_numpy(), places, side="right") - 1
    best: np.ndarray = history["best"].to_numpy()[last]
    return best
