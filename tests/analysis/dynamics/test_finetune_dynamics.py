"""The measured runs are those of finetune, and what is measured is what it is said to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import toy_backbone, toy_data
from torch import nn

import kshot_viz as kv
from kshot_viz.analysis import alignment, compare_layers, finetune_dynamics
from kshot_viz.analysis.dynamics.dynamics import LAYER_MEASURES, MEASURES
from kshot_viz.analysis.dynamics.gradients import GradientSums, gradient_sums
from kshot_viz.errors import KShotKeyError, KShotValueError
from kshot_viz.methods.registry import resolve_method
from kshot_viz.viz import findings_text

DATA = toy_data(per_class=4)
OTHER = toy_data(per_class=6, seed=1)
CONFIG = kv.FinetuneConfig(steps=3, lr=0.01)
GROUPS = kv.GroupingRule("support", 2)
QUICK = {"draws": 1, "positions": 6}


def measured(backbone=None, **changes):
    call = {"images": OTHER, "methods": ["plain"], "config": CONFIG, **QUICK} | changes
    return finetune_dynamics(backbone or toy_backbone(), DATA, **call)


def values(found, measure, layer, method="plain"):
    frame = found.frame().set_index(["method", "layer", "measure", "step"])["value"]
    return frame.sort_index().loc[method, layer, measure]


def test_the_last_step_is_the_tuned_network():
    backbone = toy_backbone()
    state = torch.get_rng_state()
    found = measured(backbone, at=(0, 1, 3))
    assert torch.equal(state, torch.get_rng_state())
    tuned = kv.finetune(toy_backbone(), DATA, method="plain", config=CONFIG)
    assert values(found, "loss", "").to_dict() == {i: tuned.losses[i] for i in (0, 1, 3)}
    assert values(found, "support accuracy", "")[3] == tuned.accuracies[-1]
    assert values(found, "accuracy", "")[3] == (tuned.predict(OTHER) == OTHER.labels).mean()
    alone = alignment(tuned, OTHER, resamples=0, rotations=1, positions=6).frame()
    alone = alone[alone["kind"] == "normalised"].set_index(["layer", "relation"])
    last = found.frame().query("step == 3").set_index(["layer", "measure"])
    for key, row in alone.iterrows():
        assert last.loc[key, "value"] == row["value"]
        assert last.loc[key, "null"] == row["rotated"]
    # A head of zeros sends nothing back.
    assert np.isnan(values(found, "b-GWA", "deep")[0])
    assert np.isnan(values(found, "gradient agreement", "deep")[0])
    assert np.isfinite(values(found, "b-RWA", "deep")[0])
    after = found.frame().query("step > 0").set_index(["layer", "measure"])["value"]
    assert set(after.index[after.isna()]) == {("head.linear", "CKA to the start")}
    assert set(found.frame()["measure"]) == set(MEASURES)


def test_similarity_to_the_start_is_that_of_the_layers():
    found = measured(at=(0, 3))
    moved = values(found, "CKA to the start", "deep")
    assert moved[0] == pytest.approx(1.0)
    tuned = kv.finetune(toy_backbone(), DATA, method="plain", config=CONFIG)
    layers = compare_layers(
        toy_backbone(), tuned, images=OTHER, layers=["deep"], permutations=0, resamples=0
    )
    assert moved[3] == pytest.approx(layers["value"].item(), abs=1e-6)


def test_gradients_are_those_of_each_image():
    backbone = toy_backbone().with_new_head(3)
    for parameter in backbone.module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    inputs = backbone.prepare(OTHER.images[:6])
    targets = torch.tensor([0, 1, 2, 0, 1, 2])
    weight = backbone.module.get_submodule("deep").weight
    weight.requires_grad_(True)
    each = []
    for one, target in zip(inputs, targets, strict=True):
        loss = F.cross_entropy(backbone.module(one[None]), target[None])
        each.append(torch.autograd.grad(loss, weight)[0].flatten(1).double())
    stacked = torch.stack(each)
    found = gradient_sums(backbone, ["deep"], inputs, targets)["deep"]
    np.testing.assert_allclose(found.total, stacked.sum(dim=0), rtol=1e-4, atol=1e-6)
    mean, norms = stacked.mean(dim=0).square().sum(), stacked.square().sum(dim=(1, 2)).mean()
    assert found.agreement() == pytest.approx(float(mean / norms), rel=1e-4)


def test_agreement_of_planted_gradients():
    rows = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    squared = float(np.square(rows).sum())
    assert GradientSums(3 * rows, 3 * squared, 3).agreement() == pytest.approx(1.0)
    assert GradientSums(rows, 4 * squared / 4, 4).agreement() == pytest.approx(0.25)
    assert np.isnan(GradientSums(0 * rows, 0.0, 3).agreement())


def test_methods_go_side_by_side_and_may_have_their_own_settings():
    groups = kv.cluster_neurons(kv.capture_activations(toy_backbone(), DATA), n_groups=2)
    slow = kv.Candidate(None, kv.FinetuneConfig(steps=2, lr=0.001), name="slow")
    found = measured(methods=["grouped", slow], grouping=groups, at=(2, 0), layers=["deep"])
    assert found.status == {"grouped": "measured to step 2 of 3", "slow": "completed"}
    assert (found.layers, found.steps, found.steps_measured) == (["deep"], (0, 2), 4)
    assert "2 steps; grouped measured to step 2 of 3, slow completed" in repr(found)
    frame = found.frame()
    assert set(frame[frame["layer"] == "deep"]["measure"]) == set(LAYER_MEASURES)
    tuned = kv.finetune(
        toy_backbone(), DATA, grouping=groups, config=kv.FinetuneConfig(steps=2, lr=0.01)
    )
    assert values(found, "loss", "", "grouped")[2] == tuned.losses[-1]


def test_findings_are_made_from_the_numbers():
    found = measured(at=(0, 3))
    (text,) = found.findings()
    accuracy = values(found, "accuracy", "")
    assert f"from {accuracy[0]:.0%} to {accuracy[3]:.0%}" in text
    frame = found.frame().query("measure == 'CKA to the start' and layer != 'head.linear'")
    least = frame.loc[frame["value"].idxmin()]
    if least["value"] < 0.995:
        assert f"{least['layer']}, with a CKA of {least['value']:.2f}" in text
    assert "of the gradient's energy, random groups" in text
    assert findings_text(found).replace("\n", " ") == text


@pytest.mark.slow
@pytest.mark.parametrize("method", kv.list_methods())
def test_any_method(method):
    backbone = toy_backbone()
    if reason := resolve_method(method).applies(backbone):
        pytest.skip(reason)
    last = kv.Candidate(GROUPS if resolve_method(method).shares else None, CONFIG, method)
    found = measured(backbone, methods=[last], at=(last.config.steps,))
    assert found.frame().query("layer != ''")["value"].notna().any()
    assert found.status[method] == "completed"
    assert method in found.findings()[0]


def test_shuffled_groups_are_those_of_finetune():
    groups = kv.cluster_neurons(kv.capture_activations(toy_backbone(), DATA), n_groups=2)
    found = measured(methods=["shuffled"], grouping=groups, at=(3,), layers=["deep"])
    tuned = kv.finetune(toy_backbone(), DATA, method="shuffled", grouping=groups, config=CONFIG)
    assert values(found, "loss", "", "shuffled")[3] == tuned.losses[-1]


def test_a_shorter_run_ends_earlier_and_the_others_go_on():
    found = measured(methods=["plain", "nearest_mean"], layers=["deep"])
    assert (found.steps, found.planned, found.steps_measured) == ((0, 1, 2, 3), 5, 5)
    assert found.status == {"plain": "completed", "nearest_mean": "completed"}
    assert set(found.frame().query("method == 'nearest_mean'")["step"]) == {0}
    assert "nearest_mean: at step 0 the accuracy of 18 images was" in found.findings()[1]


def test_a_run_that_is_not_followed_to_its_end_is_not_completed():
    found = measured(at=(0, 2), layers=["deep"])
    assert found.status == {"plain": "measured to step 2 of 3"}


def test_what_is_not_measured_is_told():
    network = nn.Sequential(
        nn.Conv2d(1, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2304, 6), nn.ReLU(), nn.Linear(6, 3)
    )
    backbone = kv.Backbone(network, head="5", example=torch.rand(2, 1, 8, 8))
    found = measured(backbone, at=(0, 1))
    assert set(found.left_out) == {"3"}
    assert found.findings()[-1] == "Not measured: 1 layer; `left_out` says why."


class HalfFrozen(nn.Module):
    """A network whose first layer runs without gradients, and whose last one is never called."""

    def __init__(self):
        super().__init__()
        self.first, self.middle, self.head = nn.Linear(64, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.unused = nn.Linear(8, 8)

    def forward(self, images):
        with torch.no_grad():
            given = self.first(images.flatten(1))
        return self.head(torch.relu(self.middle(given)))


def test_layers_without_gradients_or_calls_are_left_out():
    backbone = kv.Backbone(HalfFrozen(), head="head", example=torch.rand(2, 1, 8, 8))
    found = measured(backbone, at=(0, 1))
    assert found.layers == ["middle", "head.linear"]
    assert set(found.left_out) >= {"first", "unused"}


def test_without_groups_energy_kept_is_left_out():
    backbone = toy_backbone()
    with torch.no_grad():
        for parameter in backbone.module.get_submodule("deep").parameters():
            parameter.zero_()
    found = measured(backbone, at=(1,))
    assert "energy kept" in found.left_out
    assert "energy kept" not in set(found.frame()["measure"])


def test_refusals():
    with pytest.raises(KShotValueError, match="`at` must be steps from 0 to 3"):
        measured(at=(0, 4))
    with pytest.raises(KShotValueError, match="`at`"):
        measured(at=())
    with pytest.raises(KShotKeyError, match="method"):
        measured(methods=["plane"])
    with pytest.raises(KShotValueError, match="distinct names"):
        measured(methods=["plain", "plain"])
    with pytest.raises(KShotValueError, match="`labels` must be among"):
        measured(images=toy_data(4, 2))
    with pytest.raises(KShotValueError, match="one for each image"):
        measured(images=OTHER.images)
    with pytest.raises(KShotKeyError, match="kind"):
        measured(kind="centred")
    with pytest.raises(KShotKeyError, match="layers"):
        measured(layers=["depp"])


def test_a_run_that_diverges_ends_there_and_the_others_go_on():
    wild = kv.Candidate(None, kv.FinetuneConfig(steps=6, lr=1e30, head_lr=1e30), name="wild")
    calm = kv.Candidate(None, kv.FinetuneConfig(steps=6, lr=0.001), name="calm")
    found = measured(methods=[wild, calm], at=(0, 6), layers=["deep"])
    assert found.status["wild"].startswith("diverged at step ")
    assert found.findings()[0].startswith(f"wild ({found.status['wild']}): ")
    assert found.status["calm"] == "completed"
    assert set(found.frame().query("method == 'wild'")["step"]) == {0}
    assert set(found.frame().query("method == 'calm'")["step"]) == {0, 6}
