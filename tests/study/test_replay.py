"""Every row of every table can be run again alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import toy_backbone, toy_data

from kshot_viz.data.images import to_unit
from kshot_viz.errors import KShotValueError
from kshot_viz.models.backbone import Backbone
from kshot_viz.study.compare import compare_methods
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.replay import Replay
from kshot_viz.study.task import episode_key


@pytest.fixture(scope="module")
def loaded(comparison, tmp_path_factory):
    return Comparison.load(comparison.save(tmp_path_factory.mktemp("saved")))


@pytest.mark.slow
def test_rows_of_every_method_and_pool_come_out_again(loaded, backbone, data):
    frame = loaded.frame
    one_of_each = frame.drop_duplicates(["method", "shot", "pool"]).index
    assert len(one_of_each) == 6 * 2 * 2
    for row in one_of_each:
        again = loaded.replay(int(row), backbone=backbone, data=data)
        assert again.identical
        assert again.again["support_loss"] == again.recorded["support_loss"]


def test_rows_of_a_step_count_within_a_run_too(loaded, backbone, data):
    early = loaded.frame.query("pool == 'val' and steps == 2").index[-1]
    assert loaded.replay(int(early), backbone=backbone, data=data).identical


def test_a_comparison_at_hand_knows_its_inputs(short):
    last = len(short.frame) - 1
    for row in (0, last, np.int64(1)):
        assert short.replay(row).identical


def test_a_row_whose_candidate_has_another_key_now_comes_out_again(short):
    """As where a method got an option with a default since the row was recorded."""
    key = short.frame["candidate"].iloc[0]
    frame = short.frame.assign(candidate=short.frame["candidate"].replace(key, "earlier"))
    candidates = {"earlier" if one == key else one: c for one, c in short.candidates.items()}
    assert replace(short, frame=frame, candidates=candidates).replay(0).identical


@pytest.mark.slow
def test_tuning_rows_of_a_source_run_on_the_source(compare, data, source, backbone, tmp_path):
    found = compare(methods=["plain", "grouped"], tune="source", source=source)
    val = int(found.frame.query("pool == 'val' and method == 'grouped'").index[0])
    assert found.replay(val).identical
    assert found.replay(len(found.frame) - 1).identical
    loaded = Comparison.load(found.save(tmp_path))
    assert loaded.replay(val, backbone=backbone, data=source).identical
    with pytest.raises(KShotValueError, match="episode val/0 belongs to 'toy' with fingerprint"):
        loaded.replay(val, backbone=backbone, data=data)


@pytest.mark.slow
def test_groups_from_a_source_are_kept_in_the_file(compare, source, backbone, data, tmp_path):
    found = compare(methods=["plain", "grouped", "shuffled"], source=source, groups_from="source")
    loaded = Comparison.load(found.save(tmp_path))
    for method in ("grouped", "shuffled"):
        row = int(loaded.frame.query(f"method == '{method}' and pool == 'test'").index[0])
        assert loaded.replay(row, backbone=backbone, data=data).identical


def test_diverged_rows_come_out_again(compare, episodes):
    from kshot_viz.study.settings.grid import TuningGrid

    grid = TuningGrid(lrs=(1e12,), head_lrs=(1.0,), steps=(5,))
    found = compare(methods=["plain"], episodes=episodes[:3], grid=grid)
    assert found.frame.status.str.startswith("diverged").all()
    assert found.replay(0).identical


def test_a_replay_says_which_row_it_was(short):
    text = str(short.replay(0))
    assert text.startswith("row 0: plain, 1 shot, episode val/0, step size 0.01, 2 steps")
    assert text.endswith(": identical")


@pytest.mark.parametrize(
    "change", [{"accuracy": 0.123}, {"status": "diverged at step 1"}, {"predicted": [0] * 15}]
)
def test_any_difference_is_seen(short, change):
    whole = short.replay(0)
    changed = replace(whole, again={**whole.again, **change})
    assert not changed.identical
    assert str(changed).endswith(": NOT identical")
    assert isinstance(changed, Replay)


def test_lists_and_arrays_of_answers_are_the_same(short):
    whole = short.replay(0)
    assert replace(
        whole, recorded={**whole.recorded, "predicted": np.array(whole.recorded["predicted"])}
    ).identical


@pytest.mark.parametrize("row", [-1, 10**6, 1.5, "0", None])
def test_a_row_that_does_not_exist(short, row):
    last = len(short.frame) - 1
    with pytest.raises(KShotValueError, match=rf"`row` must be 0 to {last}.*not {row!r}"):
        short.replay(row)


def test_other_inputs_are_refused(loaded, backbone, data):
    with pytest.raises(KShotValueError, match="give `backbone=` and `data=`"):
        loaded.replay(0)
    with pytest.raises(KShotValueError, match="give `backbone=` and `data=`"):
        loaded.replay(0, backbone=backbone)
    with pytest.raises(KShotValueError, match=r"fingerprint .*'ToyNet'"):
        loaded.replay(0, backbone=toy_backbone(seed=3), data=data)
    with pytest.raises(KShotValueError, match="fingerprint"):
        loaded.replay(0, backbone=backbone, data=toy_data(3, 24, seed=9))


def test_a_function_that_prepares_images_may_stand_elsewhere_in_memory(data, episodes):
    def half(images):
        return to_unit(images) / 2

    def same(images):
        return half(images)

    example = torch.rand(2, 1, 8, 8)
    first, second = (
        Backbone(toy_backbone().module, head="head", preprocess=one, example=example)
        for one in (half, same)
    )
    made = compare_methods(first, data, episodes[:1], methods=["head_only"], tune=None)
    assert made.manifest["preprocess"] is None
    assert made.replay(0, backbone=second).identical
    with pytest.raises(KShotValueError, match="made with a function"):
        made.replay(0, backbone=toy_backbone())


def test_episodes_of_several_sizes_have_names_of_their_own():
    assert episode_key({"way": 5, "shot": 1, "episode": "test/0"}) == "5-way 1-shot test/0"
