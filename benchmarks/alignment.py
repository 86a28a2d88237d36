"""Alignment of the bundled network on digits: pretrained, and while it is tuned by three methods.

    python benchmarks/alignment.py

First the pretrained network beside an untrained copy. Then fine-tuning on some episodes, measured
at the first step that has gradients and at the last: does it align the layers below the head, and
does one gradient for a group of neurons keep or break that?
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import kshot_viz as kv
from kshot_viz.analysis import alignment, finetune_dynamics
from kshot_viz.analysis.alignment.relations import RELATIONS
from kshot_viz.stats import Interval, bootstrap_mean

RESULTS = Path(__file__).parents[1] / "docs" / "results"
METHODS = ("plain", "grouped", "shuffled")
LRS, STEPS, SHOT, GOAL = (0.003, 0.01), 40, 5, 0.3
OTHERS = ("CKA to the start", "gradient agreement", "energy kept")
# The first layer sees pixels; alignment is a statement about hidden layers.
HIDDEN = ("blocks.1.conv", "blocks.2.conv", "blocks.3.conv")


def pretrained(backbone: kv.Backbone, data: kv.ImageDataset, draws: int) -> pd.DataFrame:
    """Return the relations of hidden layers on images of several draws."""
    parts = []
    for seed in range(draws):
        episode = kv.sample_episodes(data, way=10, shot=1, query=10, n=1, seed=seed)[0]
        _, images = episode.split(data)
        found = alignment(backbone, images, resamples=0, seed=seed).frame()
        parts.append(found.assign(draw=seed))
    frame = pd.concat(parts)
    return frame[(frame["kind"] == "normalised") & frame["layer"].isin(HIDDEN)]


def tuned(backbone: kv.Backbone, data: kv.ImageDataset, n: int) -> pd.DataFrame:
    """Return what is measured in hidden layers at steps 1 and last, for every episode."""
    source = kv.load_dataset("glyphs", per_class=1)
    groups = kv.GroupingRule("source", 0.1).bind(backbone, source=source)
    parts = []
    for lr in LRS:
        for episode in kv.sample_episodes(data, way=10, shot=SHOT, query=6, n=n, seed=0):
            support, query = episode.split(data)
            found = finetune_dynamics(
                backbone,
                support,
                images=query,
                methods=METHODS,
                grouping=groups,
                config=kv.FinetuneConfig(lr=lr, steps=STEPS),
                at=(0, 1, STEPS),
                draws=2,
            ).frame()
            parts.append(found.assign(lr=lr, episode=episode.name))
    frame = pd.concat(parts)
    return frame[frame["layer"].isin(HIDDEN)]


def changes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the change from step 1 to the last, one row for each run, layer and relation."""
    part = frame[frame["measure"].isin(RELATIONS) & (frame["step"] > 0)]
    keys = ["lr", "method", "episode", "layer", "measure"]
    wide = part.pivot_table("value", keys, "step")
    return (wide[STEPS] - wide[1]).rename("change").reset_index()


def against_plain(frame: pd.DataFrame, method: str, measure: str, lr: float) -> Interval:
    """Return the difference to plain at the last step, paired by episode, mean over layers."""
    part = frame[(frame["step"] == STEPS) & (frame["measure"] == measure) & (frame["lr"] == lr)]
    wide = part.pivot_table("value", "episode", "method")
    return bootstrap_mean((wide[method] - wide["plain"]).to_numpy())


