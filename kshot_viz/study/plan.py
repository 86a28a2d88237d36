"""The steps of a comparison: bind, tune, choose, test, and say what was done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode, check_source
from kshot_viz.evaluate.evaluate import bind, evaluate
from kshot_viz.evaluate.executors import at_once
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.study.findings.alike import alike
from kshot_viz.study.manifest import describe
from kshot_viz.study.settings.choice import tuned_settings
from kshot_viz.study.settings.grid import TuningGrid
from kshot_viz.study.settings.tuning import Tuned, Tuner, tune
from kshot_viz.study.settings.tuning_bar import TuningBar, tuning_bar
from kshot_viz.study.tables import joined
from kshot_viz.study.task import Task, Tuning, episode_key, tasks_of
from kshot_viz.study.timing import Loading, Sizes, Timing, loading_seconds, seconds_per_run

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone

TunedTasks = Mapping[Task, Tuned]


@dataclass(frozen=True)
class ComparisonPlan:
    """One comparison, step by step."""

    backbone: Backbone
    data: ImageDataset
    episodes: list[Episode]
    rivals: list[Candidate]
    grid: TuningGrid
    tuning: Tuning
    choose: str
    race: bool
    options: dict[str, Any]
    progress: bool
    watch: Callable[[int, int], object] | None = None
    callbacks: Sequence[Any] = ()
    unbound: Sequence[Candidate] = ()
    unfit: Mapping[str, str] = field(default_factory=dict)
    ready: Collection[str] = ()

    def bound(self, source: Any) -> ComparisonPlan:
        """Form the groups that are the same in every episode, after looking for query images."""
        check_source(source, self.data, self.episodes)
        images, seed = self.tuning.without_queries(source), self.options["seed"]
        bound = bind(self.backbone, self.rivals, images, seed)
        return replace(self, rivals=bound, unbound=self.rivals)

    def origin(self, source: Any) -> dict[str, Any]:
        """Say what formed the groups of the methods called by name; ready ones know it better."""
        rules = [one.grouping for one in self.unbound if isinstance(one.grouping, GroupingRule)]
        formed = {kind for rule in rules for kind in rule.unmade(self.backbone)} - {"weights"}
        images = self.tuning.without_queries(source) if "source" in formed else None
        named = f"{len(images)} {images.name} images" if isinstance(images, ImageDataset) else None
        return {"groups_from": "/".join(sorted(formed)), "source": named}

    @cached_property
    def tasks(self) -> list[Task]:
        """The distinct tasks of the test episodes."""
        return tasks_of(self.episodes, self.backbone)

    @property
    def sizes(self) -> Sizes:
        """How much is run for each task."""
        tuning, test = (
            max((len(task.episodes(some)) for task in self.tasks), default=0)
            for some in (self.tuning.episodes, self.episodes)
        )
        return Sizes(tuning, test)

    @property
    def begun(self) -> bool:
        """Whether an earlier call left finished rows."""
        store = self.options.get("store")
        return store is not None and store.exists() and store.stat().st_size > 0

    def measure(self) -> Timing:
        """Time the first episode of every task; with a store its rows serve again later."""
        counts = {
            one.name: [len(self._tries(grid, one)) for grid in (self.grid, self.grid.thinned())]
            for one in self.rivals
        }
        # Before anything ran, so that no image is there already.
        tuning, test = (
            loading_seconds(self.backbone, data, [task.episodes(episodes) for task in self.tasks])
            for data, episodes in (
                (self.tuning.data, self.tuning.episodes),
                (self.data, self.episodes),
            )
        )
        seconds = {task: seconds_per_run(self._first_rows(task)) for task in self.tasks}
        workers = at_once(self.options["executor"], self.options["workers"])
        return Timing(seconds, counts, workers, Loading(tuning, test))

    def within(self, sizes: Sizes) -> ComparisonPlan:
        """Return the plan with no more episodes and step sizes than these."""
        return replace(
            self,
            episodes=[e for task in self.tasks for e in task.episodes(self.episodes)[: sizes.test]],
            tuning=self.tuning.first(self.tasks, sizes.tuning),
            grid=self.grid.thinned() if sizes.every > 1 else self.grid,
        )

    def _first_rows(self, task: Task) -> pd.DataFrame:
        title, tuning = f"measure {task.shot}-shot", task.episodes(self.tuning.episodes)
        if tuning:
            return self._run_settings(title, self.tuning.data, tuning[:1], self._grid())
        test = task.episodes(self.episodes)
        return self._run(title, self.data, test[:1], self.rivals, None)

    def alike(self) -> pd.DataFrame:
        """Measure how alike the neurons of the groups are in the first test episodes."""
        seed = self.options["seed"]
        return alike(self.backbone, self.data, self.episodes, self.tasks, self.rivals, seed=seed)

    def tune(self) -> dict[Task, Tuned]:
        """Try the grid, and what lies beyond its edges, on the tuning episodes of each task."""
        return {task: self._tune(task) for task in self.tasks if self.tuning.episodes}

    def _tune(self, task: Task) -> Tuned:
        every = task.episodes(self.tuning.episodes)
        with tuning_bar(f"tune {task.shot}-shot", show=self.progress) as bar:

            def run(episodes: Sequence[Episode], candidates: Sequence[Candidate]) -> pd.DataFrame:
                after = len(every) - every.index(episodes[-1]) - 1
                bar.expect(len(episodes) * len(candidates), after * len(candidates))
                rows = self._run_settings(bar, self.tuning.data, episodes, candidates)
                # Settings are chosen for the task of the test episodes, wherever they were tried.
                return rows.assign(data=task.data)

            tuner = Tuner(run, self.rivals, self._grid(), self.grid, self.choose, self.race)
            return tune(tuner, every)

    def run_grid(self, title: str, episodes: Sequence[Episode]) -> pd.DataFrame:
        """Run every setting of the grid on other episodes of the data."""
        return self._run_settings(title, self.data, episodes, self._grid())

    def test(self, settings: pd.DataFrame, tuned: TunedTasks, full: bool) -> pd.DataFrame:
        """Run the chosen settings, or the whole grid, on the test episodes."""
        parts = []
        for task in self.tasks:
            title, episodes = f"test {task.shot}-shot", task.episodes(self.episodes)
            chosen = self._chosen(settings, tuned, task)
            if full:
                parts.append(self._run_settings(title, self.data, episodes, self._grid()))
                chosen = [one for one in chosen if not self._in_grid(one)]
            parts.append(self._run(title, self.data, episodes, chosen, None))
        return joined(*parts)

    def untuned(self) -> pd.DataFrame:
        """Return every rival's own setting, as it was given."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    **asdict(task),
                    "method": one.name,
                    "step_size": one.step_size,
                    "tuned": tuned_settings(one),
                    "steps": one.config.steps,
                    "lr": one.config.lr,
                    "head_lr": one.config.head_lr,
                    "setting": one.setting_key,
                    "val_accuracy": float("nan"),
                    "n_val": 0,
                    "collapsed": 0,
                    "margin": float("nan"),
                    "rule": "as given",
                    "edge": "",
                }
                for task in self.tasks
                for one in self.rivals
            ]
        )

    def tried(self, settings: pd.DataFrame, tuned: TunedTasks) -> dict[str, Candidate]:
        """Return what every candidate key in the rows stands for."""
        chosen = [one for task in self.tasks for one in self._chosen(settings, tuned, task)]
        grown = [one for each in tuned.values() for one in each.candidates]
        every = {(one.key, one.name): one for one in [*self._grid(), *grown, *chosen]}
        found = {key: one for (key, _), one in reversed(every.items())}
        # Two names may stand for the same settings, of which rows know the key alone.
        return found | {f"{k} {n}": one for (k, n), one in every.items() if found[k] is not one}

    def keyed(self) -> dict[str, Episode]:
        """Return every episode by the name its rows go by."""
        every = [*self.tuning.episodes, *self.episodes]
        return {episode_key({**vars(one), "episode": one.name}): one for one in every}

    def manifest(self, tune: str | None) -> dict[str, Any]:
        """Say what was compared, on what, with which versions."""
        device = self.options["device"]
        return describe(self.backbone, self.data, self.episodes, self.tuning) | {
            "tune": tune,
            "methods": [one.name for one in self.rivals],
            "not_applicable": dict(self.unfit),
            "grid": self.grid.to_dict(),
            "choose": self.choose,
            "race": self.race,
            "seed": int(self.options["seed"]),
            "device": None if device is None else str(device),
        }

    def _grid(self) -> list[Candidate]:
        return [candidate for one in self.rivals for candidate in self._tries(self.grid, one)]

    def _in_grid(self, candidate: Candidate) -> bool:
        """Say whether the grid holds a candidate's setting and number of steps."""
        counts = self.grid.steps if candidate.method.takes_steps else (0,)
        return candidate.config.steps in counts and any(
            (one.name, one.setting_key) == (candidate.name, candidate.setting_key)
            for one in self._grid()
        )

    def _tries(self, grid: TuningGrid, rival: Candidate) -> list[Candidate]:
        """Return a rival at all settings of a grid, a ready-made one at its own settings too."""
        own = grid.beside(rival) if rival.name in self.ready else []
        return [*grid.candidates(rival), *own]

    def _chosen(self, settings: pd.DataFrame, tuned: TunedTasks, task: Task) -> list[Candidate]:
        tried = [*self.rivals, *(tuned[task].candidates if task in tuned else ())]
        known = {(one.name, one.setting_key): one for one in tried}
        rows = self._in_order(task.rows(settings))
        chosen = zip(rows["method"], rows["setting"], rows["steps"], strict=True)
        return [known[name, key].at(steps=int(steps)) for name, key, steps in chosen]

    def _run_settings(
        self,
        bar: str | TuningBar,
        data: ImageDataset,
        episodes: Sequence[Episode],
        candidates: Sequence[Candidate],
    ) -> pd.DataFrame:
        """Run candidates at all step counts: one run serves them all, unless it has a schedule."""
        whole = [one for one in candidates if not one.method.scheduled]
        alone = [one for one in candidates if one.method.scheduled]
        parts = [(whole, self.grid.steps), (alone, None)]
        rows = joined(*(self._run(bar, data, episodes, *part) for part in parts if part[0]))
        return self._in_order(rows).reset_index(drop=True) if whole and alone else rows

    def _in_order(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows in the order of the rivals, of which some may have none."""
        index = rows["method"].map([one.name for one in self.rivals].index)
        return rows.iloc[index.argsort(kind="stable")]

    def _run(
        self,
        bar: str | TuningBar,
        data: ImageDataset,
        episodes: Sequence[Episode],
        candidates: Sequence[Candidate],
        at_steps: Sequence[int] | None,
    ) -> pd.DataFrame:
        """Run candidates; ``bar`` is the title of a bar of their own, or one that goes on."""
        title = bar if isinstance(bar, str) else ""
        rows = evaluate(
            self.backbone,
            data,
            episodes,
            candidates,
            at_steps=at_steps,
            progress=title if self.progress and title else False,
            mix_names=False,
            watch=self.watch if isinstance(bar, str) else bar.watching(self.watch),
            callbacks=self.callbacks,
            **self.options,
        )
        if len(rows):
            known = {one.key: one for one in candidates}
            ran = rows["candidate"].map(known)
            rows["step_size"] = ran.map(lambda one: one.step_size)
            rows["tuned"] = ran.map(tuned_settings)
            rows["setting"] = ran.map(lambda one: one.setting_key)
        return rows
