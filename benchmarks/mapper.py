"""What a Mapper graph costs: beside the plain way at 2,000 points, and alone at 300,000.

    python benchmarks/mapper.py                  # both
    python benchmarks/mapper.py --large 30000    # fewer points in the second part

Equality with the plain way is asserted first: a mask for each interval, scikit-learn's DBSCAN, and
an intersection for every pair of nodes. Points are made: ReLU of Gaussian mixtures, 10 or 100
classes.
Times are CPU seconds of one thread, with wall-clock seconds in brackets.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.analysis import MapperGraph, mapper_graph
from kshot_viz.analysis.topology.points import canonical_order
from kshot_viz.threads import one_thread

FEATURES = 128
SMALL_LIMIT, LARGE_LIMIT = 2.0, 60.0


def activations(n: int, n_classes: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return made activation vectors and their classes, in the order that Mapper computes in."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n_classes, FEATURES))
    classes = rng.integers(n_classes, size=n)
    length = rng.uniform(0.5, 2.0, size=(n, 1))
    raw = length * centres[classes] + 0.3 * rng.normal(size=(n, FEATURES))
    points = np.maximum(raw, 0).astype(np.float32)
    order = canonical_order(points)
    return points[order], classes[order]


@one_thread()
def plain_way(points: NDArray[np.float32], bounds: NDArray[np.float64], epsilon: float) -> Any:
    """Return members and edges by masks, scikit-learn and sets."""
    from sklearn.cluster import DBSCAN

    lens = np.linalg.norm(points.astype(np.float64), axis=1)
    nodes = []
    for low, high in bounds:
        rows = np.flatnonzero((lens >= low) & (lens <= high))
        if len(rows):
            labels = DBSCAN(eps=epsilon, min_samples=5).fit_predict(points[rows])
            nodes += [rows[labels == one] for one in range(labels.max() + 1)]
    sets = [set(one.tolist()) for one in nodes]
    pairs = combinations(range(len(sets)), 2)
    return nodes, {(a, b): len(sets[a] & sets[b]) for a, b in pairs if sets[a] & sets[b]}


def assert_equal(graph: MapperGraph, plain: Any) -> None:
    """Compare nodes and edges."""
    nodes, edges = plain
    assert [one.members.tolist() for one in graph.nodes] == [one.tolist() for one in nodes]
    assert dict(zip(map(tuple, graph.edges.tolist()), graph.shared.tolist(), strict=True)) == edges


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return a result, CPU seconds and wall-clock seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def small(n: int, rounds: int) -> None:
    """Time both ways in turns, after their results were found equal."""
    points, classes = activations(n, 10)
    graph = mapper_graph(points, labels=classes)
    ways = {
        "mapper_graph": lambda: mapper_graph(points, labels=classes),
        "plain": lambda: plain_way(points, graph.bounds[0], graph.settings["epsilon"]),
    }
    assert_equal(graph, ways["plain"]())
    taken = [{name: timed(way)[1:] for name, way in ways.items()} for _ in range(rounds)]
    cpu, wall = (
        {name: float(np.median([one[name][at] for one in taken])) for name in ways} for at in (0, 1)
    )
    print(f"{n:,} points x {FEATURES}, equal to the plain way: {graph.summary()}")
    for name in ways:
        print(f"  {name:14}{cpu[name]:7.3f} s ({wall[name]:.3f} s)")
    print(
        f"  the plain way, which finds no epsilon, takes {cpu['plain'] / cpu['mapper_graph']:.2f}x"
    )
    print(f"  limit {SMALL_LIMIT:g} s: {_verdict(cpu['mapper_graph'], SMALL_LIMIT)}")


def large(n: int) -> None:
    """Time one graph with TopoAct's number of intervals, with either cover."""
    points, classes = activations(n, 100)
    for cover in ("uniform", "balanced"):
        graph, cpu, wall = timed(
            lambda cover=cover: mapper_graph(points, labels=classes, intervals=70, cover=cover)
        )
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{n:,} points x {FEATURES}, 70 intervals, {cover}: {graph.summary()}")
        print(f"  {cpu:.1f} s ({wall:.1f} s), at most {memory:.1f} GB of memory so far")
        print(f"  limit {LARGE_LIMIT:g} s: {_verdict(cpu, LARGE_LIMIT)}")


def _verdict(seconds: float, limit: float) -> str:
    return "held" if seconds <= limit else "MISSED"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", type=int, default=2000)
    parser.add_argument("--large", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    small(options.small, options.rounds)
    if options.large:
        large(options.large)
