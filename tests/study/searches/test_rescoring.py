"""Scores of edited groupings are those of `evaluate`, on the same episodes, once."""

from __future__ import annotations

import pytest

import kshot_viz as kv
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotValueError
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.models.backbone import Backbone
from kshot_viz.stats import bootstrap_mean, paired_test
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.searches import rescoring as module
from kshot_viz.study.searches.rescoring import rescoring

CONFIG = kv.FinetuneConfig(steps=3, lr=0.1)


def test_scores_are_those_of_evaluate_paired_by_episode(
    backbone: Backbone, data: ImageDataset, episodes: list[Episode]
):
    scorer = rescoring(backbone, episodes, data=data, config=CONFIG, executor="serial")
    assert len(scorer.episodes) == 3, "the first episode's shot decides"
    before, after = Grouping.one_group(backbone), Grouping.singletons(backbone)
    frame = scorer.compare({"before": before, "after": after})
    rows = [
        kv.evaluate(backbone, data, episodes[:3], [kv.Candidate(one, CONFIG)])["accuracy"]
        for one in (before, after)
    ]
    assert frame["accuracy"].tolist() == [one.mean() for one in rows]
    interval, test = bootstrap_mean(rows[1]), paired_test(rows[1], rows[0])
    assert frame["low"][1] == interval.low
    assert frame["difference"].tolist() == [0, test.difference.mean]
    assert frame["difference_high"][1] == test.difference.high
    assert frame["n"].tolist() == [3, 3]


def test_what_was_scored_is_not_scored_again(
    backbone: Backbone, data: ImageDataset, episodes: list[Episode], monkeypatch
):
    scorer = rescoring(backbone, episodes[:1], data=data, config=CONFIG, executor="serial")
    one = Grouping.one_group(backbone)
    first = scorer.rows(one)
    monkeypatch.setattr(module, "evaluate", None)
    assert scorer.rows(Grouping.one_group(backbone)) is first


def test_a_table_gives_episodes_images_and_the_setting_it_chose(
    backbone: Backbone, short: Comparison
):
    scorer = rescoring(backbone, table=short, executor="serial")
    chosen = short.settings.set_index("method").loc["grouped"]
    assert (scorer.config.lr, scorer.config.steps) == (chosen["lr"], chosen["steps"])
    assert scorer.config.head_lr == chosen["head_lr"]
    assert len(scorer.episodes) == 3
    assert scorer.setting == "the comparison's chosen setting"


def test_what_is_missing_is_said(
    backbone: Backbone, data: ImageDataset, episodes: list[Episode], source: ImageDataset
):
    with pytest.raises(KShotValueError, match="at least one episode"):
        rescoring(backbone, [], data=data)
    with pytest.raises(KShotValueError, match="drawn from, 'toy': give `data=`"):
        rescoring(backbone, episodes)
    with pytest.raises(KShotValueError, match="drawn from"):
        rescoring(backbone, episodes, data=source)
