"""Which source helps with handwritten digits, and what fine-tuning hides of it.

    python benchmarks/transfer.py
    python benchmarks/transfer.py --page-only

The target is the digits 5 to 9. Sources are printed letters (the bundled network, and networks that
learn Greek letters), the other five digits as they are, turned, inverted and on a texture, and
shuffled patches of them, which have no strokes left. Nothing is downloaded. Finished rows are kept
in the folder of `--out`; the same command goes on from there. With `--page-only` nothing is run:
the page and its pictures are made again from the numbers that are kept beside it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

import kshot_viz as kv
from kshot_viz.analysis import TransferGrid, transfer_grid
from kshot_viz.analysis.transfer.columns import LAYERS
from kshot_viz.analysis.transfer.effects import is_clear, start_order
from kshot_viz.data.transforms import (
    inverted,
    only_classes,
    rotated,
    shuffled_patches,
    textured,
)
from kshot_viz.text import points, points_interval
from kshot_viz.viz import plot_masking, plot_transfer, save_figure

RESULTS = Path(__file__).parents[1] / "docs" / "results"
COMMAND = "python benchmarks/transfer.py"
PICTURES = {"effects": "transfer_effects.png", "masking": "transfer_masking.png"}
SHOT = 5


def sources() -> dict[str, Any]:
    """Return the sources by name, the nearest ones first."""
    digits = only_classes(kv.load_dataset("digits"), list("01234"))
    return {
        "letters": kv.load_backbone("glyphnet"),
        "Greek letters": kv.load_dataset("glyphs", scripts=["greek"], per_class=20),
        "digits 0-4": digits,
        "digits 0-4 rotated": rotated(digits),
        "digits 0-4 inverted": inverted(digits),
        "digits 0-4 textured": textured(digits),
        "shuffled patches": shuffled_patches(digits),
    }


def measured(seeds: int, episodes: int, workers: int, out: Path) -> TransferGrid:
    """Run the grid."""
    target = only_classes(kv.load_dataset("digits"), list("56789"))
    return transfer_grid(
        sources(),
        {"digits 5-9": target},
        shots=SHOT,
        episodes=episodes,
        seeds=tuple(range(seeds)),
        cache=out / "sources",
        executor="processes" if workers > 1 else "serial",
        workers=workers if workers > 1 else None,
        out=out,
        progress=True,
    )


def page(grid: TransferGrid) -> Iterator[str]:
    """Yield the paragraphs of the page."""
    seeds, tuning = len(grid.manifest["seeds"]), grid.manifest["n_val"]
    first = grid.frame().iloc[0]
    n = grid.frame()["episode"].nunique()
    yield "# Which source helps with digits, and what fine-tuning hides"
    yield f"Made by `{COMMAND}`."
    yield (
        f"The target is the digits 5 to 9, {first['way']} classes, {first['shot']} images of each, "
        f"{n} test episodes that all cells share, {seeds} seeds of random weights and of every "
        f"learned source. Each cell chose its step sizes on {tuning} tuning episodes. Differences "
        f"are to random weights that the same method tunes, paired by episode, in points with "
        f"their 95 % interval; **bold** is clear after adjusting for their number. Batch norms of "
        f"random weights take their statistics from images of the target, without labels."
    )
    yield "## What came out"
    yield "\n".join(f"- {one}" for one in grid.findings())
    yield f"![gain of each source over random weights]({PICTURES['effects']})"
    yield "## Every start"
    yield "\n".join(effects_table(grid))
    yield "Accuracy of random weights, %: " + ", ".join(random_accuracies(grid)) + "."
    yield "## Masking"
    yield (
        "The masking index is the gain with frozen features minus the gain after full fine-tuning. "
        "It is (source frozen - source tuned) - (random frozen - random tuned) in accuracies: a "
        "source near 100 % in both has the index of what random weights gain by tuning, here "
        f"{points(random_gain(grid))} points, however good it is. What is said of fine-tuning "
        "allows for the number of sources, and only a clear effect with frozen features counts as "
        "an advantage or a disadvantage."
    )
    yield "\n".join(masking_table(grid))
    yield f"![masking index of each source]({PICTURES['masking']})"
    yield (
        f"The same index with a hybrid, the source up to the middle and random weights above it, "
        f"instead of full fine-tuning of the source: {hybrid_indices(grid)}."
    )
    yield "## Layers"
    yield (
        "Linear CKA and SVCCA (after the stroke) of each layer, on query images: before and after "
        "full fine-tuning on the first episode, and of the tuned source with tuned random weights. "
        "Mean over seeds."
    )
    yield "\n".join(layers_table(grid))
    yield agreement(last_layer(grid))
    yield "## How well the sources are learned"
    yield "\n".join(learned_table(grid))


def effects_table(grid: TransferGrid) -> Iterator[str]:
    """Yield a row per source, a column per start."""
    found = grid.effects()
    starts = start_order(found["start"])
    yield "| source | " + " | ".join(starts) + " |"
    yield "| --- |" + " --- |" * len(starts)
    for source in grid.manifest["sources"]:
        own = found[found["source"] == source].set_index("start")
        yield f"| {source} | " + " | ".join(_cell(own.loc[one]) for one in starts) + " |"


def _cell(row: Any) -> str:
    text = points_interval(row["difference"], row["low"], row["high"])
    return f"**{text}**" if is_clear(row["verdict"]) else text


def random_accuracies(grid: TransferGrid) -> list[str]:
    """Return the mean accuracy of each method from random weights."""
    rows = grid.frame().query("source == 'random'")
    means = rows.groupby("start", sort=False)["accuracy"].mean()
    return [f"{one} {100 * means[one]:.1f}" for one in start_order(means.index)]


def masking_table(grid: TransferGrid) -> Iterator[str]:
    """Yield a row per source."""
    yield (
        "| source | accuracy frozen / full, % | frozen gain | full gain | masking index | "
        "fine-tuning |"
    )
    yield "| --- | --- | ---: | ---: | --- | --- |"
    for row in grid.masking().to_dict("records"):
        gains = f"{points(row['frozen_gain'])} | {points(row['tuned_gain'])}"
        index = points_interval(row["index"], row["low"], row["high"])
        own = f"{100 * row['frozen_accuracy']:.1f} / {100 * row['tuned_accuracy']:.1f}"
        yield f"| {row['source']} | {own} | {gains} | {index} | {row['verdict']} |"


def random_gain(grid: TransferGrid) -> float:
    """Return how much more accurate random weights are fully tuned than with frozen features."""
    first = grid.masking().iloc[0]
    return float(first["random_tuned_accuracy"] - first["random_frozen_accuracy"])


def hybrid_indices(grid: TransferGrid) -> str:
    """Return the masking index of each source from the hybrid start."""
    found = grid.masking("hybrid").to_dict("records")
    return "; ".join(
        f"{one['source']} {points_interval(one['index'], one['low'], one['high'])}" for one in found
    )


def layers_table(grid: TransferGrid) -> Iterator[str]:
    """Yield a row per source and what is compared, a column per layer."""
    found = shown_layers(grid)
    layers = list(dict.fromkeys(found["layer"]))
    means = found.groupby(["source", "compared", "layer", "measure"])["value"].mean()
    yield "| source | compared | " + " | ".join(layers) + " |"
    yield "| --- | --- |" + " --- |" * len(layers)
    for source, compared in found[["source", "compared"]].drop_duplicates().to_numpy():
        cells = [
            " / ".join(f"{means[source, compared, one, name]:.2f}" for name in ("cka", "svcca"))
            for one in layers
        ]
        yield f"| {source} | {compared} | " + " | ".join(cells) + " |"


def shown_layers(grid: TransferGrid) -> Any:
    """Return the layers of sources and random weights that were fully tuned."""
    found = grid.representations()
    return found[found["start"].isin(["all", "random"])]


def last_layer(grid: TransferGrid) -> list[dict[str, Any]]:
    """Return the frozen gain of each source beside how alike its last layer stays."""
    found = grid.representations().query("start == 'all' and compared == 'before and after'")
    last = found[(found["layer"] == found["layer"].iloc[-1]) & (found["measure"] == "cka")]
    alike = last.groupby("source")["value"].mean()
    gains = grid.masking().set_index("source")["frozen_gain"]
    return [
        {"source": one, "frozen_gain": float(gains[one]), "cka": float(alike[one])}
        for one in grid.manifest["sources"]
    ]


def agreement(rows: list[dict[str, Any]]) -> str:
    """Say whether accuracies and layers order the sources alike."""
    from scipy.stats import spearmanr

    gains, alike = ([row[name] for row in rows] for name in ("frozen_gain", "cka"))
    rank = spearmanr(gains, alike)
    return (
        f"Do layers say the same as accuracies? Over the {len(rows)} sources the gain with frozen "
        f"features and the CKA of the last layer before and after full fine-tuning have a rank "
        f"correlation of {rank.statistic:.2f} (Spearman, p = {rank.pvalue:.3f})."
    )


def learned_table(grid: TransferGrid) -> Iterator[str]:
    """Yield a row per source that was learned here."""
    yield "| source | images | accuracy on images held out, % |"
    yield "| --- | ---: | --- |"
    for source in grid.manifest["sources"]:
        own = [one for one in grid.manifest["learned"] if one["source"] == source]
        if own:
            shares = ", ".join(f"{100 * one['accuracy']:.1f}" for one in own)
            yield f"| {source} | {own[0]['images']:,} | {shares} |"


def record(grid: TransferGrid) -> dict[str, Any]:
    """Return the accuracies of every cell, and what was made of them.

    Accuracies are not rounded: means over seeds of rounded ones would break ties.
    """
    by = ["source", "target", "network", "start", "method", "seed", "shot", "way"]
    cells = [
        dict(zip(by, key, strict=True))
        | {"episodes": list(part["episode"]), "accuracy": part["accuracy"].tolist()}
        for key, part in grid.frame().groupby(by, sort=False)
    ]
    return {
        "cells": json.loads(json.dumps(cells, default=int)),
        "effects": grid.effects().round(5).to_dict(orient="records"),
        "masking": grid.masking().round(5).to_dict(orient="records"),
        "last_layer": last_layer(grid),
        "layers": mean_layers(grid),
        "learned": grid.manifest["learned"],
        "n_val": grid.manifest["n_val"],
    }


def mean_layers(grid: TransferGrid) -> list[dict[str, Any]]:
    """Return the similarities that the page shows, each the mean over seeds."""
    by = [one for one in LAYERS if one not in ("seed", "value")]
    means = shown_layers(grid).groupby(by, sort=False)["value"].mean().reset_index()
    return json.loads(means.to_json(orient="records"))


def kept(results: Path) -> TransferGrid:
    """Return the grid of the numbers beside the page; its layers are means over seeds."""
    found = json.loads((results / "transfer.json").read_text("utf-8"))
    rows = pd.DataFrame(
        {**cell, "episode": episode, "accuracy": accuracy}
        for cell in found["cells"]
        for episode, accuracy in zip(cell["episodes"], cell["accuracy"], strict=True)
    ).drop(columns="episodes")
    manifest = {
        "sources": [one for one in dict.fromkeys(rows["source"]) if one != "random"],
        "targets": list(dict.fromkeys(rows["target"])),
        "seeds": list(dict.fromkeys(rows["seed"])),
        "n_val": found["n_val"],
        "learned": found["learned"],
    }
    layers = pd.DataFrame(found["layers"]).assign(seed=0)[LAYERS]
    return TransferGrid(rows, layers, {}, manifest)


def write(grid: TransferGrid, results: Path) -> None:
    """Write the page, its pictures and its numbers."""
    for name, plot in (("effects", plot_transfer), ("masking", plot_masking)):
        save_figure(plot(grid), results / PICTURES[name], dpi=100)
    (results / "transfer.md").write_text("\n\n".join(page(grid)) + "\n", "utf-8")
    made = json.dumps(record(grid), indent=1)
    (results / "transfer.json").write_text(made + "\n", "utf-8")


def main() -> None:
    """Run the grid, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--episodes", type=int, default=12)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/transfer"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page-only", action="store_true")
    given = parser.parse_args()
    if given.page_only:
        grid = kept(given.results)
    else:
        grid = measured(given.seeds, given.episodes, given.workers, given.out)
    write(grid, given.results)
    print(grid)


if __name__ == "__main__":
    main()
