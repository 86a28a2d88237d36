"""The space of assignments: a candidate is the walk down each dendrogram."""

from __future__ import annotations

import pytest
from networks import toy_backbone, toy_data
from small_search import small_reward

import kshot_viz as kv
from kshot_viz.errors import KShotError
from kshot_viz.search.controller.reinforce import ReinforceConfig
from kshot_viz.search.settings import space_from_dict


@pytest.fixture(scope="module")
def space():
    backbone = toy_backbone()
    activations = kv.capture_activations(backbone, toy_data(4, 8).images)
    return kv.AssignmentSpace.of(
        backbone,
        activations,
        depth=3,
        step_size=(0.0, 1.0),
        config=kv.FinetuneConfig(lr=0.01, steps=3),
    )


def point(space, **changes):
    return {name: values[-1] for name, values in space.values.items()} | changes


def test_splits_make_groups(space):
    layer = next(iter(space.layers))
    grouping = space.candidate(point(space)).grouping
    assert grouping.n_groups(layer) == len(space.layers[layer].splits) + 1
    whole = {f"{layer}/branch {i}": "keep" for i in range(len(space.layers[layer].splits))}
    assert space.candidate(point(space, **whole)).grouping.n_groups(layer) == 1


def test_points_that_differ_below_a_kept_branch_are_one_candidate(space):
    layer = next(iter(space.layers))
    kept = {f"{layer}/branch 0": "keep"}
    first = space.candidate(point(space, **kept))
    second = space.candidate(point(space, **kept, **{f"{layer}/branch 1": "keep"}))
    assert first.key == second.key != space.candidate(point(space)).key


def test_frozen_layers_are_not_grouped(space):
    layer = next(iter(space.layers))
    one = space.candidate(point(space, **{f"{layer}/step_size": 0.0}))
    assert layer not in one.grouping
    assert one.config.layer_lr == {layer: 0.0}
    nothing = space.candidate(point(space, **{f"{name}/step_size": 0.0 for name in space.layers}))
    assert nothing.method.name == "head_only"


def test_a_space_is_read_back(space):
    assert space_from_dict(space.to_dict()) == space


@pytest.mark.parametrize("sampler", ["reinforce", "random"])
def test_assignments_are_searched_and_resumed(space, tmp_path, sampler):
    def search(budget):
        return kv.GroupSearch(
            toy_backbone(),
            small_reward(),
            space=space,
            sampler=sampler,
            budget=budget,
            learning=ReinforceConfig(batch_size=4),
            storage=tmp_path / "a.journal",
            seed=1,
        ).run()

    search(4)
    found = search(8)
    whole = kv.search_groups(
        toy_backbone(),
        small_reward(),
        space=space,
        sampler=sampler,
        budget=8,
        learning=ReinforceConfig(batch_size=4),
        storage="memory",
        seed=1,
    )
    assert found.history.equals(whole.history)
    assert kv.GroupSearch.attach(tmp_path / "a.journal").result.space == space


@pytest.mark.parametrize("captured", ["all", "those that are searched"])
def test_all_other_layers_of_the_network_are_frozen(captured):
    backbone = toy_backbone()
    first, *others = backbone.layers
    seen = [first] if captured != "all" else None
    activations = kv.capture_activations(backbone, toy_data(4, 8).images, layers=seen)
    space = kv.AssignmentSpace.of(backbone, activations, layers=[first])
    config = space.candidate(point(space)).config
    assert others
    assert [config.layer_lr[name] for name in others] == [0.0] * len(others)


def test_what_cannot_be_walked():
    backbone = toy_backbone()
    activations = kv.capture_activations(backbone, toy_data(4, 8).images)
    with pytest.raises(KShotError, match="'ward', 'average', 'correlation'"):
        kv.AssignmentSpace.of(backbone, activations, method="kmeans")
    with pytest.raises(KShotError, match="`depth` must be"):
        kv.AssignmentSpace.of(backbone, activations, depth=0)
    with pytest.raises(KShotError, match="'head'"):
        kv.AssignmentSpace.of(backbone, activations, layers=["head"])
