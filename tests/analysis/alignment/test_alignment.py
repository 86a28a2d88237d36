"""Alignment: identities of linear maps, the public function, and its picture."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import toy_backbone, toy_data
from torch import nn

import kshot_viz as kv
from kshot_viz import viz
from kshot_viz.analysis import alignment
from kshot_viz.analysis.alignment.alignment import COLUMNS, EXPONENT_COLUMNS
from kshot_viz.analysis.alignment.labelled import labelled, untrained
from kshot_viz.analysis.alignment.maps import batch_signals, linear_maps, map_weight
from kshot_viz.analysis.alignment.moments import Moments
from kshot_viz.analysis.alignment.relations import (
    RELATIONS,
    WIDE,
    entry_correlation,
    rotated_correlation,
    turns,
)
from kshot_viz.errors import KShotKeyError, KShotValueError

DATA = toy_data(per_class=8)
QUICK = {"rotations": 1, "resamples": 20, "positions": 6}


def deep_net() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Flatten(), nn.Linear(64, 9, bias=False), nn.Tanh()]
    layers += [nn.Linear(9, 7), nn.ReLU(inplace=True), nn.Linear(7, 3, bias=False)]
    return nn.Sequential(*layers).double()


def signals_of(net: nn.Module, names: list[str]):
    torch.manual_seed(1)
    inputs, targets = torch.rand(12, 1, 8, 8, dtype=torch.double), torch.arange(12) % 3
    return inputs, targets, batch_signals(net, names, inputs, targets)


# ---- identities ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["1", "3", "5"])
def test_moments_of_both_sides_are_tied_by_the_weight(name):
    net = deep_net()
    _, _, signals = signals_of(net, [name])
    moments = Moments(map_weight(net.get_submodule(name)))
    for rows in (slice(0, 5), slice(5, 12)):
        moments.add(*(one[rows].numpy() for one in signals[name]))
    w = moments.weight
    assert np.allclose(moments.matrix("H_b"), w @ moments.matrix("H_a") @ w.T, rtol=1e-5)
    assert np.allclose(moments.matrix("G_a"), w.T @ moments.matrix("G_b") @ w, rtol=1e-5)


def test_signals_are_those_of_each_image_alone():
    net = deep_net()
    inputs, targets, signals = signals_of(net, ["3"])
    for i in range(3):
        h_a = net[:3](inputs[i : i + 1]).detach().requires_grad_()
        h_b = net[3](h_a)
        loss = F.cross_entropy(net[4:](h_b.clone()), targets[i : i + 1])
        at_input, at_output = torch.autograd.grad(loss, (h_a, h_b))
        assert torch.allclose(signals["3"][0][i, 0], h_a[0])
        assert torch.allclose(signals["3"][1][i, 0], at_output[0])
        # No other way leads from the input to the loss: both gradients are tied by the weight.
        assert torch.allclose(signals["3"][1][i, 0] @ net[3].weight, at_input[0])


def test_a_convolution_is_a_map_of_patches():
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 5, 3, stride=2, padding=1, dilation=2)
    net = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)).double()
    inputs, targets = torch.rand(4, 2, 9, 9, dtype=torch.double), torch.tensor([0, 1, 2, 0])
    net(inputs)
    patches, back = batch_signals(net, ["0"], inputs, targets)["0"]
    through = patches.numpy() @ map_weight(conv).T + conv.bias.detach().numpy()
    assert np.allclose(through, conv(inputs).flatten(2).transpose(1, 2).detach())
    weights = torch.autograd.grad(
        F.cross_entropy(net(inputs), targets, reduction="sum"), conv.weight
    )[0]
    assert torch.allclose(torch.einsum("npo,npi->oi", back, patches), weights.flatten(1))


def test_nothing_is_left_on_the_network():
    net = deep_net().train()
    before = [one.clone() for one in net.parameters()]
    signals_of(net, ["1", "3"])
    assert net.training
    assert all(one.grad is None for one in net.parameters())
    assert all(map(torch.equal, before, net.parameters()))
    assert not any(one._forward_hooks for one in net.modules())


def test_frozen_layers_have_gradients_too():
    net = deep_net().requires_grad_(False)
    assert signals_of(net, ["1"])[2]["1"][1].abs().sum() > 0


def test_normalised_moments_are_covariances_of_unit_samples():
    rng = np.random.default_rng(0)
    moments = Moments(rng.normal(size=(3, 4)))
    h, g = rng.normal(size=(20, 2, 4)) + 1, rng.normal(size=(20, 2, 3))
    moments.add(h, g)
    rows = h.reshape(40, 4)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.allclose(moments.matrix("H_a", "normalised"), np.cov(unit.T, bias=True))
    assert np.allclose(moments.matrix("H_a"), rows.T @ rows / 40)


# ---- correlations --------------------------------------------------------------------------------


def test_equal_and_proportional_matrices_correlate_to_one():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(6, 6))
    one = one @ one.T
    assert entry_correlation(one, one) == pytest.approx(1.0)
    assert entry_correlation(one, 7 * one) == pytest.approx(1.0)
    assert entry_correlation(one, one + one.mean()) == pytest.approx(
        np.corrcoef(one.ravel(), (one + one.mean()).ravel())[0, 1]
    )
    assert rotated_correlation(one, turns(one, 5, 0)) < 0.95
    # A multiple of the identity is the same in every direction.
    assert rotated_correlation(np.eye(6), turns(np.eye(6), 2, 0)) == pytest.approx(1.0)
    assert np.isnan(entry_correlation(one, np.zeros((6, 6))))
    assert np.isnan(entry_correlation(one, np.full((6, 6), 0.1)))


def test_of_wide_matrices_one_rotation_stands_for_all():
    rng = np.random.default_rng(0)
    wide, small = (rng.normal(size=(8, n)) for n in (WIDE + 1, 8))
    assert len(turns(small.T @ small, 3, 0)) == 3
    (turned,) = turns(wide.T @ wide, 3, 0)
    # A rotation keeps trace and norm.
    assert np.trace(turned) == pytest.approx(np.square(wide).sum())
    assert np.linalg.norm(turned) == pytest.approx(np.linalg.norm(wide @ wide.T))


# ---- the public function -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found():
    return alignment(toy_backbone(), DATA, **QUICK)


def test_a_row_for_each_layer_kind_and_relation(found):
    frame = found.frame()
    assert tuple(frame.columns) == COLUMNS
    assert list(dict.fromkeys(frame["layer"])) == ["conv", "deep", "head.linear"]
    assert len(frame) == 3 * 2 * len(RELATIONS)
    assert frame[["value", "untrained", "rotated"]].abs().max(axis=None) <= 1
    assert frame.notna().all(axis=None)
    assert set(frame["side"]) == {"input", "output"}
    assert found.fitted_head
    assert repr(found) == "Alignment of 3 layers of ToyNet, 24 images"
    fits = found.exponents()
    assert tuple(fits.columns) == EXPONENT_COLUMNS
    assert len(fits) == 3 * 4


def test_frames_are_copies_and_equal_for_the_same_seed(found):
    mine = found.frame()
    mine.loc[:, "value"] = 0.0
    again = alignment(toy_backbone(), DATA, **QUICK)
    assert again.frame().equals(found.frame())
    assert again.exponents().equals(found.exponents())


def test_a_network_with_a_head_keeps_it():
    net = deep_net().float()
    backbone = kv.Backbone(net, head="5", example=torch.rand(2, 1, 8, 8), name="deep")
    whole = labelled(backbone, DATA, None)
    assert not whole.fitted
    assert whole.backbone is backbone
    found = alignment(backbone, DATA, layers=["3"], **QUICK)
    w = net[3].weight.detach().double().numpy()
    signals = batch_signals(
        backbone.module, ["3"], backbone.prepare(DATA), torch.from_numpy(DATA.targets)
    )
    h = signals["3"][0].double().flatten(0, 1).numpy()
    expected = np.corrcoef((h.T @ h).ravel(), (w.T @ w).ravel())[0, 1]
    rows = found.frame().set_index(["kind", "relation"])
    assert rows.loc[("raw", "b-RWA"), "value"] == pytest.approx(expected, abs=1e-5)


def test_a_tuned_network_is_measured_with_its_own_classes():
    tuned = kv.finetune(
        toy_backbone(), DATA, method="plain", config=kv.FinetuneConfig(steps=2, lr=0.01)
    )
    assert not alignment(tuned, DATA, layers=["deep"], **QUICK).fitted_head
    with pytest.raises(KShotValueError, match="among the classes of the network"):
        alignment(tuned, DATA.images, ["zebra"] * len(DATA), layers=["deep"])


def test_the_untrained_copy_has_other_weights_and_the_random_state_is_kept():
    backbone = toy_backbone()
    state = torch.get_rng_state()
    fresh, again = untrained(backbone, 0), untrained(backbone, 0)
    assert torch.equal(state, torch.get_rng_state())
    assert fresh.fingerprint == again.fingerprint != backbone.fingerprint
    assert untrained(backbone, 1).fingerprint != fresh.fingerprint
    assert fresh.module.norm.running_mean.abs().sum() == 0


def test_maps_that_are_no_single_map_are_left_out_with_a_reason():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 3, padding="same"),
        nn.Linear(3000, 2), nn.Conv1d(2, 2, 1),
    )  # fmt: skip
    kept, left_out = linear_maps(net, None)
    assert kept == ["0"]
    assert set(left_out) == {"1", "2", "3", "4"}
    assert "3,000 inputs" in left_out["3"]
    with pytest.raises(KShotValueError, match="'1' cannot be measured: it is a grouped"):
        linear_maps(net, ["1"])
    with pytest.raises(KShotValueError, match="No linear map"):
        linear_maps(net[1:], None)


def test_refusals():
    with pytest.raises(KShotKeyError, match="layers"):
        alignment(toy_backbone(), DATA, layers=["conf"])
    with pytest.raises(KShotValueError, match="`labels` are missing"):
        alignment(toy_backbone(), DATA.images)
    with pytest.raises(KShotValueError, match="one for each of the 24"):
        alignment(toy_backbone(), DATA.images, [0, 1])
    with pytest.raises(KShotValueError, match="two classes"):
        alignment(toy_backbone(), DATA.images, ["a"] * 24)
    with pytest.raises(KShotValueError, match="`backbone` must be"):
        alignment(nn.Linear(2, 2), DATA)
    with pytest.raises(KShotValueError, match="`rotations` must be"):
        alignment(toy_backbone(), DATA, rotations=0)


# ---- the picture ---------------------------------------------------------------------------------


def test_the_picture_has_the_untrained_and_the_rotated_value_in_every_cell(found):
    ax = viz.plot_alignment(found)
    frame = found.frame()
    row = frame[(frame["kind"] == "normalised") & (frame["layer"] == "deep")].iloc[0]
    written = [one.get_text() for one in ax.texts if one.xy == (0, 1)]
    others = f"{row['untrained']:.2f} | {row['rotated']:.2f}"
    assert [one for one in written if "rotated" not in one] == [f"{row['value']:.2f}", others]
    texts = [one.get_text() for one in ax.texts]
    assert len([one for one in texts if re.fullmatch(r"-?\d\.\d\d \| -?\d\.\d\d", one)]) == 18
    assert any("untrained | rotated at random" in one.replace("\n", " ") for one in texts)
    raw = viz.plot_alignment(found, kind="raw")
    assert [one.get_text() for one in raw.texts] != texts


def test_the_two_lines_of_a_cell_do_not_overlap(found):
    ax = viz.plot_alignment(found)
    viz.to_png(ax)
    cells: dict[tuple, list] = {}
    for one in ax.texts:
        if "correlation" not in one.get_text():
            cells.setdefault(tuple(one.xy), []).append(one.get_window_extent())
    assert all(upper.y0 >= lower.y1 - 2 for upper, lower in cells.values())


def test_the_picture_refuses_other_things(found):
    with pytest.raises(KShotKeyError, match="kind"):
        viz.plot_alignment(found, kind="centred")
    with pytest.raises(KShotValueError, match=r"must be of kshot_viz\.analysis\.alignment"):
        viz.plot_alignment(found.frame())


# ---- tokens --------------------------------------------------------------------------------------


class Tokens(nn.Module):
    """A layer over rows of pixels, an attention whose projections are not called, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 6)
        self.mix = nn.MultiheadAttention(6, 2, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = self.embed(images.flatten(1, 2))
        return self.head((rows + self.mix(rows, rows, rows)[0]).mean(dim=1))


def test_tokens_are_samples_and_what_is_not_called_is_named():
    torch.manual_seed(0)
    backbone = kv.Backbone(Tokens(), head="head", example=torch.rand(2, 1, 8, 8))
    found = alignment(backbone, DATA, **QUICK)
    assert list(dict.fromkeys(found.frame()["layer"])) == ["embed", "head"]
    assert found.left_out == {"mix.out_proj": "it was not called"}
    signals = batch_signals(
        backbone.module, ["embed"], backbone.prepare(DATA), torch.from_numpy(DATA.targets)
    )
    assert [tuple(one.shape) for one in signals["embed"]] == [(24, 8, 8), (24, 8, 6)]
