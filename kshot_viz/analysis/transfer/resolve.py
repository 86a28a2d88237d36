"""Sources, networks and targets as a user gives them, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kshot_viz.analysis.transfer.cells import RANDOM, Start, Trained
from kshot_viz.analysis.transfer.source_network import source_network
from kshot_viz.checks import check, shown, whole
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.images import slice_images
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.loop import check_applies
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import resolve_method
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.loading.load_backbone import load_backbone
from kshot_viz.text import listed

DEFAULT_NETWORK = "glyphnet"


def named(argument: str, given: Any, kinds: tuple[type, ...]) -> dict[str, Any]:
    """Return things by their names: of a mapping, or those that they have.

    Raises
    ------
    KShotValueError
        For none at all, another type, or two of one name.
    """
    types = " or ".join(kind.__name__ for kind in kinds)
    if isinstance(given, Mapping):
        pairs = [(str(name), one) for name, one in given.items()]
    elif isinstance(given, kinds):
        pairs = [(getattr(given, "name", ""), given)]
    elif isinstance(given, Iterable) and not isinstance(given, (str, bytes)):
        pairs = [(getattr(one, "name", ""), one) for one in given]
    else:
        raise KShotValueError(f"`{argument}` must be a mapping of {types}; not {shown(given)}.")
    wrong = [one for _, one in pairs if not isinstance(one, kinds)]
    if wrong or not pairs:
        what = shown(wrong[0]) if wrong else "empty"
        raise KShotValueError(f"`{argument}` must be one or more of type {types}; not {what}.")
    names = [name for name, _ in pairs]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise KShotValueError(
            f"`{argument}` must have distinct names; twice: {', '.join(map(repr, double))}. Give a "
            f"mapping from names."
        )
    return dict(pairs)


def checked_seeds(seeds: Any) -> tuple[int, ...]:
    """Return distinct seeds, one or more."""
    found = tuple(seeds) if isinstance(seeds, Iterable) else (seeds,)
    for one in found:
        check("seeds", one, whole(0))
    if not found or len(set(found)) < len(found):
        raise KShotValueError(f"`seeds` must be one or more different numbers; not {found!r}.")
    return tuple(map(int, found))


def checked_sources(sources: Any) -> dict[str, Any]:
    """Return the sources by name."""
    found = named("sources", sources, (ImageDataset, Backbone))
    if RANDOM in found:
        raise KShotValueError(
            f"A source cannot be called {RANDOM!r}: that is what all others are compared with."
        )
    return found


def architectures(networks: Any, sources: Mapping[str, Any]) -> dict[str, Backbone]:
    """Return the architectures by name: those given, or the bundled one where it is needed."""
    if networks is not None:
        return named("networks", networks, (Backbone,))
    trained = any(isinstance(one, ImageDataset) for one in sources.values())
    return {DEFAULT_NETWORK: load_backbone(DEFAULT_NETWORK, weights=None)} if trained else {}


def check_meetings(
    sources: Mapping[str, Any],
    networks: Mapping[str, Backbone],
    targets: Mapping[str, ImageDataset],
    starts: Sequence[Start],
) -> None:
    """Raise a KShotError where a source and a target cannot meet."""
    for source, one in sources.items():
        takers = [one] if isinstance(one, Backbone) else [*networks.values()]
        for network in takers:
            for start in starts:
                start.cut_of(network)
                check_applies(resolve_method(start.method), network)
            for target, data in targets.items():
                _check_taken(network, source, one, target, data)
        if isinstance(one, ImageDataset):
            for target, data in targets.items():
                _check_unseen(source, one, target, data)


def _check_taken(
    network: Backbone, source: str, given: Any, target: str, data: ImageDataset
) -> None:
    if isinstance(given, ImageDataset):
        _taken(network, f"source {source!r}", given)
    try:
        _taken(network, f"target {target!r}", data)
    except KShotValueError as error:
        raise KShotValueError(f"{error} It is the network of the source {source!r}.") from error


def _taken(network: Backbone, what: str, data: ImageDataset) -> None:
    shape: tuple[int, ...] = data.images[0].shape if len(data) else ()
    try:
        network.prepare(slice_images(data, 0, 1))
    except KShotValueError as error:
        channels = f" of {shape[2]} channel{'s' * (shape[2] != 1)}" if len(shape) == 3 else ""
        raise KShotValueError(
            f"The network {network.name!r} cannot take the images{channels} of the {what}: {error} "
            f"Source and target must both fit it; a kv.Preprocess makes them grey or coloured."
        ) from error


def _check_unseen(source: str, given: ImageDataset, target: str, data: ImageDataset) -> None:
    common = set(given.digests) & set(data.digests)
    if common:
        raise KShotValueError(
            f"The source {source!r} holds {len(common)} images of the target {target!r}: what it "
            f"learned from them is no transfer. Give it other classes: "
            f"kshot_viz.data.transforms.only_classes."
        )


def trained_sources(
    sources: Mapping[str, Any],
    networks: Mapping[str, Backbone],
    seeds: Sequence[int],
    config: FinetuneConfig | None,
    cache: str | Path | None,
) -> list[Trained]:
    """Return the networks of every source; data sets are learned by each architecture."""
    found = []
    for source, one in sources.items():
        if isinstance(one, Backbone):
            found.append(
                Trained(source, _network_name(one, networks), dict.fromkeys(seeds, one), True)
            )
            continue
        for name, architecture in networks.items():
            by_seed = {
                seed: source_network(
                    one, architecture=architecture, config=config, seed=seed, cache=cache
                )
                for seed in seeds
            }
            found.append(Trained(source, name, by_seed, False))
    _check_alike(found)
    return found


def _network_name(given: Backbone, networks: Mapping[str, Backbone]) -> str:
    """Return the name of the architecture that a network has, its own where it is none of them."""
    same = (name for name, one in networks.items() if _form(one) == _form(given))
    return next(same, given.name)


def _check_alike(found: Sequence[Trained]) -> None:
    """Raise a KShotValueError where two architectures go by one name."""
    first: dict[str, Trained] = {}
    for one in found:
        known = first.setdefault(one.network, one)
        forms = [_form(next(iter(each.by_seed.values()))) for each in (known, one)]
        if forms[0] != forms[1]:
            raise KShotValueError(
                f"The sources {listed([repr(known.source), repr(one.source)])} are networks with "
                f"one name, {one.network!r}, whose shapes or preprocess differ: random weights of "
                f"one are no reference for the other. Give the networks a `name=` each."
            )


def _form(backbone: Backbone) -> tuple[str, list[tuple[str, tuple[int, ...]]]]:
    """Return what random weights have in common with a source: preprocess and shapes."""
    head = backbone.head_parameters()
    parameters = backbone.module.named_parameters()
    shapes = [(name, tuple(one.shape)) for name, one in parameters if name not in head]
    return repr(backbone.preprocess), shapes
