"""What an edit of a grouping does to accuracy: the same episodes, the same setting, at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotValueError
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.stats import paired_test
from kshot_viz.study.tables import mean_columns

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.comparison import Comparison

GROUPED = "grouped"


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
    setting: str = "settings as given, not tuned"
    executor: str = "processes"
    seed: int = 0
    _kept: dict[Grouping, pd.DataFrame] = field(default_factory=dict, repr=False)

    def rows(self, grouping: Grouping) -> pd.DataFrame:
        """Return one row an episode, as of :func:`kshot_viz.evaluate`."""
        if grouping not in self._kept:
            self._kept[grouping] = evaluate(
                self.backbone,
                self.data,
                self.episodes,
                [Candidate(grouping, self.config)],
                executor=self.executor,
                seed=self.seed,
            )
        return self._kept[grouping]

    def compare(self, groupings: Mapping[str, Grouping]) -> pd.DataFrame:
        """Score groupings and pair each with the first one, episode by episode.

        Returns
        -------
        DataFrame
            ``name, accuracy, low, high, n, difference, difference_low, difference_high, p_value,
            diverged``; shares, 95 % bootstrap intervals (NaN for a single episode), and the p-value
            of Wilcoxon's test.
        """
        import pandas as pd

        rows = {name: self.rows(grouping) for name, grouping in groupings.items()}
        first = next(iter(rows.values()))
        return pd.DataFrame([_summary(name, one, first) for name, one in rows.items()])


def rescoring(
    backbone: Backbone,
    episodes: Sequence[Episode] | None = None,
    *,
    data: ImageDataset | None = None,
    table: Comparison | None = None,
    config: FinetuneConfig | None = None,
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
        Its chosen setting of the grouped method is used.
    config : FinetuneConfig, optional
        The setting, where no table tells it.
    n : int
        Number of episodes, the first ones.
    executor, seed
        As in :func:`kshot_viz.evaluate`.

    Raises
    ------
    KShotValueError
        If there is no episode or no data, or the table did not tune the grouped method for them.
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
    if table is not None and config is None:
        config = _tuned(table, way, shot)
        setting = "the comparison's chosen setting"
    return Rescoring(
        backbone, found, same, config or FinetuneConfig(), setting, executor=executor, seed=seed
    )


def _episodes(episodes: Sequence[Episode] | None, table: Comparison | None) -> tuple[Episode, ...]:
    if episodes is None and table is not None:
        episodes = [one for one in table.episodes.values() if one.pool == "test"]
    if not episodes:
        raise KShotValueError("Scoring needs at least one episode: give `episodes=` or `table=`.")
    return tuple(episodes)


def _tuned(table: Comparison, way: int, shot: int) -> FinetuneConfig:
    """Return the setting that a comparison chose for its grouped method."""
    settings = table.settings
    rows = settings[
        (settings["way"] == way) & (settings["shot"] == shot) & (settings["method"] == GROUPED)
    ]
    chosen = [] if rows.empty else table.called(GROUPED, setting=rows["setting"].iloc[0])
    if not chosen:
        raise KShotValueError(
            f"`table` has no setting of {GROUPED!r} for {way} way, {shot} shot; give `config=`."
        )
    return chosen[0].config.but(steps=int(rows["steps"].iloc[0]))


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
