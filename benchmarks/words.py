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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import kshot_viz as kv
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.records import record_digest
from kshot_viz.seeds import numpy_rng, torch_rng
from kshot_viz.threads import one_thread
from kshot_viz.words import Words, WordsRecipe, describe, split_letters
from kshot_viz.words.evidence import class_scores, gradient_times_embedding
from kshot_viz.words.network import PRIOR_COUNT, blend
from kshot_viz.words.tokens import PADDING
from kshot_viz.words.training.scoring import QUERIES, accuracy, encoder_prototypes, sample_tasks
from kshot_viz.words.training.tasks import FeatureBank

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
WAY, MOST_SHOTS, SHOTS, LEFT_OUT = 10, 5, (1, 5), 3
PARTS = ("combinations", "bases", "scripts")
KINDS = ("random", "similar")
ROWS = {
    "words": "descriptions alone",
    "mean_1": "1 image, nearest mean",
    "mean_5": "5 images, nearest mean",
    "both_1": "descriptions and 1 image",
    "both_5": "descriptions and 5 images",
    "exchanged": "descriptions exchanged inside the task",
    "other": "descriptions of another task",
}
NAMES = {
    "combinations": 'Held-out combinations: letters "X with Y", X and Y known, never together',
    "bases": "Unseen bases: letters named E, S, K and ETA, with and without marks",
    "scripts": "Unseen scripts: Armenian, Georgian, Tifinagh",
}


# ---- measuring ----------------------------------------------------------------------------------


def measure(
    words: Words, bank: FeatureBank, texts: dict[str, str], episodes: int
) -> dict[str, Any]:
    """Return the right guesses of every task, and the evidence, of one seed."""
    tokens = words.vocabulary.encode_known(list(texts.values()))
    number = {name: i for i, name in enumerate(texts)}
    split = split_letters(texts)
    found: dict[str, Any] = {}
    for part in PARTS:
        classes = torch.tensor([number[name] for name in split[part]])
        for kind in KINDS:
            tasks = sample_tasks(words.encoder, bank, classes, kind, way=WAY, n=episodes)
            rng = torch_rng(1, "benchmark", part, kind)
            images = bank.draw_distinct(tasks, QUERIES + MOST_SHOTS, rng)
            found[f"{part}/{kind}"] = hits(words, bank, tokens[tasks], images)
            if part == "combinations":
                found[f"evidence/{kind}"] = evidence(words, bank, tokens[tasks], images)
    return found


def hits(words: Words, bank: FeatureBank, tokens: Tensor, images: Tensor) -> dict[str, list[int]]:
    """Return the number of right guesses in each task, for every row of the table."""
    head = words.encoder.head
    queries, support = images[..., :QUERIES], images[..., QUERIES:]
    own = encoder_prototypes(words.encoder, tokens)
    shown = {n: head.standardise(bank.features[support[..., :n]]).sum(dim=2) for n in SHOTS}
    counts = {n: torch.full(own.shape[:2], float(n)) for n in SHOTS}
    prototypes = {
        "words": own,
        **{f"mean_{n}": shown[n] / n for n in SHOTS},
        **{f"both_{n}": blend(own, shown[n], counts[n], PRIOR_COUNT) for n in SHOTS},
        "exchanged": own.roll(1, dims=1),
        "other": encoder_prototypes(words.encoder, tokens.roll(1, dims=0)),
    }
    return {
        row: np.rint(accuracy(words.encoder, made, bank, queries) * WAY * QUERIES)
        .astype(int)
        .tolist()
        for row, made in prototypes.items()
    }


