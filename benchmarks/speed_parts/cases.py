"""What is timed: a network, an episode and its candidates, and the work that cannot be avoided."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

import kshot_viz as kv
from kshot_viz.data.dataset import ImageDataset


@dataclass(frozen=True, eq=False)
class Case:
    """Candidates to be tried on the episodes of every round.

    Attributes
    ----------
    rounds : sequence of lists of Episode
    flops, nbytes : float
        What one step of one candidate needs at least, with everything frozen computed before.
    peers : bool
        Whether ``vmap`` is timed too.
    share : int
        The slow contenders run every ``share``-th candidate only.
    """

    name: str
    title: str
    backbone: kv.Backbone
    data: ImageDataset
    rounds: Sequence[list[kv.Episode]]
    candidates: Sequence[kv.Candidate]
    flops: float
    nbytes: float
    peers: bool = True
    share: int = 1

    @property
    def steps(self) -> int:
        """Steps of every candidate."""
        return self.candidates[0].config.steps


def linear(rounds: int, n: int = 256) -> Case:
    """Return 512 features, a grouped linear layer of 512, ReLU and head, 5-way 5-shot."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 5))
    backbone = kv.Backbone(net, head="3", example=torch.rand(2, 1, 16, 32), name="features")
    config = kv.FinetuneConfig(lr=1e-3, steps=100)
    candidates = [
        kv.Candidate(kv.Grouping({"1": _shares(512, 51, seed)}), config) for seed in range(n)
    ]
    # Inner products of 25 images, 51 groups; the head forward and twice backward.
    flops = 2 * 25 * 25 * 51 + 3 * 2 * 25 * 512 * 5
    nbytes = 4 * (2 * 2 * 25 * 51 + 4 * 512 * 5 + 2 * 25 * 512)
    data = _blobs((16, 32), classes=5)
    drawn = _drawn(data, 5, 5, rounds)
    title = f"linear 512 to 512 in 51 groups, {n} groupings, 5-way 5-shot, 100 steps"
    return Case("linear", title, backbone, data, drawn, candidates, flops, nbytes, share=n // 8)


def head(rounds: int) -> Case:
    """Return the head of the bundled network at 64 step sizes."""
    rates = np.geomspace(1e-3, 0.3, 64)
    candidates = [
        kv.Candidate(None, kv.FinetuneConfig(head_lr=float(rate)), method="head_only")
        for rate in rates
    ]
    flops, nbytes = 3 * 2 * 10 * 32 * 10, 4 * 4 * 330
    title = "head only, bundled network, 64 step sizes, 10-way 1-shot, 40 steps"
    return _glyphnet("head", title, rounds, candidates, flops, nbytes, share=8)


def last_block(rounds: int) -> Case:
    """Return the last block of the bundled network, 64 groupings of three groups."""
    frozen = {f"blocks.{i}": 0.0 for i in range(3)}
    config = kv.FinetuneConfig(lr=3e-3, layer_lr=frozen)
    candidates = [
        kv.Candidate(kv.Grouping({"blocks.3.conv": _shares(32, 3, seed)}), config)
        for seed in range(64)
    ]
    positions = 10 * 9
    flops = 2 * positions * positions * 3 + 3 * 2 * 10 * 32 * 10
    nbytes = 4 * (2 * 2 * positions * 3 + 4 * 330 + 2 * positions * 32)
    title = "last block of the bundled network, 64 groupings, 10-way 1-shot, 40 steps"
    return _glyphnet("last block", title, rounds, candidates, flops, nbytes, share=8)


def conv4(rounds: int, *, shot: int = 1, n: int = 8) -> Case:
    """Return the whole bundled network in groups of 10 %, nothing frozen, n times."""
    candidates = _grouped(kv.load_backbone("glyphnet"), n, lr=3e-3, steps=40)
    images = 10 * shot
    # Per image: layers of 1 and 32 inputs at 28, 14, 7 and 3 pixels a side.
    macs = images * 32 * 9 * (1 * 784 + 32 * (196 + 49 + 9))
    first = images * 32 * 9 * 784
    flops = 2 * (macs + (macs - first) + macs * 3 / 32)
    nbytes = 4 * 2 * images * 32 * (784 + 196 + 49 + 9) * 2
    title = f"whole bundled network (Conv-4), {n} groupings, 10-way {shot}-shot, 40 steps"
    return _glyphnet(f"conv4 {shot}-shot", title, rounds, candidates, flops, nbytes, shot=shot)


def squeezenet(rounds: int, *, grouped: bool = True, n: int = 8) -> Case:
    """Return whole SqueezeNet at 128 px, nothing frozen, n times."""
    torch.manual_seed(0)
    backbone = kv.load_backbone("squeezenet1_1", weights=None, size=128)
    config = {"lr": 1e-4, "steps": 40}
    if grouped:
        candidates = _grouped(backbone, n, **config)
    else:
        candidates = [
            kv.Candidate(None, kv.FinetuneConfig(**config, head_lr=h))
            for h in np.geomspace(3e-4, 1e-2, n)
        ]
    macs, first, by_group, activations = _convolutions(backbone)
    rows = by_group if grouped else macs
    flops = 10 * 2 * (macs + (macs - first) + rows)
    data = _blobs((128, 128, 3), classes=10)
    drawn = _drawn(data, 10, 1, rounds)
    kind = "groupings of 10 %" if grouped else "step sizes, plain"
    title = f"whole SqueezeNet 1.1, 128 px, {n} {kind}, 10-way 1-shot, 40 steps"
    name = "squeezenet" if grouped else "squeezenet plain"
    nbytes = 10 * 4 * 4 * activations
    return Case(name, title, backbone, data, drawn, candidates, flops, nbytes, False, share=4)


def mixed(rounds: int) -> Case:
    """Return 200 candidates on 8 episodes: shares of groups x step sizes x frozen blocks."""
    candidates = []
    for share, lr, depth in itertools.product(
        (0.1, 0.2, 0.3, 0.5, 1.0), np.geomspace(3e-4, 3e-2, 10), range(4)
    ):
        frozen = {f"blocks.{i}": 0.0 for i in range(depth)}
        layers = [f"blocks.{i}.conv" for i in range(depth, 4)]
        groups = {name: _shares(32, max(1, round(32 * share)), len(candidates)) for name in layers}
        config = kv.FinetuneConfig(lr=float(lr), layer_lr=frozen)
        candidates.append(kv.Candidate(kv.Grouping(groups), config))
    # One block after the other, of the candidates that train it, on average.
    macs = [
        10 * 32 * 9 * inputs * pixels for inputs, pixels in ((1, 784), (32, 196), (32, 49), (32, 9))
    ]
    flops = float(np.mean([2 * (3 * sum(macs[depth:]) - macs[depth]) for depth in range(4)]))
    # Activations of the blocks that train, written and read, forward and back.
    sizes = [10 * 32 * pixels for pixels in (784, 196, 49, 9)]
    nbytes = float(np.mean([4 * 4 * sum(sizes[depth:]) for depth in range(4)]))
    title = "200 mixed candidates x 8 episodes, bundled network, 10-way 1-shot, 40 steps"
    return _glyphnet(
        "mixed", title, rounds, candidates, flops, nbytes, share=16, peers=False, at_once=8
    )


def _glyphnet(
    name: str,
    title: str,
    rounds: int,
    candidates: Sequence[kv.Candidate],
    flops: float,
    nbytes: float,
    *,
    share: int = 1,
    shot: int = 1,
    peers: bool = True,
    at_once: int = 1,
) -> Case:
    data, backbone = kv.load_dataset("digits"), kv.load_backbone("glyphnet")
    drawn = _drawn(data, 10, shot, rounds, at_once)
    return Case(name, title, backbone, data, drawn, candidates, flops, nbytes, peers, share)


def _drawn(
    data: ImageDataset, way: int, shot: int, rounds: int, at_once: int = 1
) -> list[list[kv.Episode]]:
    drawn = kv.sample_episodes(data, way=way, shot=shot, query=15, n=rounds * at_once, seed=0)
    return [drawn[i : i + at_once] for i in range(0, len(drawn), at_once)]


def _grouped(backbone: kv.Backbone, n: int, *, lr: float, steps: int) -> list[kv.Candidate]:
    config = kv.FinetuneConfig(lr=lr, steps=steps)
    return [
        kv.Candidate(
            kv.Grouping(
                {
                    name: _shares(layer.width, max(1, layer.width // 10), seed)
                    for name, layer in backbone.layers.items()
                }
            ),
            config,
        )
        for seed in range(n)
    ]


def _shares(neurons: int, groups: int, seed: int) -> np.ndarray:
    """Return random groups of nearly equal sizes."""
    return np.random.default_rng(seed).permutation(np.arange(neurons) % groups)


def _convolutions(backbone: kv.Backbone) -> tuple[float, float, float, float]:
    """Count an image's multiplications: all, the first layer's, those by group, and activations."""
    macs: list[float] = []
    by_group: list[float] = []
    outputs: list[int] = []

    def note(layer: nn.Module, given: tuple[torch.Tensor], out: torch.Tensor) -> None:
        work = out[0].numel() * layer.weight[0].numel()
        macs.append(work)
        by_group.append(work * max(1, len(layer.weight) // 10) / len(layer.weight))
        outputs.append(out[0].numel())

    kinds = [backbone.module.get_submodule(name) for name in backbone.layers]
    hooks = [layer.register_forward_hook(note) for layer in kinds]
    with torch.no_grad():
        backbone.module(torch.zeros(1, *backbone.input_shape))
    for hook in hooks:
        hook.remove()
    return sum(macs), macs[0], sum(by_group), sum(outputs)


def _blobs(shape: tuple[int, ...], *, classes: int, each: int = 40) -> ImageDataset:
    """Return noise around one pattern a class."""
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(classes), each)
    whole = shape if len(shape) == 3 else (*shape, 1)
    patterns = rng.integers(0, 128, (classes, *whole))
    noise = rng.integers(0, 128, (len(targets), *whole))
    images = (patterns[targets] + noise).astype(np.uint8)
    names = [f"class {i}" for i in range(classes)]
    return ImageDataset.from_arrays(images, targets, classes=names, name="patterns")
