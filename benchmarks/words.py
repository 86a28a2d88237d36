"""Networks from descriptions, on letters with marks: how many images is a Unicode name worth.

    python benchmarks/words.py --seeds 5 --episodes 300

Words are trained from several seeds on the same letters and the same split. Tasks of ten held-out
letters are then told from each other by their names alone, by images alone, and by both; names that
are exchanged between the letters of a task, and names of another task, show what is left when the
text is wrong. A seed that was measured is not measured again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from words_parts.measure import FEWER, alone, changes, measure, shuffled
from words_parts.page import page

import kshot_viz as kv
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.records import record_digest
from kshot_viz.threads import one_thread
from kshot_viz.words import WordsRecipe, describe, split_letters
from kshot_viz.words.training.pretrain import BUNDLED_RECIPE
from kshot_viz.words.training.tasks import FeatureBank

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
# Raise it where the same words are measured in another way.
VERSION = 1
LONGER = WordsRecipe(steps=2 * BUNDLED_RECIPE.steps)


def measured_seeds(seeds: int, episodes: int, folder: Path) -> dict[str, Any]:
    """Train and measure each seed, or read what was measured before."""
    folder.mkdir(parents=True, exist_ok=True)
    backbone, data = kv.load_backbone("glyphnet"), kv.load_dataset("letters")
    texts, bank = describe(data), None
    key = record_digest(
        [VERSION, BUNDLED_RECIPE.to_dict(), data.fingerprint, backbone.fingerprint, episodes]
    )
    parts, records = [], []
    for seed in range(seeds):
        file, control = (folder / f"{name}-{seed}-{key}.json" for name in ("seed", "shuffled"))
        if bank is None and not (file.is_file() and control.is_file()):
            features = penultimate_features(backbone, data.images)
            bank = FeatureBank.of(features, torch.from_numpy(data.targets), data.n_classes)
        if not control.is_file():
            assert bank is not None
            words = kv.fit_words(
                *(backbone, data, shuffled(texts, seed)),
                parts=split_letters(texts),
                seed=seed,
                recipe=replace(BUNDLED_RECIPE, adapt=None),
                progress=False,
            )
            control.write_text(json.dumps(alone(words, bank, texts, episodes)), "utf-8")
        if not file.is_file():
            assert bank is not None
            words, longer = (
                kv.fit_words(
                    *(backbone, data, texts),
                    seed=seed,
                    recipe=recipe,
                    out=folder / f"seed-{seed}-{name}",
                    progress=False,
                )
                for name, recipe in (("words", BUNDLED_RECIPE), ("longer", LONGER))
            )
            with one_thread():
                content = {"record": dict(words.record)} | measure(words, bank, texts, episodes)
                content |= changes((words, longer), data, bank, texts, episodes // FEWER)
            file.write_text(json.dumps(content), "utf-8")
            print(f"seed {seed} is measured", flush=True)
        content = json.loads(file.read_text("utf-8"))
        content |= json.loads(control.read_text("utf-8"))
        records.append(content.pop("record"))
        parts.append(content)
    found = {name: merged([part[name] for part in parts]) for name in parts[0]}
    classes = {part: len(names) for part, names in split_letters(texts).items()}
    validation = [record["validation"] for record in records]
    recipe, versions = records[0]["recipe"], records[0]["versions"]
    about = {"classes": classes, "recipe": recipe, "versions": versions, "validation": validation}
    return {"seeds": seeds, "episodes": episodes, **about, "found": found}


def merged(values: list[Any]) -> Any:
    """Put what each seed gave into one list, under each name."""
    if isinstance(values[0], dict):
        return {name: [one[name] for one in values] for name in values[0]}
    return values


def main() -> None:
    """Measure, and write page and numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "words")
    given = parser.parse_args()
    result = measured_seeds(given.seeds, given.episodes, given.folder)
    (RESULTS / "words.md").write_text("\n\n".join(page(result)) + "\n", "utf-8")
    (RESULTS / "words.json").write_text(json.dumps(result) + "\n", "utf-8")


if __name__ == "__main__":
    main()
