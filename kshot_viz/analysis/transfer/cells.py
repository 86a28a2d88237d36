"""The cells of a grid: which weights meet which target, and which methods tune them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kshot_viz.analysis.transfer.starts import hybrid_start, mean_variance_start, random_start
from kshot_viz.errors import unknown_name
from kshot_viz.models.backbone import Backbone

# The name of the source that every other one is compared with.
RANDOM = "random"
SOURCE, MATCHED, HYBRID = "source", "mean_variance", "hybrid"


@dataclass(frozen=True)
class Start:
    """Where fine-tuning starts, and what it trains.

    Attributes
    ----------
    name : str
    weights : str
        "source", "random", "mean_variance", or "hybrid".
    method : str
        Of :func:`kshot_viz.list_methods`.
    cut : str or None
        The last layer that a hybrid keeps; the middle one by default.
    """

    name: str
    weights: str
    method: str
    cut: str | None = None

    @classmethod
    def named(cls, name: object) -> Start:
        """Return a start by its name; one that does not exist is a KShotKeyError."""
        head, _, cut = str(name).partition(":")
        if head not in STARTS or (cut and head != HYBRID):
            raise unknown_name("starts", name, [*STARTS, f"{HYBRID}:LAYER"])
        weights, method = STARTS[head]
        return cls(str(name), weights, method, cut or None)

    def cut_of(self, backbone: Backbone) -> str:
        """Return the last layer that is kept of a network."""
        layers = list(backbone.layers)
        return layers[(len(layers) - 1) // 2] if self.cut is None else backbone.layer(self.cut).name


# The weights of each start, and the method that tunes them.
STARTS: dict[str, tuple[str, str]] = {
    RANDOM: (RANDOM, "plain"),
    MATCHED: (MATCHED, "plain"),
    "frozen": (SOURCE, "head_only"),
    "last_block": (SOURCE, "last_block"),
    "all": (SOURCE, "plain"),
    HYBRID: (HYBRID, "plain"),
    "grouped": (SOURCE, "grouped"),
}
# How sentences and figures call them.
_LABELS = {
    RANDOM: "random weights",
    MATCHED: "random, same mean and variance",
    "frozen": "features frozen",
    "last_block": "last block",
    "all": "everything fine-tuned",
    "grouped": "fine-tuned in groups",
}


def start_label(name: str) -> str:
    """Return what a start is called; a hybrid by its cut."""
    head, _, cut = name.partition(":")
    if head == HYBRID:
        return f"source up to {cut or 'the middle'}"
    return _LABELS.get(head, name)


@dataclass(frozen=True, eq=False)
class Cell:
    """A network to be tuned on a target.

    Attributes
    ----------
    source, network, target : str
    weights : str
        Name of the start for hybrids and weights of a source's mean and variance, else "source" or
        "random".
    seeds : tuple of int
        The seeds that this network stands for: all, where a source came as a network.
    backbone : Backbone
        Its name tells it from all others of the grid.
    methods : tuple of str
    """

    source: str
    network: str
    target: str
    weights: str
    seeds: tuple[int, ...]
    backbone: Backbone
    methods: tuple[str, ...]

    def start(self, method: str, starts: Sequence[Start]) -> str:
        """Return the name of the start that a method makes of these weights."""
        if self.weights in (SOURCE, RANDOM):
            fitting = (one.name for one in starts if (one.weights, one.method) == (SOURCE, method))
            plain = self.weights == RANDOM and method == STARTS[RANDOM][1]
            return RANDOM if plain else next(fitting)
        return self.weights


@dataclass(frozen=True, eq=False)
class Trained:
    """The networks of one source and architecture: one for each seed, or one for all."""

    source: str
    network: str
    by_seed: Mapping[int, Backbone]
    fixed: bool

    def networks(self) -> Iterator[tuple[tuple[int, ...], Backbone]]:
        """Yield each network with the seeds that it stands for."""
        if self.fixed:
            yield tuple(self.by_seed), next(iter(self.by_seed.values()))
            return
        yield from (((seed,), one) for seed, one in self.by_seed.items())


def cells_of(
    sources: Sequence[Trained], target: str, images: Any, starts: Sequence[Start]
) -> list[Cell]:
    """Return all cells of one target; ``images`` are what batch norms of random weights see."""
    own = _methods(one for one in starts if one.weights == SOURCE)
    every = _methods([Start.named(RANDOM), *starts])
    found, architectures = [], {one.network: one for one in sources}
    for name, first in architectures.items():
        for seed, network in first.by_seed.items():
            fresh = random_start(network, seed=seed, images=images)
            found.append(_cell(RANDOM, name, target, RANDOM, (seed,), fresh, every))
    for one in sources:
        about = one.source, one.network, target
        for seeds, network in one.networks() if own else ():
            found.append(_cell(*about, SOURCE, seeds, network, own))
        for start in starts:
            if start.weights not in (MATCHED, HYBRID):
                continue
            for seed, network in one.by_seed.items():
                fresh = _made(start, network, seed, images)
                found.append(_cell(*about, start.name, (seed,), fresh, (start.method,)))
    return found


def _made(start: Start, network: Backbone, seed: int, images: Any) -> Backbone:
    if start.weights == MATCHED:
        return mean_variance_start(network, seed=seed, images=images)
    return hybrid_start(network, start.cut_of(network), seed=seed, images=images)


def _methods(starts: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.method for one in starts))


def _cell(
    source: str,
    network: str,
    target: str,
    weights: str,
    seeds: tuple[int, ...],
    backbone: Backbone,
    methods: tuple[str, ...],
) -> Cell:
    named = backbone.to(next(backbone.module.parameters()).device)
    numbers = ", ".join(map(str, seeds))
    named.name = f"{network} of {source}, {weights} weights, seed {numbers}"
    return Cell(source, network, target, weights, seeds, named, methods)
