"""What a finished comparison shows of itself."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from networks import toy_backbone

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import distinct_images, query_reuse, sample_episodes
from kshot_viz.methods.registry import FIRST
from kshot_viz.study.compare import compare_methods
from kshot_viz.study.settings.grid import TuningGrid

SUMMARY = (
    "data backbone way shot method accuracy low high n step_size tuned head_lr steps difference "
    "difference_low difference_high p_value adjusted_low adjusted_high p_holm diverged"
)


def test_the_summary_has_one_row_per_task_and_method(comparison):
    found = comparison.summary()
    assert list(found.columns) == SUMMARY.split()
    assert list(found["shot"]) == [1] * 6 + [3] * 6
    assert list(found.method) == 2 * list(FIRST)
    assert list(found.n) == [3] * 6 + [2] * 6
    assert found[found.method != "plain"].difference.notna().all()


def test_the_summary_shows_the_chosen_settings(comparison):
    keys = ["way", "shot", "method", "step_size", "head_lr", "steps"]
    assert comparison.summary()[keys].equals(comparison.settings[keys])


def test_accuracies_are_means_of_the_rows(comparison):
    frame = comparison.frame
    rows = frame[frame.chosen & (frame.pool == "test") & (frame["shot"] == 3)]
    means = rows.groupby("method").accuracy.mean()
    shown = comparison.summary().query("shot == 3").set_index("method").accuracy
    np.testing.assert_allclose(shown, means[shown.index])


def test_a_row_of_the_frame_is_whole(comparison):
    frame = comparison.frame
    assert (frame.n_query == 15).all()
    assert frame.accuracy.between(0, 1).all()
    assert set(frame.candidate) <= set(comparison.candidates)
    ok = frame[frame.status == "ok"]
    assert all(len(answers) == 15 for answers in ok.predicted)
    assert len(frame.run.drop_duplicates()) == frame.groupby(["run"]).ngroups


def test_the_curve_is_over_the_grid_at_the_longest_run(comparison):
    found = comparison.curve()
    assert set(found.steps) == {8}
    assert set(found.n) == {2}
    body = found[(found.method == "plain") & (found["shot"] == 1)]
    assert list(body.step_size) == [0.01, 0.1]
    assert body.head_lr.nunique() == 1
    assert set(comparison.curve(head_lr=0.3).query("method == 'plain'").head_lr) == {0.3}


def test_the_manifest_is_plain_and_true(comparison, backbone, data, episodes):
    about = comparison.manifest
    assert json.loads(json.dumps(about)) == about
    assert about["data"]["fingerprint"] == data.fingerprint
    assert about["data"]["classes"] == ["c0", "c1", "c2"]
    assert about["backbone"]["fingerprint"] == backbone.fingerprint
    assert about["methods"] == list(FIRST)
    assert (about["n_val"], about["n_test"], about["n_query"]) == (2, 5, [15])
    assert about["distinct_images"] == distinct_images(episodes)
    # Of the task that reuses its queries most: three episodes of one shot, two of three.
    assert about["query_reuse"] == query_reuse(episodes[:3])
    assert about["fewest_test"] == 2
    assert about["versions"]["torch"]


def test_the_note_counts_the_labels(comparison):
    used = comparison.manifest["labels_used_for_tuning"]
    assert f"{used} labelled target images beyond the k shots" in comparison.note
    assert comparison.note in repr(comparison)


def test_a_comparison_is_frozen(comparison):
    with pytest.raises(AttributeError):
        comparison.frame = None


@pytest.fixture(scope="module")
def nasty():
    """Names that would be markup if nobody escaped them."""
    rng = np.random.default_rng(0)
    data = ImageDataset.from_arrays(
        rng.integers(0, 256, (36, 8, 8, 1), dtype=np.uint8),
        np.repeat([0, 1], 18),
        classes=["<b>bold</b>", "a & b"],
        name="<script>alert(1)</script>",
    )
    episodes = sample_episodes(data, way=2, shot=1, query=5, n=2)
    grid = TuningGrid(lrs=(0.1,), head_lrs=(1.0,), head_only_lrs=(1.0,), steps=(1,))
    return compare_methods(
        toy_backbone(), data, episodes, methods=["plain", "head_only"], grid=grid, n_val=1
    )


def test_html_escapes_every_name(nasty):
    renamed = replace(nasty, settings=nasty.settings, frame=nasty.frame.replace("plain", "<i>x"))
    for shown in (nasty._repr_html_(), renamed._repr_html_(), nasty.data._repr_html_()):
        assert "<table" in shown
        for tag in ("<script", "<b>", "<i>"):
            assert tag not in shown
    assert "&lt;script&gt;" in nasty.data._repr_html_()


def test_html_shows_the_table_and_the_note(comparison):
    shown = comparison._repr_html_()
    assert all(name in shown for name in FIRST)
    assert "labelled target images" in shown
