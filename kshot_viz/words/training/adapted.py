"""A backbone with the head and the changes of a task, and how much the changes help."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.models.backbone import Backbone
from kshot_viz.seeds import torch_rng
from kshot_viz.stats import bootstrap_mean, paired_differences
from kshot_viz.words.folding import folded_parameters, with_biases
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.training.scoring import (
    SEED,
    accuracy,
    encoder_prototypes,
    sample_tasks,
)
from kshot_viz.words.training.tasks import FeatureBank

# Each image passes through the network once a task, so fewer than where features are cached.
_EPISODES, _QUERIES = 100, 5


class AdaptedNetwork:
    """The backbone with the head and the changes of a task, computed without folding.

    Parameters
    ----------
    backbone : Backbone
        What the words are for.
    encoder : WordsEncoder
        With its adaptation.
    data : ImageDataset
        The images.
    way : int
        Classes of a task.
    """

    def __init__(
        self, backbone: Backbone, encoder: WordsEncoder, data: ImageDataset, way: int
    ) -> None:
        self._network = with_biases(backbone.with_new_head(way))
        self._network.module.requires_grad_(False)
        self._encoder, self._data, self.way = encoder, data, way
        self._head = f"{self._network.head_name}.linear"

    def logits(self, tokens: Tensor, images: Tensor, changed_by: Tensor | None = None) -> Tensor:
        """Return logits (N, way) of images.

        Parameters
        ----------
        tokens : Tensor
            (way, T): the task's own.
        images : Tensor
            (N,): positions in the data.
        changed_by : Tensor, optional
            Tokens that decide the changes, in place of the task's own: a control.
        """
        with torch.no_grad():
            labels = self._encoder.labels(tokens[None])[0]
            weight, bias = self._encoder.head.linear(self._encoder.head(labels))
            read = labels if changed_by is None else self._encoder.labels(changed_by[None])[0]
        assert self._encoder.adaptation is not None
        changed = folded_parameters(self._network, self._encoder.adaptation(read))
        batch = self._network.prepare(self._data.images[images.numpy()])
        head = {f"{self._head}.weight": weight, f"{self._head}.bias": bias}
        # The words are float32; the network may be another kind of float.
        changed |= {
            name: value.to(self._network.module.get_parameter(name)) for name, value in head.items()
        }
        out = functional_call(self._network.module, changed, (batch,))
        return out.flatten(1)

    def accuracy(
        self, tokens: Tensor, images: Tensor, changed_by: Tensor | None = None
    ) -> np.ndarray:
        """Return the accuracy (tasks,) of tokens (tasks, way, T), images (tasks, way, n)."""
        others = tokens if changed_by is None else changed_by
        right = torch.arange(images.shape[1]).repeat_interleave(images.shape[2])
        with torch.no_grad():
            guesses = [
                self.logits(row, shown.flatten(), other).argmax(dim=1)
                for row, shown, other in zip(tokens, images, others, strict=True)
            ]
        return np.array([float((one == right).double().mean()) for one in guesses])


def adapted_scores(
    network: AdaptedNetwork,
    encoder: WordsEncoder,
    bank: FeatureBank,
    tokens: Tensor,
    classes: Tensor,
) -> dict[str, Any] | None:
    """Compare with and without changes on the same tasks of held-out classes.

    Returns
    -------
    dict or None
        For ``"random"`` and ``"similar"`` tasks: by how much the changes raise accuracy, with a
        95 % interval over tasks. None where there are fewer classes than in a task.
    """
    queries = min(_QUERIES, int(bank.counts[classes].min())) if len(classes) else 0
    if len(classes) < network.way or not queries:
        return None
    found: dict[str, Any] = {}
    for kind in ("random", "similar"):
        tasks = sample_tasks(encoder, bank, classes, kind, way=network.way, n=_EPISODES)
        images = bank.draw_distinct(tasks, queries, torch_rng(SEED, "adapted", kind))
        plain = accuracy(encoder, encoder_prototypes(encoder, tokens[tasks]), bank, images)
        gains = paired_differences(network.accuracy(tokens[tasks], images), plain)
        found[kind] = asdict(bootstrap_mean(gains))
    return found