def evidence(words: Words, bank: FeatureBank, tokens: Tensor, images: Tensor) -> list[list[int]]:
    """Return for each task: in how many classes the top words mattered more, and of how many.

    Three words with the largest gradient times embedding are left out, and, instead, three others
    drawn at random that are not the same three; classes of at least four words are counted.
    """
    targets = torch.arange(WAY).repeat_interleave(QUERIES)
    counted = []
    for task, (row, shown) in enumerate(zip(tokens, images[..., :QUERIES], strict=True)):
        features = words.encoder.head.standardise(bank.features[shown.flatten()])
        given = gradient_times_embedding(words.encoder, row, features, targets)
        rng, more, classes = numpy_rng(1, "evidence", task), 0, 0
        for c in range(WAY):
            n = int((row[c] != PADDING).sum())
            if n > LEFT_OUT:
                top = given[c, :n].topk(LEFT_OUT).indices.sort().values.tolist()
                falls = [
                    class_scores(words.encoder, without(row, c, some), features, targets)[c]
                    for some in (top, another(top, n, rng))
                ]
                classes, more = classes + 1, more + int(falls[0] < falls[1])
        counted.append([more, classes])
    return counted


def another(top: list[int], n: int, rng: np.random.Generator) -> list[int]:
    """Draw as many positions below n, but not all the same."""
    while True:
        drawn = sorted(rng.permutation(n)[: len(top)].tolist())
        if drawn != top:
            return drawn


def without(tokens: Tensor, c: int, positions: list[int]) -> Tensor:
    """Return tokens with some words of one class left out."""
    fewer = tokens.clone()
    fewer[c, positions] = PADDING
    return fewer


def measured_seeds(seeds: int, episodes: int, folder: Path) -> dict[str, Any]:
    """Train and measure each seed, or read what was measured before."""
    folder.mkdir(parents=True, exist_ok=True)
    backbone, data = kv.load_backbone("glyphnet"), kv.load_dataset("letters")
    texts, bank = describe(data), None
    key = record_digest([WordsRecipe().to_dict(), data.fingerprint, backbone.fingerprint, episodes])
    parts, records = [], []
    for seed in range(seeds):
        file = folder / f"seed-{seed}-{key}.json"
        if not file.is_file():
            if bank is None:
                features = penultimate_features(backbone, data.images)
                bank = FeatureBank.of(features, torch.from_numpy(data.targets), data.n_classes)
            out = folder / f"seed-{seed}"
            words = kv.fit_words(backbone, data, texts, seed=seed, out=out, progress=False)
            with one_thread():
                content = {"record": dict(words.record)} | measure(words, bank, texts, episodes)
            file.write_text(json.dumps(content), "utf-8")
            print(f"seed {seed} is measured", flush=True)
        content = json.loads(file.read_text("utf-8"))
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


