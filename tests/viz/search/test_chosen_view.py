"""Settings chosen for a layer as bars and words."""

from __future__ import annotations

from types import SimpleNamespace

from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.grouping.rule import SOURCES
from kshot_viz.viz import plot_chosen
from kshot_viz.viz.search import search_view
from kshot_viz.viz.search.search_view import chosen_frame

OWN = {"n_groups": 0.1, "max_within": None, "min_between": None, "groups_from": "source"}
LAYERS = {
    "low": {**OWN, "step_size": 0.0},
    "middle": {**OWN, "step_size": 0.3, "max_within": 0.5},
    "high": {**OWN, "n_groups": 0.0, "groups_from": "weights", "step_size": 1.0},
    "top": {**OWN, "n_groups": 1.0, "step_size": 3.0},
}
SPACE = kv.GroupSpace(
    {layer: {name: (value,) for name, value in own.items()} for layer, own in LAYERS.items()},
    settings={"lr": (0.01, 0.03)},
)
POINT = {"settings/lr": 0.01}
FOUND = SimpleNamespace(space=SPACE, best_rollout=SimpleNamespace(parameters=POINT))


def test_every_layer_says_what_happens_there():
    frame = chosen_frame(FOUND, POINT)
    assert list(frame["words"]) == [
        "frozen",
        "10% groups from source, step ×0.3, within ≤ 0.5",
        "one group from weights, step ×1",
        "every neuron on its own, step ×3",
    ]
    assert list(frame["share"]) == [0.0, 0.1, 0.006, 1.0]


def test_groups_that_were_formed_are_counted():
    formed = kv.Grouping({"middle": [0, 0, 1, 0], "high": [0, 0]})
    frame = chosen_frame(FOUND, POINT, formed)
    assert list(frame["words"]) == [
        "frozen",
        "2 groups of 4 neurons from source, step ×0.3, within ≤ 0.5",
        "1 group of 2 neurons from weights, step ×1",
        "every neuron on its own, step ×3",
    ]
    assert list(frame["share"]) == [0.0, 0.5, 0.5, 1.0]
    requested, counted = (plot_chosen(FOUND, grouping=one).get_xlabel() for one in (None, formed))
    assert (requested[:16], counted[:16]) == ("groups asked for", "groups that move")


def test_bars_and_words_are_on_the_picture():
    ax = plot_chosen(FOUND)
    assert [text.get_text() for text in ax.get_yticklabels()] == list(LAYERS)
    assert {"frozen", "every neuron on its own, step ×3"} <= {text.get_text() for text in ax.texts}


def test_assigned_groups_are_counted_and_other_layers_are_frozen():
    backbone = toy_backbone()
    acts = kv.capture_activations(backbone, toy_data(3, 4))
    space = kv.AssignmentSpace.of(
        backbone, acts, layers=["deep"], depth=2, step_size=(0.3,), settings={"lr": (0.01,)}
    )
    point = {name: values[-1] for name, values in space.values.items()}
    found = SimpleNamespace(space=space, best_rollout=SimpleNamespace(parameters=point))
    words = list(chosen_frame(found, point)["words"])
    assert words == ["3 groups of 8 neurons, step ×0.3", "frozen"]
    ax = plot_chosen(found)
    assert "lr 0.01, head_lr 0.1, 40 steps" in {text.get_text() for text in ax.texts}


def test_every_source_of_groups_has_a_colour_of_its_own():
    assert set(search_view._COLOURS) == set(SOURCES)
    assert len({*search_view._COLOURS.values(), search_view._SINGLE}) == len(SOURCES) + 1
