"""Several samplers over several seeds, at equal budget."""

from __future__ import annotations

import pytest
from networks import toy_data
from small_search import small_backbone, small_reward

import kshot_viz as kv
from kshot_viz.errors import KShotValueError
from kshot_viz.search.controller.reinforce import ReinforceConfig


@pytest.fixture(scope="module")
def made():
    return _compared()


def _compared(**changes):
    options = {
        "samplers": ("reinforce", "random"),
        "seeds": (3, 4),
        "budget": 6,
        "learning": ReinforceConfig(batch_size=3),
        "space": _space(),
        **changes,
    }
    return kv.compare_samplers(small_backbone(), small_reward(), **options)


def _space():
    config = kv.FinetuneConfig(lr=0.01, steps=2)
    return kv.GroupSpace.of(small_backbone(), config=config, n_groups=(0.0, 0.5, 1.0))


@pytest.mark.slow
def test_each_search_is_the_one_that_it_would_be_alone(made):
    alone = kv.search_groups(
        small_backbone(),
        small_reward(),
        space=_space(),
        sampler="random",
        seed=4,
        budget=6,
        learning=ReinforceConfig(batch_size=3),
        storage="memory",
    )
    assert made.results["random", 4].history.equals(alone.history)
    assert set(made.results) == {(s, n) for s in ("reinforce", "random") for n in (3, 4)}
    assert len(made.frame) == sum(len(one.rollouts) for one in made.results.values())


def test_the_best_so_far_never_falls_and_ends_at_the_best(made):
    curves = made.best_so_far(points=12)
    for sampler, curve in curves.groupby("sampler"):
        known = curve["mean"].dropna()
        assert known.is_monotonic_increasing
        ends = [one.best_rollout.reward for (s, _), one in made.results.items() if s == sampler]
        last = curve.iloc[-1]
        assert last[["low", "high", "n"]].tolist() == [min(ends), max(ends), 2]


def test_winners_are_scored_on_fresh_tasks(made):
    data = toy_data(4, 8, seed=3)
    episodes = kv.sample_episodes(data, way=3, shot=1, query=4, n=5, val_share=0)
    scored = made.rescore(episodes, data)
    assert list(zip(scored["sampler"], scored["seed"], strict=True)) == list(made.results)
    assert (scored["n"] == 5).all()


@pytest.mark.slow
def test_it_goes_on_from_its_folder(tmp_path, made):
    _compared(out=tmp_path, budget=3)
    again = _compared(out=tmp_path)
    for key, one in made.results.items():
        assert again.results[key].history.equals(one.history)


@pytest.mark.parametrize("empty", ["samplers", "seeds"])
def test_nothing_to_compare_is_refused(empty):
    with pytest.raises(KShotValueError, match="one or more"):
        _compared(**{empty: ()})