# ---- the page -----------------------------------------------------------------------------------


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return mean and 95 % bootstrap interval of (seeds, episodes), both drawn anew."""
    rng = numpy_rng(0, "both")
    seeds, episodes = values.shape
    drawn = np.empty(4000)
    for i in range(len(drawn)):
        rows, columns = rng.integers(seeds, size=seeds), rng.integers(episodes, size=episodes)
        drawn[i] = values[np.ix_(rows, columns)].mean()
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


def shares(result: dict[str, Any], part: str, kind: str, row: str) -> np.ndarray:
    """Return accuracies in percent, (seeds, episodes)."""
    return np.array(result["found"][f"{part}/{kind}"][row]) * 100 / (WAY * QUERIES)


def cell(values: np.ndarray, *, signed: bool = False) -> str:
    """Return ``"89.6 [88.9, 90.3]"``."""
    sign = "+" if signed else ""
    mean, low, high = interval(values)
    return f"{mean:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def difference(result: dict[str, Any], kind: str, first: str, second: str) -> np.ndarray:
    """Return the paired difference of two rows on held-out combinations."""
    return shares(result, "combinations", kind, first) - shares(
        result, "combinations", kind, second
    )


def page(result: dict[str, Any]) -> Iterator[str]:
    """Yield the paragraphs of the page."""
    yield "# Networks from descriptions: letters by their names"
    yield (
        f"Made by `python benchmarks/words.py --seeds {result['seeds']} --episodes "
        f"{result['episodes']}`."
    )
    yield f"**{' '.join(headline(result, kind) for kind in KINDS)}**"
    yield (
        f"Each letter's description is its Unicode name. Trained on {result['classes']['train']:,} "
        f"letters, {result['seeds']} seeds of the training; {result['episodes']} tasks of {WAY} "
        f"letters of each kind, the same for all seeds, {QUERIES} images to be classified of each "
        "letter. A similar task is a letter and the nine whose class means are nearest to its own. "
        "Accuracy in percent with a 95 % bootstrap interval over seeds and tasks; tasks share "
        "letters, so intervals say little of other letters. Nearest mean: squared distance of "
        "standardised features, the same space as the prototypes. With images, a description "
        f"counts as {PRIOR_COUNT:g} images."
    )
    for part in PARTS:
        yield f"## {NAMES[part]} ({result['classes'][part]} letters)"
        yield "\n".join(table(result, part))
    yield "## Differences on held-out combinations, paired by task"
    yield "\n".join(differences(result))
    yield "## Do the words that matter by their gradient matter?"
    yield " ".join(evidence_text(result, kind) for kind in KINDS)
    yield "## What this does not say"
    yield (
        "The network was pretrained to tell plain letters from each other, among them most bases; "
        "combinations with marks it never saw. Words that no training name has are left out, so of "
        "an unseen script little more than capital or small remains. Word order is not seen. The "
        "recipe was chosen on the validation letters, which are in none of these tables."
    )


def headline(result: dict[str, Any], kind: str) -> str:
    """Say what the descriptions alone give, beside one image."""
    mean, low, high = interval(difference(result, kind, "words", "mean_1"))
    against = "more than" if low > 0 else "less than" if high < 0 else "not clearly other than"
    alone, one = (shares(result, "combinations", kind, row).mean() for row in ("words", "mean_1"))
    return (
        f"On {kind} tasks of held-out combinations the names alone reach {alone:.1f} %, {against} "
        f"one image of each letter ({one:.1f} %; difference {mean:+.1f} [{low:+.1f}, {high:+.1f}])."
    )


def table(result: dict[str, Any], part: str) -> Iterator[str]:
    """Yield the lines of the table of a part."""
    yield f"| | {' | '.join(f'{kind} tasks' for kind in KINDS)} |"
    yield "| --- |" + " ---: |" * len(KINDS)
    for row, name in ROWS.items():
        cells = [cell(shares(result, part, kind, row)) for kind in KINDS]
        yield f"| {name} | {' | '.join(cells)} |"


def differences(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the table of paired differences."""
    yield f"| | {' | '.join(f'{kind} tasks' for kind in KINDS)} |"
    yield "| --- |" + " ---: |" * len(KINDS)
    pairs = [("words", "mean_1"), ("words", "mean_5"), ("both_1", "mean_1"), ("both_5", "mean_5")]
    for first, second in pairs:
        cells = [cell(difference(result, kind, first, second), signed=True) for kind in KINDS]
        yield f"| {ROWS[first]} - {ROWS[second]} | {' | '.join(cells)} |"


def evidence_text(result: dict[str, Any], kind: str) -> str:
    """Say how often leaving out the top words hurts more than leaving out random ones."""
    counted = np.array(result["found"][f"evidence/{kind}"])
    more, classes = counted[..., 0], counted[..., 1]
    kept = classes.min(axis=0) > 0
    share = 100 * more[:, kept] / classes[:, kept]
    return (
        f"On {kind} tasks, leaving out the {LEFT_OUT} words with the largest gradient times "
        f"embedding lowers the log-probability of a letter's own images more than leaving out "
        f"{LEFT_OUT} random ones in {cell(share)} % of the letters whose name has more than "
        f"{LEFT_OUT} words (50 % would be chance)."
    )


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
