"""The winner of a search is the same candidate, with the same number, through every door."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.search.controller.reinforce import ReinforceConfig
from kshot_viz.search.group_search import GroupSearch
from kshot_viz.search.result import SearchResult
from kshot_viz.search.spaces.base import Space
from kshot_viz.study.searches.rescoring import rescoring
from kshot_viz.widgets.explorer.group_explorer import GroupExplorer
from kshot_viz.widgets.monitor.search_monitor import SearchMonitor

# A search, comparisons and dashboards: together a minute.
pytestmark = pytest.mark.slow

PATIENCE = 120
SEED = 5
SETTINGS = {"lr": (0.1, 0.3), "head_lr": (0.3, 1.0)}
CONFIG = kv.FinetuneConfig(steps=20, momentum=0.8, weight_decay=0.01)


def noisy_data() -> kv.ImageDataset:
    """Images on which accuracies are neither at chance nor at 1."""
    clean, rng = toy_data(4, 12, seed=3), np.random.default_rng(0)
    images = clean.images.astype(int) + rng.integers(-80, 80, clean.images.shape)
    images = np.clip(images, 0, 255).astype(np.uint8)
    return kv.ImageDataset.from_arrays(images, clean.targets, classes=clean.classes, name="noisy")


def rules(backbone: kv.Backbone, source: kv.ImageDataset) -> Space:
    """One layer frozen, one at a third of the step size; k-means needs the seed of the search."""
    space = kv.GroupSpace.of(
        backbone, settings=SETTINGS, config=CONFIG, method="kmeans", n_groups=(0.5,)
    )
    return space.only("conv", step_size=(0.0,)).only("deep", step_size=(0.3,))


def both(backbone: kv.Backbone, source: kv.ImageDataset) -> Space:
    """Groups of one layer come from the source, of the other from the support."""
    space = kv.GroupSpace.of(
        backbone, settings=SETTINGS, config=CONFIG, method="kmeans", n_groups=(0.5,)
    )
    first = space.only("conv", step_size=(0.3,), groups_from=("source",))
    return first.only("deep", step_size=(3.0,), groups_from=("support",))


def assigned(backbone: kv.Backbone, source: kv.ImageDataset) -> Space:
    """Groups are assigned; one layer is not searched, so it is frozen."""
    acts = kv.capture_activations(backbone, source)
    return kv.AssignmentSpace.of(
        backbone, acts, layers=["deep"], depth=3, step_size=(0.3,), settings=SETTINGS, config=CONFIG
    )


@dataclass(frozen=True)
class Won:
    """A finished search, and what it said of its winner."""

    search: GroupSearch
    found: SearchResult
    journal: Path

    @property
    def task(self) -> tuple[Any, ...]:
        reward = self.search.reward
        return self.search.backbone, reward.data, list(reward.episodes)

    @property
    def said(self) -> float:
        return self.found.best_rollout.reward

    def accuracies(self, candidate: kv.Candidate, **options: Any) -> list[float]:
        rows = kv.evaluate(*self.task, [candidate], seed=SEED, **options)
        return rows["accuracy"].tolist()

    def is_the_number(self, accuracies: Any) -> bool:
        """Tell whether accuracies of the episodes have the mean that the search reported."""
        return float(np.mean(accuracies)) == self.said


@pytest.fixture(scope="module", params=[rules, both, assigned], ids=lambda one: one.__name__)
def won(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Won:
    backbone = toy_backbone()
    reward = kv.pseudo_episode_reward(noisy_data(), way=3, shot=1, query=4, n=7, seed=1)
    journal = tmp_path_factory.mktemp("won") / "search.journal"
    assert reward.source is not None
    search = GroupSearch(
        backbone,
        reward,
        space=request.param(backbone, reward.source),
        sampler="random",
        learning=ReinforceConfig(batch_size=4),
        budget=8,
        storage=journal,
        seed=SEED,
    )
    return Won(search, search.run(), journal)


def test_its_settings_matter_here(won: Won):
    """Otherwise no test below would see them lost on the way."""
    best = won.found.bound()
    assert won.is_the_number(won.accuracies(best))
    assert 0.0 in best.config.layer_lr.values() or 3.0 in best.config.layer_lr.values()
    lost = (
        kv.Candidate(best.grouping, kv.FinetuneConfig()),
        kv.Candidate(best.grouping, best.config.but(layer_lr={})),
    )
    for one in lost:
        assert not won.is_the_number(won.accuracies(one))


def test_evaluate(won: Won):
    source = won.search.reward.source
    assert won.is_the_number(won.accuracies(won.found.best, source=source))
    assert won.is_the_number(won.accuracies(won.found.bound()))


def test_a_file(won: Won, tmp_path: Path):
    for one, source in ((won.found.bound(), None), (won.found.best, won.search.reward.source)):
        again = kv.Candidate.load(one.save(tmp_path / "best.json"))
        assert again == one
        assert won.is_the_number(won.accuracies(again, source=source))


def test_the_storage_of_the_search(won: Won):
    stored = GroupSearch.attach(won.journal).result
    assert stored.best == won.found.best
    again = stored.with_parts(won.search.backbone, won.search.reward)
    assert again.bound() == won.found.bound()
    assert again.best_rollout.reward == won.said


def test_scores_on_other_tasks(won: Won):
    backbone, data, episodes = won.task
    scored = won.found.rescore(episodes, data)
    assert scored["accuracy"].tolist() == [won.said]
    best = won.found.bound()
    again = rescoring(
        backbone, episodes, data=data, candidate=best, n=7, executor="serial", seed=SEED
    )
    assert best.grouping is not None
    assert again.candidate(best.grouping).at() == kv.Candidate(best.grouping, best.config)
    assert again.compare({"won": best.grouping})["accuracy"].tolist() == [won.said]


def test_fine_tuning(won: Won):
    backbone, data, episodes = won.task
    best, shares = won.found.bound(), []
    for episode in episodes:
        support, query = episode.split(data)
        groups = best.grouping
        if isinstance(groups, GroupingRule):
            groups = groups.in_episode(backbone, support, name=episode.name, seed=SEED)
        options = {"method": best.method, "grouping": groups, "config": best.config}
        tuned = kv.finetune(backbone, support, **options)
        shares.append(float(np.mean(tuned.predict(query) == query.labels)))
    assert won.is_the_number(shares)


def test_the_explorer_that_the_monitor_opens(won: Won):
    monitor = SearchMonitor(won.search)
    explorer = monitor.explorer()
    assert explorer.wait(PATIENCE)
    assert explorer.scores.frame()["accuracy"].tolist() == [won.said]
    assert explorer.scores.frame()["n"].tolist() == [7]
    for layer, factor in won.found.best.config.layer_lr.items():
        explorer.layer = layer
        assert explorer.wait(PATIENCE)
        words = f"step ×{factor:g}" if factor else "frozen"
        assert words in explorer.similarity.caption[0]
        assert words in explorer.figure().axes[0].get_title(loc="left")
        assert (f"{layer} ({words})", layer) in explorer.controls.layer.options
    explorer.close()
    monitor.close()


def test_an_explorer_of_its_own(won: Won):
    backbone, data, episodes = won.task
    source = won.search.reward.source
    acts = kv.capture_activations(backbone, source)
    explorer = GroupExplorer(
        backbone,
        acts,
        won.found.best,
        source,
        episodes,
        data=data,
        n_episodes=7,
        executor="serial",
        seed=SEED,
    )
    assert explorer.wait(PATIENCE)
    assert explorer.scores.frame()["accuracy"].tolist() == [won.said]
    explorer.close()


def test_a_comparison_its_files_and_its_replay(won: Won, tmp_path: Path):
    backbone, data, episodes = won.task
    table = kv.compare_methods(
        backbone,
        data,
        episodes,
        methods=["plain", won.found.best],
        source=won.search.reward.source,
        tune=None,
        seed=SEED,
    )
    table.save(tmp_path / "results")
    loaded = kv.Comparison.load(tmp_path / "results")
    for one in (table, loaded):
        rows = one.frame[one.frame["method"] == "searched"]
        assert won.is_the_number(rows["accuracy"])
        summary = one.summary().set_index("method")
        assert summary["accuracy"]["searched"] == won.said
    row = int(rows.index[3])
    again = loaded.replay(row, backbone=backbone, data=data)
    assert again.identical, str(again)
    assert again.again["accuracy"] == rows["accuracy"].iloc[3]
    candidate = loaded.candidates[rows["candidate"].iloc[0]]
    assert candidate == won.found.bound()
    # The table's own setting reaches an explorer that scores by it.
    scorer = rescoring(backbone, table=table, name="searched", n=7, executor="serial", seed=SEED)
    assert candidate.grouping is not None
    assert scorer.compare({"won": candidate.grouping})["accuracy"].tolist() == [won.said]
