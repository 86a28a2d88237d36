"""Alignment along a run: the same run as of finetune, whatever the method."""

from __future__ import annotations

import pytest
import torch
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.analysis import alignment, alignment_over_steps
from kshot_viz.errors import KShotKeyError, KShotValueError

pytestmark = pytest.mark.slow

DATA = toy_data(per_class=4)
OTHER = toy_data(per_class=6, seed=1)
CONFIG = kv.FinetuneConfig(steps=3, lr=0.01)
QUICK = {"rotations": 1, "positions": 6}


def test_the_last_step_is_the_tuned_network():
    backbone = toy_backbone()
    state = torch.get_rng_state()
    found = alignment_over_steps(
        backbone, DATA, images=OTHER, method="plain", config=CONFIG, at=(0, 1, 3), **QUICK
    )
    assert torch.equal(state, torch.get_rng_state())
    assert sorted(set(found["step"])) == [0, 1, 3]
    tuned = kv.finetune(toy_backbone(), DATA, method="plain", config=CONFIG)
    last = found[found["step"] == 3].reset_index(drop=True)
    assert last["loss"][0] == tuned.losses[-1]
    assert last["accuracy"][0] == tuned.accuracies[-1]
    alone = alignment(tuned, OTHER, resamples=0, **QUICK).frame()
    assert last[["layer", "kind", "relation", "value", "rotated"]].equals(
        alone[["layer", "kind", "relation", "value", "rotated"]]
    )
    # A head of zeros sends nothing back.
    start = found[(found["step"] == 0) & (found["layer"] == "deep")].set_index("relation")
    assert start.loc["b-GWA", "value"].isna().all()
    assert start.loc["b-RWA", "value"].notna().all()
    assert found.loc[found["step"] > 0, "value"].notna().all()


@pytest.mark.parametrize("method", ["head_only", "bitfit", "lora", "adafilter", "grouped"])
def test_any_method(method):
    if method not in kv.list_methods():
        pytest.skip(f"{method} needs a library that is not here")
    backbone = toy_backbone()
    groups = {}
    if method == "grouped":
        acts = kv.capture_activations(backbone, DATA)
        groups = {"grouping": kv.cluster_neurons(acts, n_groups=2)}
    found = alignment_over_steps(
        backbone, DATA, images=OTHER, method=method, config=CONFIG, at=(1,), **groups, **QUICK
    )
    assert found["value"].notna().any()


def test_refusals():
    call = {"images": OTHER, "method": "plain", "config": CONFIG}
    with pytest.raises(KShotValueError, match="`at` must be steps from 0 to 3"):
        alignment_over_steps(toy_backbone(), DATA, at=(0, 4), **call)
    with pytest.raises(KShotValueError, match="`at`"):
        alignment_over_steps(toy_backbone(), DATA, at=(), **call)
    with pytest.raises(KShotKeyError, match="method"):
        alignment_over_steps(toy_backbone(), DATA, **{**call, "method": "plane"})
    with pytest.raises(KShotValueError, match="`labels` must be among"):
        alignment_over_steps(toy_backbone(), DATA, at=(0,), **{**call, "images": toy_data(4, 2)})
    with pytest.raises(KShotValueError, match="needs `grouping=`"):
        alignment_over_steps(toy_backbone(), DATA, images=OTHER, method="grouped")


def test_a_run_that_diverges_ends_the_frame():
    wild = kv.FinetuneConfig(steps=6, lr=1e30, head_lr=1e30)
    found = alignment_over_steps(
        toy_backbone(), DATA, images=OTHER, method="plain", config=wild, at=(0, 6), **QUICK
    )
    assert set(found["step"]) == {0}
    tuned = kv.finetune(toy_backbone(), DATA, method="plain", config=wild)
    assert tuned.diverged
    with pytest.raises(KShotValueError, match="NaN or infinite"):
        alignment(tuned, OTHER, **QUICK)
