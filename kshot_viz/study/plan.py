"""The steps of a comparison: bind, tune, choose, test, and say what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode, check_source
from kshot_viz.evaluate.evaluate import bind, evaluate
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.study.comparison import episode_key
from kshot_viz.study.grid import TuningGrid
from kshot_viz.study.manifest import describe
from kshot_viz.study.task import Task, Tuning, tasks_of

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True)
class ComparisonPlan:
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

    def bound(self, source: Any) -> ComparisonPlan:
        """Form the groups that are the same in every episode, after looking for query images."""
        check_source(source, self.data, self.episodes)
        images, seed = self.tuning.without_queries(source), self.options["seed"]
        bound = bind(self.backbone, self.rivals, images, seed)
        return replace(self, rivals=bound, unbound=self.rivals)

    def origin(self, source: Any) -> dict[str, Any]:
        """Say what formed the groups of the methods called by name; ready ones know it better."""
        rules = [one.grouping for one in self.unbound if isinstance(one.grouping, GroupingRule)]
        formed = {kind for rule in rules for kind in rule.kinds} - {"weights"}
        images = self.tuning.without_queries(source) if "source" in formed else None
        named = f"{len(images)} {images.name} images" if isinstance(images, ImageDataset) else None
        return {"groups_from": "/".join(sorted(formed)), "source": named}

    @cached_property
    def tasks(self) -> list[Task]:
        """The distinct tasks of the test episodes."""
        return tasks_of(self.episodes, self.backbone)

    def tune(self) -> pd.DataFrame:
        """Run the whole grid on the tuning episodes."""
        if not self.tuning.episodes:
            return self._run("tune", self.tuning.data, [], [], None)
        rows = self._run_grid("tune", self.tuning.data, self.tuning.episodes)
        # Settings are chosen for the task of the test episodes, wherever they were tried.
        return rows.assign(data=self.data.name)

    def test(self, settings: pd.DataFrame, full: bool) -> pd.DataFrame:
        """Run the chosen settings, or the whole grid, on the test episodes."""
        parts = []
        for task in self.tasks:
            title, episodes = f"test {task.shot}-shot", task.episodes(self.episodes)
            chosen = self._chosen(settings, task)
            if full:
                parts.append(self._run_grid(title, self.data, episodes))
                chosen = [one for one in chosen if not self.grid.holds(one)]
            parts.append(self._run(title, self.data, episodes, chosen, None))
        return joined(parts)

    def untuned(self) -> pd.DataFrame:
        """Return every rival's own setting, as it was given."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    **asdict(task),
                    "method": one.name,
                    "step_size": one.setting(one.method.axis),
                    "steps": one.config.steps,
                    "lr": one.config.lr,
                    "head_lr": one.config.head_lr,
                    "setting": one.setting_key,
                    "val_accuracy": float("nan"),
                    "n_val": 0,
                }
                for task in self.tasks
                for one in self.rivals
            ]
        )

    def tried(self, settings: pd.DataFrame) -> dict[str, Candidate]:
        """Return what every candidate key in the rows stands for."""
        chosen = [one for task in self.tasks for one in self._chosen(settings, task)]
        every = {(one.key, one.name): one for one in [*self._grid(), *chosen]}
        found = {key: one for (key, _), one in reversed(every.items())}
        # Two names may stand for the same settings, of which rows know the key alone.
        return found | {f"{k} {n}": one for (k, n), one in every.items() if found[k] is not one}

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

    def _chosen(self, settings: pd.DataFrame, task: Task) -> list[Candidate]:
        tried = [*self.rivals, *self._grid()]
        known = {(one.name, one.setting_key): one for one in tried}
        rows = task.rows(settings).set_index("method").loc[[one.name for one in self.rivals]]
        chosen = zip(rows.index, rows["setting"], rows["steps"], strict=True)
        return [known[name, key].at(steps=int(steps)) for name, key, steps in chosen]

    def _run_grid(
        self, title: str, data: ImageDataset, episodes: Sequence[Episode]
    ) -> pd.DataFrame:
        whole = [one for one in self._grid() if not one.method.scheduled]
        alone = [one for one in self._grid() if one.method.scheduled]
        parts = [(whole, self.grid.steps), (alone, None)]
        rows = joined([self._run(title, data, episodes, *part) for part in parts if part[0]])
        if whole and alone:
            index = rows["method"].map([one.name for one in self.rivals].index)
            rows = rows.iloc[index.argsort(kind="stable")].reset_index(drop=True)
        return rows

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
            mix_names=False,
            **self.options,
        )
        if len(rows):
            axes = {one.key: one.setting(one.method.axis) for one in candidates}
            settings = {one.key: one.setting_key for one in candidates}
            rows["step_size"] = rows["candidate"].map(axes)
            rows["setting"] = rows["candidate"].map(settings)
        return rows


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all parts that have any."""
    import pandas as pd

    return pd.concat([part for part in parts if len(part)], ignore_index=True)
