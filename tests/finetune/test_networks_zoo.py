"""From capture to tied steps in networks of every make, with random weights."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers_networks import TRANSFORMERS, saved_network

import kshot_viz as kv
from kshot_viz.evaluate.fast.split import TracedNetwork

pytestmark = pytest.mark.slow

# name: side of the images. Of each family of timm and open_clip the smallest network is taken.
ZOO = {
    "mlp": 16,
    "timm/resnet18": 32,
    "timm/convnext_atto": 32,
    "timm/efficientnet_lite0": 32,
    "timm/mobilenetv4_conv_small_050": 32,
    "timm/vit_tiny_patch16_224": 32,
    "timm/swin_tiny_patch4_window7_224": 56,
    "timm/vit_small_patch14_dinov2": 28,
    "timm/vit_small_patch16_dinov3": 32,
    "open_clip/ViT-S-32-alt": 32,
    **{f"hf/{name}": size for name, (_, size) in TRANSFORMERS.items()},
    "resnet18": 32,
    "squeezenet1_1": 32,
    "mobilenet_v3_small": 32,
    "efficientnet_b0": 32,
    "alexnet": 64,
    "vgg11": 32,
    "vit_b_16": 224,
}
# One of each make is tried by the fast tests too.
SLOW = ZOO.keys() - {"mlp", "squeezenet1_1", "hf/vit"}
STEPS = 2


@pytest.fixture(autouse=True)
def released() -> Iterator[None]:
    """Free the largest networks at once: copies with reference cycles hold gigabytes."""
    yield
    gc.collect()


def load(name: str, folder: Path) -> kv.Backbone:
    if name.startswith("hf/"):
        return kv.load_backbone(str(saved_network(name.removeprefix("hf/"), folder)))
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


EACH = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in ZOO]
)
PAGE = Path(__file__).parents[2] / "docs" / "own_network.md"


@EACH
def test_the_page_says_which_graph_it_has(name, tmp_path):
    backbone = load(name, tmp_path)
    images, _ = support(ZOO[name])
    network = TracedNetwork(backbone.with_new_head(2), backbone.prepare(images))
    assert network.graph is not None
    by_fx = not network.graph.opaque
    found = "torch.fx" if by_fx else "head alone" if network.exported is None else "torch.export"
    assert f"\n| {name} | {found} |\n" in PAGE.read_text("utf-8")


@EACH
def test_capture_cluster_and_two_tied_steps(name, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = load(name, tmp_path)
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
