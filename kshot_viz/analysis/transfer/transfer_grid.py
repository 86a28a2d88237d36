"""Which source helps which target, from which start: a case of :func:`kshot_viz.study`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kshot_viz.analysis.transfer.cells import STARTS, Cell, Start, cells_of
from kshot_viz.analysis.transfer.representations import layer_rows
from kshot_viz.analysis.transfer.resolve import (
    architectures,
    check_meetings,
    checked_seeds,
    checked_sources,
    named,
    trained_sources,
)
from kshot_viz.analysis.transfer.result import TransferGrid, grid_rows, task_name
from kshot_viz.checks import checked, flag, instance, names, number, optional, text, whole
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes import sample_episodes
from kshot_viz.errors import KShotValueError
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.models.backbone import Backbone
from kshot_viz.study.regimes.run_study import study
from kshot_viz.study.regimes.study import Study
from kshot_viz.study.regimes.study_task import StudyTask
from kshot_viz.study.settings.grid import TuningGrid

# Small, since it runs for every cell. One number of steps: random weights learn more slowly. The
# largest step size collapses, which the rule of choice has to see to keep away from it.
GRID = TuningGrid(
    lrs=(1e-3, 3e-3, 1e-2, 3e-2), head_lrs=(0.01,), head_only_lrs=(0.01, 0.1, 1.0), steps=(40,)
)
# The regime of a study that settings are chosen in, and the rule.
REGIME, RULE = "many", "guarded"


@checked(
    starts=names,
    way=optional(whole(2)),
    query=whole(1),
    episodes=whole(1),
    n_val=whole(1),
    val_share=number(0, above=True),
    grid=optional(instance(TuningGrid)),
    training=optional(instance(FinetuneConfig)),
    cache=optional(instance(str, Path)),
    out=optional(instance(str, Path)),
    executor=text,
    workers=optional(whole(1)),
    seed=whole(0),
    progress=flag,
)
def transfer_grid(
    sources: Mapping[str, ImageDataset | Backbone] | Sequence[ImageDataset | Backbone],
    targets: Mapping[str, ImageDataset] | Sequence[ImageDataset] | ImageDataset,
    *,
    networks: Mapping[str, Backbone] | Sequence[Backbone] | None = None,
    starts: Sequence[str] = tuple(STARTS),
    shots: int | Sequence[int] = 5,
    way: int | None = None,
    query: int = 15,
    episodes: int = 12,
    seeds: int | Sequence[int] = (0, 1, 2),
    n_val: int = 4,
    val_share: float = 0.4,
    grid: TuningGrid | None = None,
    n_groups: Any = 0.1,
    training: FinetuneConfig | None = None,
    cache: str | Path | None = None,
    executor: str = "serial",
    workers: int | None = None,
    device: str | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    progress: bool = False,
) -> TransferGrid:
    """Fine-tune every source on every target, from several starts, beside random weights.

    Parameters
    ----------
    sources : mapping or sequence of ImageDataset or Backbone
        What the weights come from. A data set is learned from random weights by each network, anew
        for every seed (:func:`source_network`); a network is taken as it is.
    targets : mapping or sequence of ImageDataset
    networks : mapping or sequence of Backbone, optional
        Architectures that learn the sources; their weights are not used. That of the bundled
        network by default.
    starts : sequence of str
        ``"frozen"``, ``"last_block"``, ``"all"`` and ``"grouped"``: the source's weights, of which
        only a new head, the last block, everything, or everything in groups of neurons is trained.
        ``"hybrid:LAYER"``: the source up to a layer and random weights above it, everything trained
        (``"hybrid"`` cuts at the middle layer). ``"mean_variance"``: random weights with the
        mean and variance of each tensor of the source. ``"random"``: random weights, which are
        always there, tuned by every method.
    shots : int or sequence of int
    way : int, optional
        Classes of an episode; all of a target by default.
    query, episodes : int
        Queries of a class, and test episodes; all cells of a target share them.
    seeds : int or sequence of int
        Of random weights, and of the training of the sources.
    n_val : int
        Tuning episodes on which every cell chooses its own settings.
    val_share : float
        Share of the images of each class of a target that settings may be chosen on.
    grid : TuningGrid, optional
        What is tried; a small one by default.
    n_groups : float, int or mapping
        For ``"grouped"``: see :func:`kshot_viz.cluster_neurons`.
    training : FinetuneConfig, optional
        How sources are learned: see :func:`source_network`.
    cache : path, optional
        Folder that keeps the weights of learned sources.
    executor, workers, device
        As in :func:`kshot_viz.evaluate`.
    out : path, optional
        Folder that keeps finished rows and, in the end, the grid: see :meth:`TransferGrid.load`.
    seed : int
        Of the episodes and of grouping.
    progress : bool

    Returns
    -------
    TransferGrid

    Raises
    ------
    KShotKeyError
        For an unknown start, or a layer that a network does not have.
    KShotValueError
        For a target with too few images, a source that holds images of a target, and images that a
        network cannot take.

    Notes
    -----
    Batch norms above random weights take their statistics from images of the target that settings
    are chosen on, without labels; else a random network would give nearly constant features, and
    every source would look better than it is.
    """
    given, found_seeds = checked_sources(sources), checked_seeds(seeds)
    onto = named("targets", targets, (ImageDataset,))
    wanted = _starts(starts)
    tasks: dict[str, Any] = {
        "shots": _shots(shots),
        "way": way,
        "query": query,
        "episodes": episodes,
        "val_share": val_share,
    }
    made_of = architectures(networks, given)
    check_meetings(given, made_of, onto, wanted)
    images = {name: _tuning_images(data, tasks, n_val, seed) for name, data in onto.items()}
    trained = trained_sources(given, made_of, found_seeds, training, cache)
    cells = [one for name in onto for one in cells_of(trained, name, images[name], wanted)]
    options = {
        "regimes": [REGIME],
        "rules": [RULE],
        "n_groups": n_groups,
        "n_val": n_val,
        "grid": grid or GRID,
        "executor": executor,
        "workers": workers,
        "device": device,
        "seed": seed,
        "progress": progress,
    }
    studies = _studied(cells, onto, tasks, options, out)
    about = {
        "sources": list(given),
        "targets": list(onto),
        "starts": [one.name for one in wanted],
        "seeds": list(found_seeds),
        "n_val": n_val,
        "learned": _learned(trained),
        "cells": [_record(one) for one in cells],
    }
    found = TransferGrid(
        grid_rows(studies, cells, wanted), layer_rows(studies, cells, wanted, seed), studies, about
    )
    if out is not None:
        found.save(out)
    return found


def _starts(given: Sequence[str]) -> list[Start]:
    found = [Start.named(one) for one in dict.fromkeys(given)]
    if not found:
        raise KShotValueError(f"`starts` is empty; give some of {', '.join(map(repr, STARTS))}.")
    return found


def _shots(given: Any) -> tuple[int, ...]:
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    if not found or len(set(map(str, found))) < len(found):
        raise KShotValueError(f"`shots` must be one or more different numbers; not {given!r}.")
    return found


def _tuning_images(
    data: ImageDataset, tasks: Mapping[str, Any], n_val: int, seed: int
) -> ImageDataset:
    """Return the images of a target that settings are chosen on; also finds what it lacks."""
    used: set[int] = set()
    for shot in tasks["shots"]:
        drawn = sample_episodes(
            data,
            way=tasks["way"],
            shot=shot,
            query=tasks["query"],
            n=n_val,
            val_share=tasks["val_share"],
            seed=seed,
            pool="val",
            min_query=1,
        )
        used |= {image for one in drawn for image in (*one.support, *one.query)}
    return data.take(sorted(used))


def _studied(
    cells: Sequence[Cell],
    targets: Mapping[str, ImageDataset],
    tasks: Mapping[str, Any],
    options: Mapping[str, Any],
    out: str | Path | None,
) -> dict[str, Study]:
    """Run a study for each list of methods, a task for each cell."""
    found: dict[str, Study] = {}
    for methods in dict.fromkeys(one.methods for one in cells):
        name = f"study_{len(found)}"
        own = [
            StudyTask(one.backbone, targets[one.target], name=task_name(at, one.target), **tasks)
            for at, one in enumerate(cells)
            if one.methods == methods
        ]
        folder = None if out is None else Path(out) / name
        found[name] = study(own, methods=list(methods), out=folder, **options)
    return found


def _learned(trained: Sequence[Any]) -> list[dict[str, Any]]:
    """Say how well each learned source does on images of its own data that were held out."""
    return [
        {
            "source": one.source,
            "network": one.network,
            "seed": seed,
            "accuracy": network.notes["accuracy"],
            "images": network.notes["images"],
        }
        for one in trained
        if not one.fixed
        for seed, network in one.by_seed.items()
    ]


def _record(cell: Cell) -> dict[str, Any]:
    return {
        "source": cell.source,
        "network": cell.network,
        "target": cell.target,
        "weights": cell.weights,
        "seeds": list(cell.seeds),
        "backbone": cell.backbone.name,
    }
