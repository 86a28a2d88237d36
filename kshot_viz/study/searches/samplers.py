"""Does the controller beat luck? Samplers at equal budget, over several seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotValueError
from kshot_viz.search.result import SearchResult
from kshot_viz.search.rewards.reward import Reward
from kshot_viz.search.search_groups import search_groups
from kshot_viz.search.settings import SAMPLERS

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, eq=False)
class SamplerComparison:
    """Several searches of the same space by the same reward.

    Attributes
    ----------
    results : mapping of (str, int) to SearchResult
        By sampler and seed.
    """

    results: dict[tuple[str, int], SearchResult]

    @property
    def frame(self) -> pd.DataFrame:
        """All histories: their columns and ``sampler, seed``."""
        return self._joined(lambda result: result.history)

    def best_so_far(self, points: int = 100) -> pd.DataFrame:
        """Return the best reward at equal budget.

        Returns
        -------
        DataFrame
            ``sampler, spent, mean, low, high, n``: mean and range over seeds.
        """
        import numpy as np
        import pandas as pd

        budget = min(float(one.manifest["budget"]) for one in self.results.values())
        grid = np.linspace(budget / points, budget, points)
        rows = []
        for sampler in dict.fromkeys(name for name, _ in self.results):
            curves = [
                best_at(result.history, grid)
                for (name, _), result in self.results.items()
                if name == sampler
            ]
            table = np.stack(curves)
            columns = {
                "sampler": sampler,
                "spent": grid,
                "mean": table.mean(axis=0),
                "low": table.min(axis=0),
                "high": table.max(axis=0),
                "n": len(curves),
            }
            rows.append(pd.DataFrame(columns))
        return pd.concat(rows, ignore_index=True)

    def rescore(
        self, episodes: Sequence[Episode], data: ImageDataset | None = None, **options: Any
    ) -> pd.DataFrame:
        """Score every search's winner on fresh tasks; see :meth:`SearchResult.rescore`.

        Returns
        -------
        DataFrame
            The columns there, and ``sampler, seed``.
        """
        return self._joined(lambda result: result.rescore(episodes, data, **options))

    def _joined(self, table: Callable[[SearchResult], pd.DataFrame]) -> pd.DataFrame:
        import pandas as pd

        parts = [
            table(result).assign(sampler=sampler, seed=seed)
            for (sampler, seed), result in self.results.items()
        ]
        return pd.concat(parts, ignore_index=True)


def compare_samplers(
    backbone: Backbone,
    reward: Reward,
    *,
    samplers: Sequence[str] = SAMPLERS,
    seeds: Sequence[int] = (0, 1, 2),
    out: str | Path | None = None,
    **options: Any,
) -> SamplerComparison:
    """Search with each sampler and seed, at equal budget.

    Parameters
    ----------
    backbone : Backbone
    reward : Reward
    samplers : sequence of str
    seeds : sequence of int
    out : path, optional
        Folder of journals, one a search; the same call goes on from them. In memory by default.
    **options
        ``space``, ``budget``, ``prune`` and others, as in :class:`kshot_viz.GroupSearch`.
    """
    if not samplers or not seeds:
        raise KShotValueError("`samplers` and `seeds` must name one or more.")
    results = {}
    for seed in seeds:
        for sampler in samplers:
            storage = "memory" if out is None else Path(out) / f"{sampler}-{seed}.journal"
            results[sampler, seed] = search_groups(
                backbone, reward, sampler=sampler, storage=storage, seed=seed, **options
            )
    return SamplerComparison(results)


def best_at(history: pd.DataFrame, grid: Any) -> Any:
    """Return the best reward at each budget of ``grid``, NaN before the first rollout."""
    import numpy as np

    index = np.searchsorted(history["spent"].to_numpy(), grid + 1e-9, side="right") - 1
    best = history["best"].to_numpy()
    return np.where(index >= 0, best[np.maximum(index, 0)], np.nan)
