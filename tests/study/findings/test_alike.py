"""Whether neurons of a group are alike: on images of no group, beside shuffled groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import kshot_viz as kv
from kshot_viz.evaluate.evaluate import bind
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.gradients import neuron_gradients
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.likeness import cosines
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.study.findings import alike as module
from kshot_viz.study.findings.alike import ALIKE, EpisodeNeurons, alike, sampled
from kshot_viz.study.task import TASK, tasks_of

RULE = GroupingRule(n_groups=0.5)


@pytest.fixture
def measure(backbone, data, episodes):
    def run(*rivals: Candidate, seed: int = 0) -> pd.DataFrame:
        bound = bind(backbone, rivals, None, seed)
        return alike(backbone, data, episodes, tasks_of(episodes, backbone), bound, seed=seed)

    return run


@pytest.mark.slow
def test_every_task_method_measure_and_layer_has_a_row(comparison, backbone):
    found = comparison.alike
    assert list(found.columns) == ALIKE
    assert set(found["method"]) == {"grouped", "weight_groups"}
    sizes = found.groupby([*TASK, "method", "measure"]).size()
    assert set(sizes) == {len(backbone.layers)}
    assert found["n"].max() <= module.EPISODES
    known = found.dropna()
    assert len(known)
    assert known["p_value"].between(1 / 1000, 1).all()
    assert (known["p_holm"] >= known["p_value"]).all()
    assert (known["shuffled_low"] <= known["shuffled_high"]).all()


def test_the_numbers_are_those_of_the_query_images(backbone, data, episodes, measure):
    made = Grouping({"deep": np.arange(8) % 3})
    rows = measure(Candidate(made)).set_index(["shot", "measure", "layer"])
    by_hand = []
    for one in episodes[:3]:
        queries = one.split(data)[1]
        similarity = cosines(neuron_gradients(backbone, queries)["deep"])
        same = made["deep"][:, None] == made["deep"]
        by_hand.append(similarity[same & ~np.eye(8, dtype=bool)].mean())
    assert rows.loc[(1, "gradients", "deep"), "within"] == pytest.approx(np.mean(by_hand))
    assert rows.loc[(1, "gradients", "deep"), "groups"] == 3


def test_the_groups_are_those_of_the_comparison(comparison, backbone, data):
    used, episode = comparison.grouping()
    seen = EpisodeNeurons(backbone, data, episode, comparison.manifest["seed"])
    (rule,) = {one.grouping for one in comparison.called("grouped")}
    assert seen.grouping(rule) == used


def test_what_shares_nothing_or_at_random_has_no_rows(measure):
    assert len(measure(Candidate(), Candidate(RULE, method="shuffled"))) == 0
    assert list(measure(Candidate()).columns) == ALIKE


def test_groups_that_cannot_be_compared_have_no_number(measure, backbone):
    alone = measure(Candidate(Grouping.singletons(backbone)))
    together = measure(Candidate(Grouping.one_group(backbone)))
    for rows in (alone, together):
        assert rows[["within", "p_value", "p_holm"]].isna().all(axis=None)
        assert set(rows["n"]) == {0}


def test_the_group_of_dead_neurons_is_left_out(backbone, data, episodes):
    seen = EpisodeNeurons(backbone, data, episodes[0], 0)
    labels = np.array([0, 0, 1, 1, 2, 2, 2, 2])
    whole, dead = Grouping({"deep": labels}), Grouping({"deep": labels}, dead={"deep": 2})
    similarity = seen.similarities["activations"]["deep"]
    expected = np.mean([similarity[0, 1], similarity[2, 3]])
    assert seen.found(dead, "activations", "deep")[2].within == pytest.approx(expected)
    assert seen.found(whole, "activations", "deep")[2].within != pytest.approx(expected)


def test_of_a_wide_layer_evenly_spaced_neurons_are_taken(monkeypatch, measure):
    assert sampled(5).tolist() == [0, 1, 2, 3, 4]
    monkeypatch.setattr(module, "NEURONS", 4)
    assert sampled(8).tolist() == [0, 2, 4, 6]
    assert set(measure(Candidate(RULE))["neurons"]) == {6, 8}


def test_the_same_seed_gives_the_same_table_and_no_row_of_a_run_changes(short, compare, episodes):
    again = compare(methods=["plain", "grouped"], episodes=episodes[:3])
    pd.testing.assert_frame_equal(again.alike, short.alike)
    names = ["method", "pool", "episode", "steps", "accuracy", "support_loss", "predicted"]
    runs = again.frame[again.frame["pool"] == "test"]
    candidates = [again.candidates[key] for key in runs["candidate"].unique()]
    alone = kv.evaluate(
        again.backbone, again.data, episodes[:3], candidates, mix_names=False, seed=0
    )
    pd.testing.assert_frame_equal(
        runs[names].sort_values(["method", "episode"]).reset_index(drop=True),
        alone[names].sort_values(["method", "episode"]).reset_index(drop=True),
    )


def test_it_is_saved_and_older_files_have_none(short, tmp_path):
    loaded = kv.Comparison.load(short.save(tmp_path))
    assert len(loaded.alike)
    pd.testing.assert_frame_equal(loaded.alike, short.alike)
