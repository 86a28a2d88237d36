"""What the machine can do: multiplications and memory traffic of one thread."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def matmul_rate() -> float:
    """Return the best rate of a large matrix product, in floating point operations a second."""
    a = torch.rand(1024, 1024)
    return 2 * 1024**3 / _best(lambda: torch.mm(a, a))


def memory_rate() -> float:
    """Return the rate of a copy that does not fit into the cache, in bytes a second."""
    a, b = torch.rand(2**25), torch.empty(2**25)
    return 2 * a.nbytes / _best(lambda: b.copy_(a))


def _best(work: Callable[[], object], rounds: int = 7) -> float:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    torch.set_num_threads(before)
    return min(times)
