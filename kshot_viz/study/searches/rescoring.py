"""What an edit of a grouping does to accuracy: the same episodes, the same setting, at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotValueError
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.evaluate.rows import class_mean
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import resolve_method
from kshot_viz.stats import paired_test
from kshot_viz.study.tables import mean_columns

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.comparison import Comparison

GROUPED = "grouped"
Groups = Grouping | GroupingRule
# Takes a name, and the numbers of finished and of all episodes.
Watch = Callable[[str, int, int], object]


@dataclass(frozen=True, eq=False)
class Rescoring:
    """Groupings scored on the same episodes with one setting; what was scored once is kept.

    Attributes
    ----------
    backbone : Backbone
    data : ImageDataset
    episodes : tuple of Episode
        All of one way and shot.
    config : FinetuneConfig
        Step sizes, multipliers and frozen layers.
    method : Method
    setting : str
        Where the setting comes from, for the reader.
    executor : str
        As in :func:`kshot_viz.evaluate`; processes stay up, so later scores come faster.
    seed : int
    """

    backbone: Backbone
    data: ImageDataset
    episodes: tuple[Episode, ...]
    config: FinetuneConfig
    method: Method = field(default_factory=lambda: resolve_method(GROUPED))
    setting: str = "settings as given, not tuned"
    executor: str = "processes"
    seed: int = 0
    _kept: dict[Hashable, pd.DataFrame] = field(default_factory=dict, repr=False)

    def candidate(self, groups: Groups) -> Candidate:
        """Return groups with the settings that they are scored with."""
        return Candidate(groups, self.config, self.method)

    def rows(
        self, groups: Groups, *, watch: Callable[[int, int], object] | None = None
    ) -> pd.DataFrame:
        """Return one row an episode, as of :func:`kshot_viz.evaluate`.

        Parameters
        ----------
        groups : Grouping or GroupingRule
            A rule forms groups in every episode from its support.
        watch : callable, optional
            As in :func:`kshot_viz.evaluate`; what it ends is not kept.
        """
        key = _key(groups)
        if key not in self._kept:
            self._kept[key] = evaluate(
                self.backbone,
                self.data,
                self.episodes,
                [self.candidate(groups)],
                executor=self.executor,
                seed=self.seed,
                watch=watch,
            )
        return self._kept[key]

    def compare(
        self,
        groupings: Mapping[str, Groups],
        *,
        seen: Collection[str] = (),
        watch: Watch | None = None,
    ) -> pd.DataFrame:
        """Score groupings and pair each with the first one, episode by episode.

        Parameters
        ----------
        groupings : mapping of str to Grouping or GroupingRule
        seen : collection of str, optional
            Digests of images that formed groups: as queries they are left out, for all groupings.
        watch : callable, optional
            Takes the name of a grouping and the numbers of its finished and of all episodes; an
            error that it raises ends the scoring.

        Returns
        -------
        DataFrame
            ``name, accuracy, low, high, n, difference, difference_low, difference_high, p_value,
            diverged, queries, left_out``; shares, 95 % bootstrap intervals (NaN for a single
            episode), the p-value of Wilcoxon's test, and the numbers of queries. Episodes without
            a query that counts are dropped.

        Raises
        ------
        KShotValueError
            If every query was seen.
        """
        import pandas as pd

        counted = [self._counted(one, seen) for one in self.episodes]
        if not any(one.any() for one in counted):
            raise KShotValueError(
                "Every query of these episodes formed groups, so no query is left to score on."
            )
        rows = {
            name: self._scored(name, groups, counted, watch) for name, groups in groupings.items()
        }
        first = next(iter(rows.values()))
        every = np.concatenate(counted)
        known = {"queries": int(every.sum()), "left_out": int((~every).sum())}
        return pd.DataFrame([_summary(name, one, first) | known for name, one in rows.items()])

    def _counted(self, episode: Episode, seen: Collection[str]) -> np.ndarray:
        """Return which queries count, shape (queries,)."""
        return np.array([self.data.digests[one] not in seen for one in episode.query])

    def _scored(
        self, name: str, groups: Groups, counted: Sequence[np.ndarray], watch: Watch | None
    ) -> pd.DataFrame:
        """Return the rows with their accuracy on the queries that count."""

        def named(done: int, total: int) -> None:
            if watch is not None:
                watch(name, done, total)

        rows = self.rows(groups, watch=named)
        if all(one.all() for one in counted):
            return rows
        known = zip(self.episodes, rows["predicted"], rows["accuracy"], counted, strict=True)
        shares = [self._share(*one) for one in known]
        kept = [one.any() for one in counted]
        return rows.assign(accuracy=shares)[kept].reset_index(drop=True)

    def _share(
        self, episode: Episode, predicted: Sequence[int], accuracy: float, counted: np.ndarray
    ) -> float:
        # One that diverged predicts nothing and is scored at chance.
        if not len(predicted) or not counted.any():
            return accuracy
        targets = torch.as_tensor(episode.split(self.data)[1].targets)
        hits = (torch.as_tensor(predicted) == targets).double()
        kept = torch.from_numpy(counted)
        return class_mean(hits[kept], targets[kept])


def rescoring(
    backbone: Backbone,
    episodes: Sequence[Episode] | None = None,
    *,
    data: ImageDataset | None = None,
    table: Comparison | None = None,
    candidate: Candidate | None = None,
    config: FinetuneConfig | None = None,
    name: str = GROUPED,
    n: int = 5,
    executor: str = "processes",
    seed: int = 0,
) -> Rescoring:
    """Prepare the scoring of edited groupings.

    Parameters
    ----------
    backbone : Backbone
    episodes : sequence of Episode, optional
        Those of a comparison by default. The first decides way and shot.
    data : ImageDataset, optional
        What the episodes were drawn from; the comparison's by default.
    table : Comparison, optional
        Its chosen setting of the method ``name`` is used, where no other is given.
    candidate : Candidate, optional
        Its settings and its method are used: step sizes, multipliers, frozen layers.
    config : FinetuneConfig, optional
        The setting, where neither tells it.
    name : str
        The method of the comparison.
    n : int
        Number of episodes, the first ones.
    executor, seed
        As in :func:`kshot_viz.evaluate`.

    Raises
    ------
    KShotValueError
        If there is no episode or no data, or the table did not tune the method for them.
    """
    if n < 1:
        raise KShotValueError(f"Scoring needs at least one episode; not {n!r}.")
    chosen = _episodes(episodes, table)
    way, shot = chosen[0].way, chosen[0].shot
    same = tuple(one for one in chosen if (one.way, one.shot) == (way, shot))[:n]
    found = data if data is not None else getattr(table, "data", None)
    if found is None or found.fingerprint != chosen[0].fingerprint:
        raise KShotValueError(
            f"Scoring needs the images that the episodes were drawn from, "
            f"{chosen[0].data_name!r}: give `data=` (or a comparison, `table=`, that has them)."
        )
    setting = "settings as given, not tuned"
    if candidate is not None:
        setting = f"the settings of {candidate.name!r}"
    elif table is not None and config is None:
        candidate = _tuned(table, way, shot, name)
        setting = "the comparison's chosen setting"
    given = config or FinetuneConfig() if candidate is None else candidate.config
    own = candidate is not None and candidate.method.shares
    method = candidate.method if candidate and own else resolve_method(GROUPED)
    return Rescoring(backbone, found, same, given, method, setting, executor, seed)


def _episodes(episodes: Sequence[Episode] | None, table: Comparison | None) -> tuple[Episode, ...]:
    if episodes is None and table is not None:
        episodes = [one for one in table.episodes.values() if one.pool == "test"]
    if not episodes:
        raise KShotValueError("Scoring needs at least one episode: give `episodes=` or `table=`.")
    return tuple(episodes)


def _tuned(table: Comparison, way: int, shot: int, name: str) -> Candidate:
    """Return a method's candidate at the setting that a comparison chose."""
    settings = table.settings
    rows = settings[
        (settings["way"] == way) & (settings["shot"] == shot) & (settings["method"] == name)
    ]
    chosen = [] if rows.empty else table.called(name, setting=rows["setting"].iloc[0])
    if not chosen:
        raise KShotValueError(
            f"`table` has no setting of {name!r} for {way} way, {shot} shot; give `config=`."
        )
    return chosen[0].at(steps=int(rows["steps"].iloc[0]))


def _key(groups: Groups) -> Hashable:
    """Return what the rows of groups are kept by: not how they were made, or are named."""
    if isinstance(groups, Grouping):
        return groups
    return replace(groups, given=None).key, groups.given


def _summary(name: str, rows: pd.DataFrame, first: pd.DataFrame) -> dict[str, Any]:
    test = paired_test(rows["accuracy"].to_numpy(), first["accuracy"].to_numpy())
    return {
        "name": name,
        **mean_columns(rows),
        "difference": test.difference.mean,
        "difference_low": test.difference.low,
        "difference_high": test.difference.high,
        "p_value": test.p_value,
        "diverged": int((rows["status"] != "ok").sum()),
    }
