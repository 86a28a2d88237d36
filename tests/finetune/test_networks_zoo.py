"""From capture to tied steps in networks of every make, with random weights."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import kshot_viz as kv

# name: side of the images
ZOO = {
    "mlp": 16,
    "resnet18": 32,
    "squeezenet1_1": 32,
    "mobilenet_v3_small": 32,
    "efficientnet_b0": 32,
    "alexnet": 64,
    "vgg11": 32,
    "vit_b_16": 224,
}
SLOW = {"efficientnet_b0", "alexnet", "vgg11", "vit_b_16"}
STEPS = 2


@pytest.fixture(autouse=True)
def released() -> Iterator[None]:
    """Free the largest networks at once: copies with reference cycles hold gigabytes."""
    yield
    gc.collect()


def network(name: str) -> kv.Backbone:
    if name != "mlp":
        return kv.load_backbone(name, weights=None, size=ZOO[name])
    layers = nn.Flatten(), nn.Linear(3 * 16 * 16, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU()
    return kv.Backbone(nn.Sequential(*layers, nn.Linear(32, 5)), example=torch.rand(2, 3, 16, 16))


def support(size: int) -> tuple[Tensor, list[str]]:
    # Large images are few, since each of them takes seconds.
    n = 2 if size > 64 else 4
    images = torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0))
    return images, ["cat", "dog", "cat", "dog"][:n]


def spread(change: Tensor, labels: np.ndarray) -> float:
    """Largest difference between two members of a group."""
    rows, groups = change.reshape(len(change), -1), torch.tensor(labels)
    index = groups[:, None].expand_as(rows)
    ends = [rows.new_zeros(int(groups.max()) + 1, rows.shape[1]) for _ in range(2)]
    for end, reduce in zip(ends, ("amin", "amax"), strict=True):
        end.scatter_reduce_(0, index, rows, reduce, include_self=False)
    return (ends[1] - ends[0]).max().item()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in ZOO]
)
def test_capture_cluster_and_two_tied_steps(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = network(name)
    images, labels = support(ZOO[name])
    acts = kv.capture_activations(backbone, images)
    assert list(acts) == list(backbone.layers)

    grouping = kv.cluster_neurons(acts, n_groups=0.1)
    grouping.check(backbone)
    config = kv.FinetuneConfig(lr=1e-3, steps=STEPS)
    result = kv.finetune(backbone, (images, labels), grouping=grouping, config=config)
    assert result.status == "ok"
    assert set(result.predict(images)) <= {"cat", "dog"}

    eps, moved = torch.finfo(torch.float32).eps, 0
    for layer in grouping:
        before, after = (b.tied_parameters(layer) for b in (backbone, result.backbone))
        for part, start in before.items():
            change = (after[part] - start).detach()
            largest = max(after[part].abs().max().item(), start.abs().max().item())
            assert spread(change, grouping[layer]) <= (STEPS + 1) * eps * largest, part
            moved += bool(change.any())
    assert moved >= len(grouping) / 2, "most layers must have moved for the test to mean anything"
