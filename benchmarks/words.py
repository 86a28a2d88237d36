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
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from words_parts.measure import FEWER, alone, changes, evidence, letters, measure, shuffled
from words_parts.page import page

import kshot_viz as kv
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.records import record_digest
from kshot_viz.threads import one_thread
from kshot_viz.words import Words, WordsRecipe, split_letters
from kshot_viz.words.training.pretrain import BUNDLED_RECIPE
from kshot_viz.words.training.tasks import FeatureBank

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
# Raise it where the same words are measured in another way.
VERSION = 2
LONGER = WordsRecipe(steps=2 * BUNDLED_RECIPE.steps)


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of every seed, in files; what is missing is measured when it is read.

    Attributes
    ----------
    folder : Path
    episodes : int
        Tasks of each kind.
    """

    folder: Path
    episodes: int
    backbone: kv.Backbone = field(default_factory=partial(kv.load_backbone, "glyphnet"))
    data: kv.ImageDataset = field(default_factory=partial(kv.load_dataset, "letters"))

    @cached_property
    def texts(self) -> dict[str, str]:
        """The name of every letter."""
        return kv.describe(self.data)

    @cached_property
    def bank(self) -> FeatureBank:
        """The features of all images."""
        features = penultimate_features(self.backbone, self.data.images)
        return FeatureBank.of(features, torch.from_numpy(self.data.targets), self.data.n_classes)

    def seed(self, seed: int) -> dict[str, Any]:
        """Return everything of one seed."""
        return (
            self._kept("seed", seed, self._tables)
            | self._kept("shuffled", seed, self._shuffled)
            | self._kept("letters", seed, self._letters)
            | self._kept("evidence", seed, self._evidence)
        )

    def _kept(self, name: str, seed: int, measure: Callable[[int], dict[str, Any]]) -> Any:
        recipe = BUNDLED_RECIPE.to_dict()
        given = [VERSION, recipe, self.data.fingerprint, self.backbone.fingerprint, self.episodes]
        file = self.folder / f"{name}-{seed}-{record_digest(given)}.json"
        if not file.is_file():
            with one_thread():
                file.write_text(json.dumps(measure(seed)), "utf-8")
            print(f"seed {seed}: {name} is measured", flush=True)
        return json.loads(file.read_text("utf-8"))

    def _tables(self, seed: int) -> dict[str, Any]:
        words, longer = self._trained(seed, "words"), self._trained(seed, "longer")
        found = {"record": dict(words.record)}
        found |= measure(words, self.bank, self.texts, self.episodes)
        few = self.episodes // FEWER
        return found | changes((words, longer), self.data, self.bank, self.texts, few)

    def _letters(self, seed: int) -> dict[str, Any]:
        return letters(self._trained(seed, "words"), self.bank, self.texts, self.episodes)

    def _evidence(self, seed: int) -> dict[str, Any]:
        return evidence(self._trained(seed, "words"), self.bank, self.texts, self.episodes)

    def _shuffled(self, seed: int) -> dict[str, Any]:
        words = kv.fit_words(
            *(self.backbone, self.data, shuffled(self.texts, seed)),
            parts=split_letters(self.texts),
            seed=seed,
            recipe=replace(BUNDLED_RECIPE, adapt=None),
            progress=False,
        )
        return alone(words, self.bank, self.texts, self.episodes)

    def _trained(self, seed: int, name: str) -> Words:
        return kv.fit_words(
            *(self.backbone, self.data, self.texts),
            seed=seed,
            recipe={"words": BUNDLED_RECIPE, "longer": LONGER}[name],
            out=self.folder / f"seed-{seed}-{name}",
            progress=False,
        )


def measured_seeds(seeds: int, episodes: int, folder: Path) -> dict[str, Any]:
    """Train and measure each seed, or read what was measured before."""
    folder.mkdir(parents=True, exist_ok=True)
    measured = Measured(folder, episodes)
    parts = [measured.seed(seed) for seed in range(seeds)]
    records = [part.pop("record") for part in parts]
    counts = [record["prior_count"] for record in records]
    found = {name: merged([part[name] for part in parts]) for name in parts[0]}
    classes = {part: len(names) for part, names in split_letters(measured.texts).items()}
    validation = [record["validation"] for record in records]
    recipe, versions = records[0]["recipe"], records[0]["versions"]
    about = {"classes": classes, "recipe": recipe, "versions": versions, "validation": validation}
    about["prior_counts"] = counts
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
