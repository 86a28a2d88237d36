"""A method that adds to a network what it does not rebuild."""

from __future__ import annotations

from dataclasses import dataclass

import torch

import kshot_viz as kv


@dataclass(frozen=True)
class Anchored(kv.Method):
    """Keeps where the network started, and does not say how to put that in again."""

    name = "anchored"
    label = "anchored"

    def attach(self, network, setup):
        network.module.register_buffer("anchor", torch.zeros(2))
        return super().attach(network, setup)
