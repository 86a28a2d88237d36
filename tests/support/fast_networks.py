"""Small networks of many makes, and their candidates trained together and one by one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from kshot_viz.evaluate.fast.forward import Chunk
from kshot_viz.evaluate.fast.parameters import CandidatePlan, plan_candidate
from kshot_viz.evaluate.fast.split import TracedNetwork, TrainedPart, compute_frozen_features
from kshot_viz.evaluate.fast.supported import can_batch
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.loop import finetune
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.glyphnet.glyphnet import ConvBlock
from kshot_viz.models.head_init import started
from kshot_viz.models.inputs.support import Support

IMAGE = (1, 8, 8)


class Stack(nn.Module):
    """The bundled network in miniature: two blocks of convolution, batch norm, ReLU and pool."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        self.blocks = nn.Sequential(ConvBlock(1, width), ConvBlock(width, width + 1))
        self.head = nn.Linear(width + 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x).mean(dim=(2, 3)))


class Fire(nn.Module):
    """SqueezeNet's block: a narrow convolution read by two others side by side."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.left, self.right = nn.Conv2d(width, 4, 1), nn.Conv2d(width, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.squeeze(x))
        x = torch.cat([self.relu(self.left(x)), self.relu(self.right(x))], 1)
        return self.head(x.mean(dim=(2, 3)))


class Residual(nn.Module):
    """ResNet's basic block, with what it adds in place."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))
        out = self.relu(self.first_norm(self.first(x)))
        out = self.second_norm(self.second(out))
        out += x
        return self.head(torch.flatten(self.relu(out), 2).mean(2))


class Rows(nn.Module):
    """A multilayer perceptron on rows of features."""

    def __init__(self, width: int = 7) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(10, width), nn.Linear(width, 6)
        self.relu = nn.ReLU()
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu(self.second(self.relu(self.first(x)))))


class Tokens(nn.Module):
    """Linear layers on patches, with a layer norm: only one candidate at a time."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, 4, stride=4)
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, width)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.head((tokens + torch.tanh(self.mix(self.norm(tokens)))).mean(1))


class GuardedStack(Stack):
    """Looks at the size of its images: ``torch.fx`` cannot follow, and ``torch.export`` can."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] != 1 or x.shape[0] < 1:
            raise ValueError(f"images of one channel are needed; not {x.shape[1]}.")
        return super().forward(x)


class GuardedAttention(nn.Module):
    """A vision transformer in miniature, as those of transformers are written."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        width -= width % 2
        self.patches = nn.Conv2d(1, width, 4, stride=4)
        self.first = nn.Parameter(torch.randn(1, 1, width))
        self.norm, self.mix = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.out, self.act = nn.Linear(width, width), nn.GELU()
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] % 4:
            raise ValueError("sides must be multiples of 4.")
        n = x.shape[0]
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(n, -1, -1), tokens], 1)
        parts = (
            self.mix(self.norm(tokens)).view(n, tokens.shape[1], 3, 2, -1).permute(2, 0, 3, 1, 4)
        )
        seen = nn.functional.scaled_dot_product_attention(*parts).transpose(1, 2)
        tokens = tokens + self.act(self.out(seen.reshape(n, tokens.shape[1], -1)))
        return self.head(tokens[:, 0])


FAMILY = {one.__name__: one for one in (Stack, Fire, Residual, Rows, Tokens)}
# Those that torch.fx cannot follow.
EXPORTED = {one.__name__: one for one in (GuardedStack, GuardedAttention)}


def shape_of(make: Callable[[], nn.Module]) -> tuple[int, ...]:
    return (10,) if make is Rows else IMAGE


def lively(
    make: Callable[[], nn.Module],
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    shape: tuple[int, ...] = IMAGE,
    head: str = "head",
) -> Backbone:
    """Return a backbone of random weights and batch statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = make().to(dtype)
        norms = (one for one in module.modules() if isinstance(one, nn.BatchNorm2d))
        for norm in (one for one in norms if one.track_running_stats):
            norm.running_mean.normal_(std=0.1)
            norm.running_var.uniform_(0.5, 1.5)
        return Backbone(module, head=head, example=torch.rand(2, *shape, dtype=dtype))


