"""Do gates for each image help, where there are more than a few images? Digits at 20 and 50 shots.

    python benchmarks/adafilter.py --workers 2

Letters of print know the network that handwritten digits are learned with, on mini-batches. Gates
that are learned for each image are compared with static gates of the same rate, which are the same
for all images, with a term that pays for gates that differ, and with plain fine-tuning; step sizes
are chosen on validation episodes for each. The page also says how far gates differ between images.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

import kshot_viz as kv
from kshot_viz.methods.adafilter.gates import gate_frame
from kshot_viz.methods.adafilter.method import AdaFilter
from kshot_viz.study.findings.finding import findings
from kshot_viz.viz import plot_gates, save_figure

RESULTS = Path(__file__).parents[1] / "docs" / "results"
CONFIG = kv.FinetuneConfig(lr=1e-4, head_lr=0.1, steps=100, batch_size=50)
GRID = kv.TuningGrid(
    lrs=(1e-4, 1e-3),
    head_lrs=(0.1,),
    head_only_lrs=(0.1,),
    steps=(CONFIG.steps,),
    others={"diversity": (0.0,)},
    extend=1,
)
METHODS = {
    "head_only": "head_only",
    "plain": "plain",
    "static gates": AdaFilter(gate="static"),
    "learned gates": AdaFilter(),
    "learned, diverse": AdaFilter(diversity=1.0),
}
LEARNED = ("learned gates", "learned, diverse")
PICTURES = {"learned gates": "adafilter_learned.png", "learned, diverse": "adafilter_diverse.png"}


def compared(shots: list[int], episodes: int, workers: int, out: Path) -> kv.Comparison:
    """Compare the methods at several numbers of shots."""
    backbone, data = kv.load_backbone("glyphnet"), kv.load_dataset("digits")
    sampled = [
        one
        for shot in shots
        for one in kv.sample_episodes(
            data, way=10, shot=shot, query=15, n=episodes, val_share=0.45, seed=0
        )
    ]
    return kv.compare_methods(
        backbone,
        data,
        sampled,
        methods=[kv.Candidate(None, CONFIG, one, name) for name, one in METHODS.items()],
        n_val=3,
        grid=GRID,
        executor="processes",
        workers=workers,
        out=out,
        progress=True,
    )


def gates(table: kv.Comparison, pictures: Path) -> pd.DataFrame:
    """Return how gates are set in the first episode of every number of shots, a row a layer.

    Those at the most shots are drawn.
    """
    backbone, data = table.backbone, table.data
    assert backbone is not None
    assert data is not None
    parts = []
    for shot in sorted(set(table.settings["shot"])):
        episode = next(
            one for one in table.episodes.values() if one.pool == "test" and one.shot == shot
        )
        support, query = episode.split(data)
        chosen = table.settings[table.settings["shot"] == shot].set_index("method")
        for name in LEARNED:
            (candidate,) = table.called(name, setting=chosen.loc[name, "setting"])[:1]
            result = kv.finetune(
                backbone, support, method=candidate.method, config=candidate.config
            )
            frame = gate_frame(result, query.images, query.labels)
            by_layer = frame.groupby("layer", sort=False)[["rate", "within", "between"]].mean()
            parts.append(by_layer.reset_index().assign(shot=shot, method=name))
            drawn = plot_gates(result, query.images, query.labels)
            save_figure(drawn, pictures / PICTURES[name])
    return pd.concat(parts, ignore_index=True)


def page(table: kv.Comparison, found: pd.DataFrame, command: str) -> Iterator[str]:
    """Yield the paragraphs of the page."""
    yield "# AdaFilter with 20 and 50 shots"
    yield f"Made by `{command}`."
    yield (
        f"Handwritten digits, 10 classes, with the bundled network; {CONFIG.steps} steps on "
        f"mini-batches of {CONFIG.batch_size} images. Differences to plain fine-tuning are paired, "
        f"in points, with their 95 % interval adjusted for the number of rivals."
    )
    yield "\n".join(_accuracies(table))
    yield " ".join(findings(table.summary(), table.manifest))
    yield (
        "How gates are set for the queries of the first episode: the share of channels that come "
        "from trained filters (`rate`), and the share of gates that differ between two images of "
        "one class and of two classes. Gates that are the same for all images would have zeros."
    )
    yield "\n".join(_gates(found))
    for name, picture in PICTURES.items():
        yield f"![{name}: gates of the queries by class, {found['shot'].max()} shots]({picture})"


def _accuracies(table: kv.Comparison) -> Iterator[str]:
    yield "| shots | method | accuracy, % | to plain | step size |"
    yield "| ---: | --- | ---: | ---: | ---: |"
    for row in table.summary().to_dict(orient="records"):
        own = f"{100 * row['accuracy']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
        against = ""
        if row["method"] != "plain":
            low, high = 100 * row["adjusted_low"], 100 * row["adjusted_high"]
            against = f"{100 * row['difference']:+.1f} [{low:+.1f}, {high:+.1f}]"
        yield f"| {row['shot']} | {row['method']} | {own} | {against} | {row['step_size']:g} |"


def _gates(found: pd.DataFrame) -> Iterator[str]:
    yield "| shots | method | layer | rate | differ within a class | between classes |"
    yield "| ---: | --- | --- | ---: | ---: | ---: |"
    for row in found.to_dict(orient="records"):
        differ = f"{1 - row['within']:.3f} | {1 - row['between']:.3f}"
        yield f"| {row['shot']} | {row['method']} | {row['layer']} | {row['rate']:.2f} | {differ} |"


def main() -> None:
    """Compare, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shot", type=int, action="append")
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/adafilter"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    table = compared(given.shot or [20, 50], given.episodes, given.workers, given.out)
    found = gates(table, given.results)
    text = "\n\n".join(page(table, found, "python benchmarks/adafilter.py"))
    (given.results / "adafilter.md").write_text(text + "\n", "utf-8")
    rows = table.summary().round(5).to_dict(orient="records")
    record = {"accuracy": rows, "gates": found.round(5).to_dict(orient="records")}
    (given.results / "adafilter.json").write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    print(table)


if __name__ == "__main__":
    main()
