"""The heat map and the entropy show the policy's own numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kshot_viz.errors import KShotError
from kshot_viz.viz import plot_entropy, plot_policy
from kshot_viz.viz.search.policy import value_name

# Two batches of a controller that chooses a step size in two layers, and a share in one.
POLICY = pd.DataFrame(
    [
        [batch, parameter, value, probability]
        for batch, sure in enumerate((0.5, 1.0))
        for parameter, value, probability in (
            ("low/step_size", "0.0", 0.5),
            ("low/step_size", "1.0", 0.5),
            ("low/n_groups", "0.1", 1.0 - sure),
            ("low/n_groups", "1.0", sure),
            ("top/step_size", "0.0", sure),
            ("top/step_size", "1.0", 1 - sure),
        )
    ],
    columns=["batch", "parameter", "value", "probability"],
)


def test_rows_are_values_layer_by_layer_and_columns_are_batches():
    ax = plot_policy(POLICY, "step_size")
    shown = ax.images[0].get_array()
    np.testing.assert_array_equal(shown, [[0.5, 0.5], [0.5, 0.5], [0.5, 1.0], [0.5, 0.0]])
    assert [text.get_text() for text in ax.get_yticklabels()] == [
        "low  frozen",
        "1.0",
        "top  frozen",
        "1.0",
    ]


def test_many_rows_carry_layer_names_only():
    layers = [f"layer {i}" for i in range(20)]
    wide = pd.concat(
        [
            POLICY[POLICY["parameter"] == "low/step_size"].assign(parameter=f"{name}/step_size")
            for name in layers
        ]
    ).sort_values("batch", kind="stable")
    wide = pd.concat([wide, wide.assign(parameter=wide["parameter"] + "x")])
    ax = plot_policy(wide[~wide["parameter"].str.endswith("x")], "step_size")
    assert len(ax.images[0].get_array()) == 40
    three = pd.concat([wide.assign(value=wide["value"] + end) for end in ("", "a")])
    three = three[~three["parameter"].str.endswith("x")]
    order = three["parameter"].str.extract(r"(\d+)")[0].astype(int)
    three = three.assign(order=order).sort_values(["batch", "order"], kind="stable")
    ax = plot_policy(three.drop(columns="order"), "step_size")
    assert [text.get_text() for text in ax.get_yticklabels()] == layers


def test_entropy_is_one_for_a_uniform_choice_and_zero_for_a_sure_one():
    lines = {line.get_label(): line.get_ydata() for line in plot_entropy(POLICY).get_lines()}
    np.testing.assert_allclose(lines["step size"], [1.0, 0.5], atol=1e-9)
    np.testing.assert_allclose(lines["number of groups"], [1.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(lines["all choices"], [1.0, 1 / 3], atol=1e-9)


def test_a_search_without_a_policy_is_refused():
    with pytest.raises(KShotError, match="only the controller has one"):
        plot_policy(POLICY.iloc[:0])


def test_a_choice_that_was_not_searched():
    with pytest.raises(KShotError, match="'step_size', 'n_groups'"):
        plot_policy(POLICY, "max_within")


def test_values_that_mean_more_than_their_number_have_names():
    assert value_name("step_size", 0.0) == "frozen"
    assert value_name("n_groups", "1.0") == "single neurons"
    assert value_name("step_size", "1.0") == "1.0"
