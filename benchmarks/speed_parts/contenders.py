"""Ways to run the same candidates; each returns their predictions for the queries."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from inspect import unwrap
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, vmap

import kshot_viz as kv
from speed_parts.cases import Case

Predictions = dict[tuple[str, str], list[int]]
Episodes = Sequence[kv.Episode]


def loop(case: Case, episodes: Episodes, threads: int) -> tuple[float, Predictions]:
    """Run the reference: fine-tune and score one after the other in this process."""
    # The library computes on one thread; without its decorator torch uses as many as asked for.
    tune, logits = unwrap(kv.finetune), unwrap(kv.FinetuneResult.logits)
    with _threads(threads):
        begin = time.perf_counter()
        predictions = {}
        for episode in episodes:
            support, query = episode.split(case.data)
            for one in case.candidates[:: case.share]:
                result = tune(
                    case.backbone,
                    support,
                    method=one.method,
                    grouping=one.grouping,
                    config=one.config,
                )
                predictions[one.key, episode.name] = logits(result, query).argmax(dim=1).tolist()
        return (time.perf_counter() - begin) / len(predictions), predictions


def evaluated(
    case: Case, episodes: Episodes, *, path: str, workers: int
) -> tuple[float, Predictions]:
    """Run the library's own ``evaluate`` in worker processes that are up already."""
    chosen = case.candidates[:: case.share] if path == "loop" else case.candidates
    pool: dict[str, Any] = {"executor": "processes", "workers": workers}
    short = [replace(one, config=one.config.but(steps=0)) for one in chosen[:2]]
    kv.evaluate(case.backbone, case.data, case.rounds[0][:1], short, path="loop", **pool)
    begin = time.perf_counter()
    rows = kv.evaluate(case.backbone, case.data, episodes, chosen, path=path, **pool)
    seconds = time.perf_counter() - begin
    keys = zip(rows.candidate, rows.episode, strict=True)
    return seconds / len(rows), dict(zip(keys, rows.predicted, strict=True))


def vectorised(case: Case, episodes: Episodes) -> tuple[float, Predictions]:
    """Run ``torch.func.vmap`` over the step of 8 candidates, in one thread."""
    with _threads(1):
        begin = time.perf_counter()
        chosen = case.candidates[:: case.share][:8]
        predictions = {}
        for episode in episodes:
            found = _vectorised(case, *episode.split(case.data), chosen)
            predictions |= {(key, episode.name): one for key, one in found.items()}
        return (time.perf_counter() - begin) / len(predictions), predictions


@contextlib.contextmanager
def _threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _vectorised(
    case: Case,
    support: kv.ImageDataset,
    query: kv.ImageDataset,
    chosen: Sequence[kv.Candidate],
) -> dict[str, list[int]]:
    tuned = case.backbone.with_new_head(len(set(support.targets.tolist())))
    module, config = tuned.module, chosen[0].config
    inputs, targets = tuned.prepare(support.images), torch.from_numpy(support.targets)
    start = {name: value.detach() for name, value in module.named_parameters()}
    step_sizes = _step_sizes(tuned, chosen)
    ties = {name: one for name, one in _ties(tuned, chosen).items() if step_sizes[name].any()}
    trained_names = [name for name in start if step_sizes[name].any()]
    fixed = {name: value for name, value in start.items() if name not in trained_names}

    def loss(trained: dict[str, Tensor]) -> Tensor:
        logits = functional_call(module, {**fixed, **trained}, inputs)
        return F.cross_entropy(logits, targets)

    step = vmap(grad(loss))
    values = {
        name: start[name].expand(len(chosen), *start[name].shape).clone() for name in trained_names
    }
    velocity = {name: torch.zeros_like(value) for name, value in values.items()}
    for _ in range(config.steps):
        for name, gradient in step(values).items():
            if name in ties:
                gradient = torch.einsum("cij,cj...->ci...", ties[name], gradient)
            velocity[name] = velocity[name] * config.momentum + gradient
            rate = step_sizes[name].view(-1, *[1] * (gradient.ndim - 1))
            values[name] = values[name] - rate * velocity[name]
    queries = tuned.prepare(query.images)
    with torch.no_grad():
        logits = vmap(lambda one: functional_call(module, {**fixed, **one}, queries))(values)
    found = logits.argmax(dim=2).tolist()
    return {one.key: predictions for one, predictions in zip(chosen, found, strict=True)}


def _step_sizes(tuned: kv.Backbone, chosen: Sequence[kv.Candidate]) -> dict[str, Tensor]:
    head = tuned.head_parameters()
    names = [name for name, _ in tuned.module.named_parameters()]

    def rate(one: kv.Candidate, name: str) -> float:
        if name in head:
            return one.config.head_lr
        if one.method.name == "head_only" or any(
            name.startswith(f"{k}.") for k in one.config.layer_lr
        ):
            return 0.0
        return one.config.lr

    return {name: torch.tensor([rate(one, name) for one in chosen]) for name in names}


def _ties(tuned: kv.Backbone, chosen: Sequence[kv.Candidate]) -> dict[str, Tensor]:
    """Return the projection on group means of every tied parameter, (candidates, n, n)."""
    found = {}
    for layer in chosen[0].grouping or ():
        labels = torch.stack([torch.tensor(one.grouping[layer]) for one in chosen])
        member = F.one_hot(labels).float()
        share = member / member.sum(dim=1, keepdim=True).clamp(min=1)
        for name in tuned.tied_parameters(layer):
            found[name] = share @ member.transpose(1, 2)
    return found