def with_other_last_bits(backbone: Backbone, *, seed: int) -> Backbone:
    """Return the backbone with every weight changed by one part in its type's precision."""
    other, rng = copy.deepcopy(backbone), np.random.default_rng(seed)
    with torch.no_grad():
        for weight in other.module.parameters():
            signs = torch.from_numpy(rng.choice([-1.0, 1.0], size=tuple(weight.shape)))
            weight.mul_(1 + torch.finfo(weight.dtype).eps * signs.to(weight.dtype))
    return other


@dataclass(frozen=True, eq=False)
class Task:
    """Support images of three classes, and other images to predict."""

    support: Support
    others: Tensor

    @classmethod
    def draw(
        cls,
        shape: tuple[int, ...] = IMAGE,
        n: int = 6,
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
    ) -> Task:
        rng = np.random.default_rng(seed)
        images = torch.from_numpy(rng.random((n + 4, *shape))).to(dtype)
        targets = torch.arange(n) % 3
        return cls(Support(images[:n], targets, np.array(["a", "b", "c"])), images[n:])

    def reordered(self, order: Sequence[int]) -> Task:
        """Return the same support images in another order."""
        given, indices = self.support, torch.tensor(order)
        mixed = Support(given.inputs[indices], given.targets[indices], given.classes)
        return Task(mixed, self.others)


def by_loop(backbone: Backbone, task: Task, candidate: Candidate, images: Tensor) -> Tensor | None:
    """Return the reference loop's logits for images; None where it diverged."""
    result = finetune(
        backbone,
        task.support,
        method=candidate.method,
        grouping=candidate.grouping,
        config=candidate.config,
    )
    if result.diverged:
        return None
    with torch.no_grad():
        return result.backbone.module(images.clone())


def traced(backbone: Backbone, task: Task) -> TracedNetwork:
    return TracedNetwork(backbone.with_new_head(len(task.support.classes)), task.support.inputs)


def planned(
    network: TracedNetwork, candidates: Sequence[Candidate], task: Task
) -> tuple[list[CandidatePlan], TrainedPart]:
    plans = [
        plan_candidate(
            network.backbone,
            c.method.plan(network.backbone, tuple(c.grouping or ()), c.config),
            c.grouping,
            c,
            heads(network, c, task),
        )
        for c in candidates
    ]
    return plans, network.trained_part({key for plan in plans for key in plan.trained})


def heads(network: TracedNetwork, candidate: Candidate, task: Task) -> dict[str, Tensor]:
    """Return the head that a candidate starts from, where it is not zero."""
    start, way = candidate.method.head, len(task.support.classes)
    return {} if start.zero else started(network.backbone.with_new_head(way), start, task.support)


def chunk_of(
    network: TracedNetwork, task: Task, candidates: Sequence[Candidate]
) -> tuple[Chunk, TrainedPart]:
    plans, part = planned(network, candidates, task)
    given = task.support
    return Chunk(part, plans, compute_frozen_features(part, given.inputs), given.targets), part


def together(
    backbone: Backbone, task: Task, candidates: Sequence[Candidate], images: Tensor
) -> list[Tensor | None]:
    """Return every candidate's logits, computed as one where that is possible."""
    network = traced(backbone, task)
    assert network.graph is not None
    if not can_batch(planned(network, candidates, task)[1]):
        return [one for c in candidates for one in _trained(network, task, [c], images)]
    return _trained(network, task, candidates, images)


def logits_of(chunk: Chunk, part: TrainedPart, images: Tensor) -> Tensor:
    """Return logits, shape (C, N, classes)."""
    return chunk.logits(compute_frozen_features(part, images)).transpose(1, 2)


def _trained(
    network: TracedNetwork, task: Task, candidates: Sequence[Candidate], images: Tensor
) -> list[Tensor | None]:
    chunk, part = chunk_of(network, task, candidates)
    diverged = torch.zeros(len(candidates), dtype=torch.bool)
    for _, losses in chunk.states():
        diverged |= ~torch.isfinite(losses)
    logits = logits_of(chunk, part, images)
    return [None if gone else one for one, gone in zip(logits, diverged, strict=True)]


def difference(found: Tensor | None, expected: Tensor | None) -> float:
    """Return max |difference| / max(1, max |expected|); 0 where both diverged."""
    if found is None or expected is None:
        return 0.0 if found is expected else float("inf")
    return ((found - expected).abs().max() / expected.abs().max().clamp_min(1.0)).item()
