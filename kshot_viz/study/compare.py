"""Compare methods on the same episodes, each at its own best setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episode import Episode
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.config import FinetuneConfig
from kshot_viz.finetune.evaluate import bind, check_source, evaluate
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.contenders import CONTENDERS, contenders
from kshot_viz.study.grid import TuningGrid, at_setting, swept
from kshot_viz.study.manifest import describe
from kshot_viz.study.replay import episode_key
from kshot_viz.study.tables import SETTING, TASK, choose
from kshot_viz.study.tuning import Tuning, of_size, task_sizes, tuning_episodes

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone


def compare_methods(
    backbone: Backbone,
    data: ImageDataset,
    episodes: Sequence[Episode],
    *,
    methods: Sequence[str | Candidate] = CONTENDERS,
    groups_from: str = "support",
    n_groups: Any = 0.1,
    rule: GroupingRule | None = None,
    source: Any = None,
    tune: str | None = "validation",
    n_val: int = 6,
    grid: TuningGrid | None = None,
    config: FinetuneConfig | None = None,
    full: bool = False,
    executor: str = "serial",
    workers: int | None = None,
    device: str | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Comparison:
    """Tune every method on validation episodes, then run all of them on the same test episodes.

    Parameters
    ----------
    backbone : Backbone
    data : ImageDataset
    episodes : sequence of Episode
        Test episodes; several shots may be mixed, each is tuned on its own.
    methods : sequence of str or Candidate
        Names among ``head_only, last_block, plain, grouped, shuffled, weight_groups``, or
        candidates (a searched grouping, say), whose step size and steps are tuned alike.
    groups_from : {"support", "source"}
        What forms the groups of ``grouped`` and ``shuffled``.
    n_groups : float, int or mapping
        As in :func:`kshot_viz.cluster_neurons`.
    rule : GroupingRule, optional
        Everything about forming groups, instead of the two above.
    source : image batch or ImageDataset, optional
        Images for ``groups_from="source"``; with ``tune="source"`` also the labelled set that
        tuning episodes are drawn from.
    tune : {"validation", "source", None}
        Where step size and steps are chosen: on the data's validation pool (the number of labels
        that took is in the table), on episodes of ``source`` (no target labels), or not at all.
    n_val : int
        Tuning episodes a shot.
    grid : TuningGrid, optional
    config : FinetuneConfig, optional
        Everything that is not tuned.
    full : bool
        Run the whole grid on the test episodes too, not only the chosen settings.
    executor, workers, device
        As in :func:`kshot_viz.evaluate`.
    out : path, optional
        Folder that keeps finished rows; the same call goes on from there after an interrupt.
    seed : int
    progress : bool

    Returns
    -------
    Comparison

    Raises
    ------
    KShotValueError
        For episodes of other data, a source image among the queries, or too small pools.
    """
    rule = rule or GroupingRule(groups_from=groups_from, n_groups=n_groups)
    plan = _Plan(
        backbone=backbone,
        data=data,
        episodes=list(episodes),
        rivals=[
            replace(one, apart=one.name)
            for one in contenders(methods, rule, config or FinetuneConfig())
        ],
        grid=grid or TuningGrid(),
        tuning=tuning_episodes(data, episodes, source=source, tune=tune, n_val=n_val),
        options={
            "executor": executor,
            "workers": workers,
            "device": device,
            "store": None if out is None else Path(out) / "rows.jsonl",
            "seed": seed,
        },
        progress=progress,
    ).bound(source)
    tuned = plan.tune()
    settings = choose(tuned) if tune else plan.untuned()
    tested = plan.test(settings, full)
    return Comparison(
        frame=_frame(tuned, tested, settings),
        settings=settings,
        manifest=plan.manifest(tune) | plan.origin(source),
        candidates=plan.tried(settings),
        episodes={key: one.to_dict() for key, one in plan.keyed().items()},
        backbone=backbone,
        data=data,
        tuning_data=plan.tuning.data,
    )


@dataclass(frozen=True)
class _Plan:
    """One comparison, step by step."""

    backbone: Backbone
    data: ImageDataset
    episodes: list[Episode]
    rivals: list[Candidate]
    grid: TuningGrid
    tuning: Tuning
    options: dict[str, Any]
    progress: bool
    unbound: Sequence[Candidate] = ()

    def bound(self, source: Any) -> _Plan:
        """Form the groups that are the same in every episode, after looking for query images."""
        check_source(source, self.data, self.episodes)
        images, seed = self.tuning.apart(source), self.options["seed"]
        bound = bind(self.backbone, self.rivals, images, seed)
        return replace(self, rivals=bound, unbound=self.rivals)

    def origin(self, source: Any) -> dict[str, Any]:
        """Say what formed the groups of the methods called by name; ready ones know it better."""
        rules = [one.grouping for one in self.unbound if isinstance(one.grouping, GroupingRule)]
        formed = {kind for rule in rules for kind in rule.kinds} - {"weights"}
        images = self.tuning.apart(source) if "source" in formed else None
        named = f"{len(images)} {images.name} images" if isinstance(images, ImageDataset) else None
        return {"groups_from": "/".join(sorted(formed)), "source": named}

    def tune(self) -> pd.DataFrame:
        """Run the whole grid on the tuning episodes."""
        tried = self._grid() if self.tuning.episodes else []
        return self._run("tune", self.tuning.data, self.tuning.episodes, tried, self.grid.steps)

    def test(self, settings: pd.DataFrame, full: bool) -> pd.DataFrame:
        """Run the chosen settings, or the whole grid, on the test episodes."""
        parts = []
        for way, shot in task_sizes(self.episodes):
            title, episodes = f"test {shot}-shot", of_size(self.episodes, way, shot)
            chosen = self._chosen(settings, way, shot)
            if full:
                parts.append(self._run(title, self.data, episodes, self._grid(), self.grid.steps))
                chosen = [one for one in chosen if not self.grid.holds(one)]
            parts.append(self._run(title, self.data, episodes, chosen, None))
        return _joined(parts)

    def untuned(self) -> pd.DataFrame:
        """Return every rival's own setting, as it was given."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "way": way,
                    "shot": shot,
                    "method": one.name,
                    "step_size": getattr(one.config, swept(one)),
                    "steps": one.config.steps,
                    "lr": one.config.lr,
                    "head_lr": one.config.head_lr,
                    "val_accuracy": float("nan"),
                    "n_val": 0,
                }
                for way, shot in task_sizes(self.episodes)
                for one in self.rivals
            ]
        )

    def tried(self, settings: pd.DataFrame) -> dict[str, Any]:
        """Return what every candidate key in the rows stands for."""
        chosen = [
            one for task in task_sizes(self.episodes) for one in self._chosen(settings, *task)
        ]
        return {one.key: one.to_dict() for one in [*self._grid(), *chosen]}

    def keyed(self) -> dict[str, Episode]:
        """Return every episode by the name its rows go by."""
        every = [*self.tuning.episodes, *self.episodes]
        return {episode_key({**vars(one), "episode": one.name}): one for one in every}

    def manifest(self, tune: str | None) -> dict[str, Any]:
        """Say what was compared, on what, with which versions."""
        return describe(self.backbone, self.data, self.episodes, self.tuning) | {
            "tune": tune,
            "methods": [one.name for one in self.rivals],
            "grid": self.grid.to_dict(),
            "seed": self.options["seed"],
            "device": self.options["device"],
        }

    def _grid(self) -> list[Candidate]:
        return [candidate for one in self.rivals for candidate in self.grid.candidates(one)]

    def _chosen(self, settings: pd.DataFrame, way: int, shot: int) -> list[Candidate]:
        rows = settings[(settings["way"] == way) & (settings["shot"] == shot)].set_index("method")
        return [
            at_setting(
                one,
                lr=float(rows.lr[one.name]),
                head_lr=float(rows.head_lr[one.name]),
                steps=int(rows.steps[one.name]),
            )
            for one in self.rivals
        ]

    def _run(
        self,
        title: str,
        data: ImageDataset,
        episodes: Sequence[Episode],
        candidates: Sequence[Candidate],
        at_steps: Sequence[int] | None,
    ) -> pd.DataFrame:
        rows = evaluate(
            self.backbone,
            data,
            episodes,
            candidates,
            at_steps=at_steps,
            progress=title if self.progress else False,
            **self.options,
        )
        if len(rows):
            head = {one.name for one in self.rivals if swept(one) == "head_lr"}
            rows["step_size"] = rows["head_lr"].where(rows["method"].isin(head), rows["lr"])
        return rows


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _frame(tuned: pd.DataFrame, tested: pd.DataFrame, settings: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    rows = _joined([tuned, tested])
    by = [*TASK, "method", *SETTING]
    chosen = pd.MultiIndex.from_frame(settings[by])
    rows["chosen"] = pd.MultiIndex.from_frame(rows[by]).isin(chosen)
    return rows