def page(before: pd.DataFrame, frame: pd.DataFrame) -> Iterator[str]:
    """Yield the paragraphs of the page."""
    change = changes(frame)
    gains = before.groupby("relation")[["value", "untrained"]].mean().loc[list(RELATIONS)]
    gain = (gains["value"] - gains["untrained"]).max()
    most = change.loc[change["change"].abs().idxmax()]
    yield "# Alignment of the bundled network on digits"
    yield "Made by `python benchmarks/alignment.py`; relations: see [inside.md](../inside.md)."
    yield (
        f"**Pretraining raised the relation that rose most by {gain:+.2f} over an untrained copy "
        f"({'' if gain > GOAL else 'not '}more than {GOAL}). Fine-tuning on {SHOT} images of each "
        f"class for {STEPS} steps changed none by more than {abs(most['change']):.2f} "
        f"({most['measure']} of {most['layer']}, {most['method']}, step size {most['lr']:g}).**"
    )
    yield (
        f"Pretrained and untrained, mean over the hidden layers {', '.join(HIDDEN)} and "
        f"{before['draw'].nunique()} draws of 100 images, covariances of samples of norm 1:"
    )
    yield "\n".join(_gain_lines(gains))
    yield (
        f"Change from step 1 to step {STEPS}, mean over hidden layers with the 95 % interval over "
        f"{frame['episode'].nunique()} episodes:"
    )
    yield "\n".join(_change_lines(change))
    yield f"## Does a shared gradient keep or break alignment?\n\n{_verdict(frame)}"
    yield "\n".join(_difference_lines(frame))


def _gain_lines(gains: pd.DataFrame) -> Iterator[str]:
    yield f"| | {' | '.join(gains.index)} |"
    yield "| --- |" + " ---: |" * len(gains)
    for name in ("value", "untrained"):
        cells = " | ".join(f"{one:.2f}" for one in gains[name])
        yield f"| {'pretrained' if name == 'value' else name} | {cells} |"


def _change_lines(change: pd.DataFrame) -> Iterator[str]:
    yield f"| step size | method | {' | '.join(RELATIONS)} |"
    yield "| ---: | --- |" + " --- |" * len(RELATIONS)
    for lr in LRS:
        for method in METHODS:
            own = change[(change["lr"] == lr) & (change["method"] == method)]
            by_episode = own.groupby(["measure", "episode"])["change"].mean()
            cells = [_cell(bootstrap_mean(by_episode.loc[one].to_numpy())) for one in RELATIONS]
            yield f"| {lr:g} | {method} | {' | '.join(cells)} |"


def _verdict(frame: pd.DataFrame) -> str:
    """Say what the differences of grouped to plain are, made from the numbers."""
    found = {one: against_plain(frame, "grouped", one, LRS[-1]) for one in RELATIONS}
    clear = {name: one for name, one in found.items() if one.low > 0 or one.high < 0}
    largest = max(found.items(), key=lambda item: abs(item[1].mean))
    told = "; ".join(f"{name} {_cell(one)}" for name, one in clear.items()) or "none"
    return (
        f"At step size {LRS[-1]:g}, after {STEPS} steps, the relations of grouped runs differ from "
        f"those of plain ones by at most {abs(largest[1].mean):.2f} ({largest[0]}). Clear of zero, "
        f"without an adjustment for {len(found)} relations: {told}."
    )


def _difference_lines(frame: pd.DataFrame) -> Iterator[str]:
    names = (*RELATIONS, *OTHERS)
    yield f"| step size | method - plain | {' | '.join(names)} |"
    yield "| ---: | --- |" + " --- |" * len(names)
    for lr in LRS:
        for method in METHODS[1:]:
            cells = [_cell(against_plain(frame, method, one, lr)) for one in names]
            yield f"| {lr:g} | {method} | {' | '.join(cells)} |"


def _cell(one: Interval) -> str:
    return f"{one.mean:+.2f} [{one.low:+.2f}, {one.high:+.2f}]"


def _compact(frame: pd.DataFrame) -> dict[str, Any]:
    return frame.round(4).to_dict(orient="split", index=False)


def main() -> None:
    """Measure, and write page and numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--draws", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    backbone, data = kv.load_backbone("glyphnet"), kv.load_dataset("digits")
    before, frame = pretrained(backbone, data, given.draws), tuned(backbone, data, given.episodes)
    (RESULTS / "alignment.md").write_text("\n\n".join(page(before, frame)) + "\n", "utf-8")
    record: dict[str, Any] = {
        "pretrained": _compact(before[["draw", "layer", "relation", "value", "untrained"]]),
        "tuned": _compact(frame[["lr", "method", "episode", "layer", "step", "measure", "value"]]),
    }
    (RESULTS / "alignment.json").write_text(json.dumps(record) + "\n", "utf-8")


if __name__ == "__main__":
    main()
