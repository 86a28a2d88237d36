"""Episodes of digits for the bundled network, to compare a method with another program for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import kshot_viz as kv
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.models.backbone import Backbone
from kshot_viz.threads import one_thread

# (backbone, support, query) -> predicted class indices of the queries.
Program = Callable[[Backbone, ImageDataset, ImageDataset], torch.Tensor]


@one_thread()
def accuracies(
    candidate: kv.Candidate, program: Program, *, shot: int = 1, n: int = 20, **options: Any
) -> tuple[float, float]:
    """Return the mean accuracy of a candidate and that of another program, in percent."""
    backbone, data = kv.load_backbone("glyphnet"), kv.load_dataset("digits")
    episodes = kv.sample_episodes(data, way=10, shot=shot, query=10, n=n, val_share=0, seed=0)
    rows = kv.evaluate(backbone, data, episodes, [candidate], **options)
    assert set(rows["status"]) == {"ok"}
    other = []
    for episode in episodes:
        support, query = episode.split(data)
        predicted = program(backbone, support, query).numpy()
        other.append(np.mean(predicted == query.targets))
    return 100 * float(rows["accuracy"].mean()), 100 * float(np.mean(other))
