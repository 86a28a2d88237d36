"""Tracing in one thread while others use their networks: dashboards do that all the time."""

from __future__ import annotations

import threading

import torch
from torch import nn

from kshot_viz.evaluate.fast.trace import _Tracer

PATIENCE = 60


class Slow(nn.Module):
    """Its trace ends when the test sets ``over``."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.begun, self.over = threading.Event(), threading.Event()

    def forward(self, x):
        self.begun.set()
        assert self.over.wait(PATIENCE)
        return self.layer(x)


def test_other_threads_call_their_modules_while_one_traces():
    slow, other, graphs = Slow(), nn.Sequential(nn.Linear(3, 4), nn.ReLU()), []
    expected = other(torch.ones(1, 3))
    thread = threading.Thread(target=lambda: graphs.append(_Tracer().trace(slow)))
    thread.start()
    assert slow.begun.wait(PATIENCE)
    try:
        output = other(torch.ones(1, 3))
    finally:
        slow.over.set()
        thread.join(PATIENCE)
    assert torch.equal(output, expected)
    assert [node.op for node in graphs[0].nodes] == ["placeholder", "call_module", "output"]
