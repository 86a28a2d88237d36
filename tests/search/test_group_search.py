"""The search from its first batch to its last, through pauses, stops and kills."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from networks import toy_data
from small_search import small_backbone, small_search

import kshot_viz as kv
from kshot_viz.errors import KShotError

SCRIPT = Path(__file__).parents[1] / "support" / "small_search.py"


def same(first, second):
    pd.testing.assert_frame_equal(first, second)


@pytest.fixture(scope="module")
def whole():
    return small_search("memory").run().history


@pytest.mark.parametrize("sampler", ["reinforce", "random", "tpe"])
@pytest.mark.parametrize("prune", [None, pytest.param("halving", marks=pytest.mark.slow)])
def test_the_budget_is_kept_and_a_stopped_search_goes_on_as_if_it_had_not(sampler, prune, tmp_path):
    settings = {"sampler": sampler, "prune": prune}
    uninterrupted = small_search("memory", **settings).run().history
    assert uninterrupted["spent"].iloc[-1] <= 12 + 1e-9
    search = small_search(tmp_path / "a.journal", **settings)
    search.events.add = stop_after_first_batch(search)
    assert len(search.run().history) == 4
    same(small_search(tmp_path / "a.journal", **settings).run().history, uninterrupted)


def stop_after_first_batch(search):
    add = search.events.add

    def told(kind, **details):
        add(kind, **details)
        if kind == "batch":
            search.stop()

    return told


@pytest.mark.slow
def test_two_processes_make_the_same_history_as_one(whole):
    same(small_search("memory", executor="processes", workers=2).run().history, whole)


def test_a_finished_search_is_not_run_again(tmp_path, whole):
    small_search(tmp_path / "a.journal").run()
    again = small_search(tmp_path / "a.journal")
    again._scorer = None
    again._scorer = type("Never", (), {"cost": lambda self, n: n, "prunes": False})()
    same(again.run().history, whole)


def test_a_larger_budget_goes_on_from_a_smaller_one(tmp_path):
    small_search(tmp_path / "a.journal", budget=6).run()
    longer = small_search(tmp_path / "a.journal", budget=12).run()
    same(longer.history, small_search("memory").run().history)


def test_another_search_does_not_go_into_the_same_storage(tmp_path):
    small_search(tmp_path / "a.journal", budget=4).run()
    with pytest.raises(KShotError, match="another search: seed differ"):
        small_search(tmp_path / "a.journal", seed=6).run()


def test_sqlite_holds_a_search_too(tmp_path, whole):
    address = f"sqlite:///{tmp_path / 'search.db'}"
    small_search(address, budget=6).run()
    same(small_search(address).run().history, whole)


def test_the_search_sees_no_query_of_the_target():
    digits = kv.load_dataset("digits")
    episodes = kv.sample_episodes(digits, way=10, shot=2, query=5, n=1, val_share=0.4)
    asked = {digits.digests[i] for one in episodes for i in one.query}
    support = episodes[0].split(digits)[0]
    glyphs = kv.load_dataset("glyphs")
    rewards = [
        kv.pseudo_episode_reward(glyphs, way=5, shot=1, query=3, n=2),
        kv.augmented_support_reward(support, n=2, source=glyphs),
        kv.cross_validation_reward(support, source=glyphs),
        kv.validation_reward(digits, kv.validation_episodes(digits, episodes, n=2)),
    ]
    for reward in rewards:
        source = () if reward.source is None else reward.source.digests
        assert not asked & {*reward.data.digests, *source}
    assert [reward.target_labels > 0 for reward in rewards] == [False, False, False, True]
    with pytest.raises(KShotError, match="validation episodes"):
        kv.validation_reward(digits, episodes)


def test_a_source_class_with_too_few_images_is_named():
    with pytest.raises(KShotError, match=r"class '\w+' of .* has 8 images"):
        kv.pseudo_episode_reward(toy_data(4, 8), way=3, shot=8, n=1)


def test_it_is_driven_from_another_thread_and_followed_from_elsewhere(tmp_path, whole):
    journal = tmp_path / "a.journal"
    search = small_search(journal)
    search.pause()
    search.start()
    assert wait_for(search, "paused")
    with pytest.raises(KShotError, match="in use by another search"):
        small_search(journal).run()
    view = kv.GroupSearch.attach(journal)
    assert view.state == "paused"
    view.resume()
    assert search.wait(60)
    assert search.state == view.state == "finished"
    same(view.history, whole)
    assert view.result.best == search.result.best


def wait_for(search, kind):
    place, end = 0, time.monotonic() + 60
    while time.monotonic() < end:
        for event in search.events.since(place, timeout=1):
            place += 1
            if event.kind == kind:
                return True
    return False


def test_an_error_in_the_background_is_told(tmp_path):
    small_search(tmp_path / "a.journal", budget=4).run()
    search = small_search(tmp_path / "a.journal", seed=6)
    search.start()
    assert search.wait(60)
    assert "another search" in str(search.error)
    assert search.events.since(0)[-1].kind == "failed"
    assert threading.active_count() >= 1


def test_nothing_to_attach_to(tmp_path):
    with pytest.raises(KShotError, match="does not exist"):
        kv.GroupSearch.attach(tmp_path / "none.journal")


def test_the_winner_is_scored_again_on_fresh_tasks():
    result = small_search("memory").run()
    data = toy_data(4, 8, seed=3)
    episodes = kv.sample_episodes(data, way=3, shot=1, query=4, n=6, val_share=0)
    scored = result.rescore(episodes, data, top=2)
    assert list(scored["n"]) == [6, 6]
    assert (scored["shrinkage"] == scored["reward"] - scored["accuracy"]).all()


def test_images_that_form_groups_are_left_out_where_they_are_asked_for():
    result = small_search("memory").run()
    again = toy_data(4, 8)
    episodes = kv.sample_episodes(again, way=3, shot=1, query=4, n=3, val_share=0)
    asked = {again.digests[image] for one in episodes for image in one.query}
    assert asked & set(result.reward.source.digests)
    assert list(result.rescore(episodes, again)["n"]) == [3]


def test_known_methods_are_points_of_the_space():
    backbone = small_backbone()
    space = kv.GroupSpace.of(backbone, n_groups=(0.5, 1.0))
    made = {kind: space.candidate(space.point(kind, backbone, n_groups=0.5)) for kind in POINTS}
    assert {kind: one.to_dict()["method"] for kind, one in made.items()} == POINTS
    assert made["plain"].config == kv.FinetuneConfig()
    assert kv.GroupSpace.from_dict(space.to_dict()) == space


POINTS = {"head_only": "head_only", "last_block": "plain", "plain": "plain", "grouped": "grouped"}


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


# ---- kills --------------------------------------------------------------------------------------


def killed(journal, *how, after=None):
    """Search in a process of its own that is killed; say whether it was."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(journal), *how], env=env)
    try:
        return process.wait(after) != 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True


WRITES = [("before", 1), ("after", 1), ("middle", 2), ("after", 2), ("middle", 3)]
WRITES += [("before", 4), ("middle", 6), ("after", 7), ("middle", 9), ("after", 12)]


@pytest.mark.slow
@pytest.mark.parametrize(("when", "count"), WRITES)
def test_killed_at_a_write_it_goes_on_as_if_it_had_not_been(when, count, tmp_path, whole):
    journal = tmp_path / "a.journal"
    assert killed(journal, when, str(count))
    same(small_search(journal).run().history, whole)
    assert bool(list(tmp_path.glob("*.torn-*"))) == (when == "middle")


@pytest.mark.slow
def test_killed_at_any_time_it_goes_on_as_if_it_had_not_been(tmp_path, whole):
    begin = time.monotonic()
    assert not killed(tmp_path / "first.journal")
    seconds = time.monotonic() - begin
    times = random.Random(0)
    for number in range(10):
        journal = tmp_path / f"{number}.journal"
        killed(journal, after=times.uniform(0.2, 1.0) * seconds)
        same(small_search(journal).run().history, whole)
