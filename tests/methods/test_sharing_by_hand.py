"""Ways to share gradients, each within a point of a plain program on digits."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from by_hand import accuracies, cross_entropy, trained_by_hand

import kshot_viz as kv
from kshot_viz.methods.grouped import Grouped
from kshot_viz.methods.sharing.input_groups import InputGroups
from kshot_viz.methods.sharing.signed_groups import SignedGroups
from kshot_viz.methods.sharing.soft_groups import SoftGroups

pytestmark = pytest.mark.slow
# Points. The ways differ by up to 1.4 among each other, so a point would not tell them apart.
TOLERANCE = 0.3
CONFIG = kv.FinetuneConfig(lr=0.03, head_lr=0.1, steps=20)
# (gradient as rows of neurons, labels, activations as rows of neurons, name) -> shared gradient.
Rule = Callable[[np.ndarray, np.ndarray, np.ndarray, str], np.ndarray]


def mean_matrix(labels: np.ndarray) -> np.ndarray:
    same = (labels[:, None] == labels[None]).astype(float)
    return same / same.sum(axis=1, keepdims=True)


def half_own(rows: np.ndarray, labels: np.ndarray, *_: Any) -> np.ndarray:
    return 0.5 * rows + 0.5 * mean_matrix(labels) @ rows


def root(rows: np.ndarray, labels: np.ndarray, *_: Any) -> np.ndarray:
    return np.sqrt(np.bincount(labels)[labels])[:, None] * (mean_matrix(labels) @ rows)


def as_long(rows: np.ndarray, labels: np.ndarray, *_: Any) -> np.ndarray:
    mean = mean_matrix(labels) @ rows
    lengths = mean_matrix(labels) @ np.linalg.norm(rows, axis=1)
    norms = np.linalg.norm(mean, axis=1)
    return mean * np.divide(lengths, norms, out=np.zeros_like(norms), where=norms > 0)[:, None]


def opposite(
    rows: np.ndarray, labels: np.ndarray, activations: np.ndarray, name: str
) -> np.ndarray:
    if name.endswith("norm.weight"):
        # The scale of a batch norm is the same for two opposite neurons.
        return mean_matrix(labels) @ rows
    signs = np.ones(len(labels))
    for label in set(labels.tolist()):
        members = np.flatnonzero(labels == label)
        values = activations[members] - activations[members].mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        values = np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 1e-9)
        # The first left singular vector is the first principal direction of the correlations.
        first = np.linalg.svd(values, full_matrices=False)[0][:, 0]
        signs[members] = np.where(np.abs(first) > 1e-9, np.sign(first), 1.0)
    return signs[:, None] * (mean_matrix(labels) @ (signs[:, None] * rows))


def smooth(rows: np.ndarray, labels: np.ndarray, activations: np.ndarray, _: str) -> np.ndarray:
    apart = np.linalg.norm(activations[:, None] - activations[None], axis=2)
    width = np.median(apart[np.triu_indices(len(apart), 1)])
    vectors = np.linalg.svd(np.exp(-((apart / width) ** 2)))[0][:, : labels.max() + 1]
    return vectors @ vectors.T @ rows


def program(rule: Rule, grouping: kv.Grouping, layer_of: dict[str, str]) -> Any:
    """Return a training loop in which a rule shares the gradients of the parameters it names."""

    def run(backbone: Any, support: Any, query: Any) -> torch.Tensor:
        captured = kv.capture_activations(backbone, support.images, layers=list(grouping))

        def share(name: str, gradient: torch.Tensor) -> torch.Tensor:
            if name not in layer_of:
                return gradient
            layer = captured.layer(layer_of[name])
            assert layer.form == "features"
            labels = np.asarray(grouping[layer_of[name]])
            rows = gradient.numpy().astype(float).reshape(len(labels), -1)
            shared = rule(rows, labels, np.asarray(layer.points, dtype=float), name)
            return torch.from_numpy(shared.copy()).to(gradient).reshape(gradient.shape)

        return trained_by_hand(backbone, support, query, CONFIG, cross_entropy, share=share)

    return run


def tied(backbone: kv.Backbone, grouping: kv.Grouping) -> dict[str, str]:
    return {name: layer for layer in grouping for name in backbone.tied_parameters(layer)}


@pytest.mark.parametrize(
    ("method", "rule"),
    [
        (Grouped(own=0.5), half_own),
        (Grouped(scale="root"), root),
        (Grouped(scale="norm"), as_long),
        (SignedGroups(), opposite),
        (SoftGroups(), smooth),
    ],
    ids=["own", "root", "norm", "signed", "soft"],
)
def test_groups_of_neurons(method, rule):
    backbone = kv.load_backbone("glyphnet")
    grouping = kv.Grouping.contiguous(backbone, n_groups=6)
    candidate = kv.Candidate(grouping, CONFIG, method)
    mine, other = accuracies(candidate, program(rule, grouping, tied(backbone, grouping)))
    assert abs(mine - other) <= TOLERANCE


def test_groups_of_input_channels():
    """A layer's groups share over the second axis of the next layer's weight."""
    backbone = kv.load_backbone("glyphnet")
    grouping = kv.Grouping.contiguous(backbone, n_groups=6)
    layers = list(backbone.layers)
    after = {f"{layer}.weight": before for before, layer in itertools.pairwise(layers)}

    def over_inputs(rows: np.ndarray, labels: np.ndarray, *_: Any) -> np.ndarray:
        kernels = rows.reshape(len(rows), len(labels), -1)
        return np.einsum("ij,ojk->oik", mean_matrix(labels), kernels).reshape(rows.shape)

    candidate = kv.Candidate(grouping, CONFIG, InputGroups())
    mine, other = accuracies(candidate, program(over_inputs, grouping, after))
    assert abs(mine - other) <= TOLERANCE
