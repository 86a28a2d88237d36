"""The sentences under a table are true of the comparison above them."""

from __future__ import annotations

import numpy as np
import pytest
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.study.footer import footer
from kshot_viz.text import counted

MANIFEST = {
    "methods": ["plain", "grouped"],
    "groups_from": "support",
    "labels_used_for_tuning": 1042,
    "n_val": 6,
    "n_test": 20,
    "distinct_images": 1014,
    "query_reuse": 2.8,
    "tune": "validation",
}


def said(**changes):
    return " ".join(footer(MANIFEST | changes))


def test_labels_episodes_images_and_tests_are_named():
    text = said()
    assert "6 tuning episodes" in text
    assert "1,042 labelled target images beyond the k shots" in text
    assert "20 test episodes in all, scored on 1,014 distinct images" in text
    assert "used 2.8 times a task on average" in text
    assert "Holm" in text
    assert "each episode's own k shots" in text


def test_tuning_elsewhere_and_none_at_all_are_told_apart():
    assert "No target label beyond the k shots" in said(tune="source", labels_used_for_tuning=0)
    assert "Nothing was tuned" in said(tune=None)


def test_the_rule_of_choice_is_a_sentence_of_its_own():
    text = said(choose="guarded")
    assert "test images. Settings that collapsed in an episode, and those next to them" in text
    assert "the best. Tuning used 1,042 labelled" in text
    assert "test images. The setting with the best mean" in said(choose="best")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [("gradients", True), ("gradients/support", True), ("source/support", False), ("", False)],
)
def test_groups_from_the_k_shots_are_named(origin, expected):
    assert ("each episode's own k shots" in said(groups_from=origin)) == expected


def test_a_source_is_named():
    text = said(groups_from="source", source="72 letters images")
    assert "from 72 letters images, never a query" in text


@pytest.mark.parametrize(
    ("methods", "tested"),
    [(["plain", "grouped"], True), (["grouped"], False), (["plain"], False), (["a", "b"], False)],
)
def test_the_test_is_named_where_something_was_compared_with_plain(methods, tested):
    text = said(methods=methods)
    assert "bootstrap intervals" in text
    assert ("Wilcoxon's signed-rank test against plain" in text) == tested


@pytest.mark.parametrize(("reuse", "warned"), [(5.0, False), (5.1, True)])
def test_heavy_reuse_is_warned_of(reuse, warned):
    assert ("not independent" in said(query_reuse=reuse)) == warned


@pytest.mark.parametrize(("n", "warned"), [(1, False), (2, True), (9, True), (10, False)])
def test_few_episodes_are_warned_of(n, warned):
    # One episode has no interval at all.
    assert (f"{n} test episodes a task are few" in said(fewest_test=n)) == warned


def test_counts_agree_with_their_noun():
    assert [counted(n, "shot") for n in (0, 1, 2000)] == ["0 shots", "1 shot", "2,000 shots"]


def test_classes_with_fewer_queries_are_named_the_shortest_first():
    text = said(queries_per_class=[15], fewer_queries={"mug": 4, "pen": 2})
    assert "with 15 queries a class" in text
    assert "fewer queries ('pen' 2, 'mug' 4); an accuracy is the mean over the classes" in text
    many = said(fewer_queries={f"c{i}": i for i in range(1, 9)})
    assert "'c5' 5 and 3 others)" in many
    assert "fewer queries" not in said()


def test_a_comparison_with_a_small_class_says_so_and_can_be_replayed(tmp_path):
    whole = toy_data(3, 24)
    data = whole.take([i for i in range(len(whole)) if i < 56])
    episodes = kv.sample_episodes(data, way=3, shot=1, query=5, n=2, val_share=0.5, min_query=1)
    given = {"methods": ["plain"], "tune": None, "config": kv.FinetuneConfig(steps=2)}
    comparison = kv.compare_methods(toy_backbone(), data, episodes, **given)
    assert comparison.manifest["fewer_queries"] == {"c2": 3}
    assert "'c2' 3" in " ".join(footer(comparison.manifest))
    again = kv.Comparison.load(comparison.save(tmp_path / "out"))
    assert again.episodes == comparison.episodes
    row = comparison.frame.iloc[0]
    hits = np.repeat([0, 1, 2], [5, 5, 3]) == np.asarray(row["predicted"])
    assert row["accuracy"] == pytest.approx(
        np.mean([hits[:5].mean(), hits[5:10].mean(), hits[10:].mean()])
    )
    assert again.replay(0, backbone=toy_backbone(), data=data).identical
