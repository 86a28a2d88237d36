"""The result of a search: its best candidates on fresh tasks, and among other methods."""

from __future__ import annotations

from html import escape

from networks import toy_data
from small_search import small_search

import kshot_viz as kv


def test_the_winner_is_scored_again_on_fresh_tasks():
    result = small_search("memory").run()
    data = toy_data(4, 8, seed=3)
    episodes = kv.sample_episodes(data, way=3, shot=1, query=4, n=6, val_share=0)
    scored = result.rescore(episodes, data, top=2)
    assert list(scored["n"]) == [6, 6]
    assert (scored["shrinkage"] == scored["reward"] - scored["accuracy"]).all()


def test_images_that_form_groups_are_left_out_where_they_are_queries():
    result = small_search("memory").run()
    again = toy_data(4, 8)
    episodes = kv.sample_episodes(again, way=3, shot=1, query=4, n=3, val_share=0)
    queries = {again.digests[image] for one in episodes for image in one.query}
    assert queries & set(result.reward.source.digests)
    assert list(result.rescore(episodes, again)["n"]) == [3]


def test_a_searched_candidate_is_compared_like_any_method():
    digits = kv.load_dataset("digits")
    backbone = kv.load_backbone("glyphnet")
    episodes = kv.sample_episodes(digits, way=3, shot=1, query=5, n=2)
    space = kv.GroupSpace.of(backbone, source=False)
    searched = space.candidate({name: values[-1] for name, values in space.values.items()})
    grid = kv.TuningGrid(lrs=(0.01,), head_lrs=(0.1,), head_only_lrs=(0.1,), steps=(2,))
    table = kv.compare_methods(
        backbone, digits, episodes, methods=["plain", searched], grid=grid, n_val=1
    )
    assert set(table.frame["method"]) == {"plain", "searched"}


def test_a_notebook_shows_the_best_candidates_with_their_settings():
    result = small_search("memory").run()
    shown = result._repr_html_()
    best = result.best_rollout
    assert escape(repr(result)) in shown
    assert f"<td>{best.number}</td><td>{best.reward:.3f}</td>" in shown
    assert result.best.config.summary in shown
    assert ".rescore(episodes, data)" in shown
    empty = small_search("memory").result
    assert "SearchResult without rollouts" in empty._repr_html_()
