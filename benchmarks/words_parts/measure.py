"""What one seed gives on tasks of held-out letters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import kshot_viz as kv
from kshot_viz.seeds import numpy_rng, torch_rng
from kshot_viz.words import Words, split_letters
from kshot_viz.words.blend import blend
from kshot_viz.words.evidence.gradients import integrated_gradients
from kshot_viz.words.evidence.scores import class_scores
from kshot_viz.words.evidence.shapley import shapley_values
from kshot_viz.words.evidence.without import leave_one_out
from kshot_viz.words.tokens import PADDING
from kshot_viz.words.training.adapted import AdaptedNetwork
from kshot_viz.words.training.scoring import QUERIES, accuracy, encoder_prototypes, sample_tasks
from kshot_viz.words.training.tasks import FeatureBank

WAY, MOST_SHOTS, SHOTS, LEFT_OUT = 10, 5, (1, 5), 3
# Evidence and changes of layers take long; they are measured on a third of the tasks.
FEWER = 3
RANKINGS = {
    "shapley": shapley_values,
    "without": leave_one_out,
    "gradient": integrated_gradients,
}
PARTS = ("combinations", "bases", "scripts")
KINDS = ("random", "similar")


def measure(
    words: Words, bank: FeatureBank, texts: dict[str, str], episodes: int
) -> dict[str, Any]:
    """Return the right guesses of every task, of one seed."""
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
    return found


def shuffled(texts: dict[str, str], seed: int) -> dict[str, str]:
    """Give every letter to train on the description of another one, drawn at random."""
    trained = list(split_letters(texts)["train"])
    drawn = numpy_rng(seed, "shuffled descriptions").permutation(len(trained)).tolist()
    return texts | {name: texts[trained[i]] for name, i in zip(trained, drawn, strict=True)}


def alone(
    words: Words, bank: FeatureBank, texts: dict[str, str], episodes: int
) -> dict[str, dict[str, list[int]]]:
    """Return the right guesses from descriptions alone, on the tasks of the first table."""
    tokens = words.vocabulary.encode_known(list(texts.values()))
    number = {name: i for i, name in enumerate(texts)}
    classes = torch.tensor([number[name] for name in split_letters(texts)["combinations"]])
    found = {}
    for kind in KINDS:
        tasks = sample_tasks(words.encoder, bank, classes, kind, way=WAY, n=episodes)
        rng = torch_rng(1, "benchmark", "combinations", kind)
        images = bank.draw_distinct(tasks, QUERIES + MOST_SHOTS, rng)
        prototypes = encoder_prototypes(words.encoder, tokens[tasks])
        guessed = accuracy(words.encoder, prototypes, bank, images[..., :QUERIES])
        found[f"shuffled/{kind}"] = {"shuffled": whole(guessed)}
    return found


def letters(
    words: Words, bank: FeatureBank, texts: dict[str, str], episodes: int
) -> dict[str, dict[str, list[float | None]]]:
    """Return the accuracy of each held-out combination, in the order of the split.

    Each is the mean over the tasks that the letter is in, in percent; None where it was in none.
    """
    tokens = words.vocabulary.encode_known(list(texts.values()))
    found: dict[str, dict[str, list[float | None]]] = {}
    chosen = split_letters(texts)["combinations"]
    classes = torch.tensor([list(texts).index(name) for name in chosen])
    for kind in KINDS:
        tasks = sample_tasks(words.encoder, bank, classes, kind, way=WAY, n=episodes)
        images = bank.draw_distinct(tasks, QUERIES + 1, torch_rng(1, "benchmark", "letters", kind))
        shown = words.encoder.head.standardise(bank.features[images[..., QUERIES]])
        made = {"words": encoder_prototypes(words.encoder, tokens[tasks]), "mean_1": shown}
        found[f"letters/{kind}"] = {
            row: by_letter(words, bank, tasks, images[..., :QUERIES], prototypes, classes)
            for row, prototypes in made.items()
        }
    return found


def by_letter(
    words: Words,
    bank: FeatureBank,
    tasks: Tensor,
    queries: Tensor,
    prototypes: Tensor,
    classes: Tensor,
) -> list[float | None]:
    """Return the accuracy of each class in percent, over all tasks that it is in."""
    head = words.encoder.head
    features = head.standardise(bank.features[queries.flatten(1)])
    guesses = head.logits(prototypes, features).argmax(dim=-1).view(queries.shape)
    right = (guesses == torch.arange(WAY)[:, None]).double().mean(dim=2)
    each = [right[tasks == one] for one in classes.tolist()]
    return [round(100 * float(one.mean()), 2) if len(one) else None for one in each]


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
        **{f"both_{n}": blend(own, shown[n], counts[n], words.prior_count) for n in SHOTS},
        "exchanged": own.roll(1, dims=1),
        "other": encoder_prototypes(words.encoder, tokens.roll(1, dims=0)),
    }
    return {
        row: whole(accuracy(words.encoder, made, bank, queries)) for row, made in prototypes.items()
    }


def changes(
    words: tuple[Words, Words],
    data: kv.ImageDataset,
    bank: FeatureBank,
    texts: dict[str, str],
    n: int,
) -> dict[str, dict[str, list[int]]]:
    """Return the right guesses with and without changes of layers, on n tasks of each kind."""
    trained, longer = words
    network = AdaptedNetwork(kv.load_backbone("glyphnet"), trained.encoder, data, WAY)
    tokens = trained.vocabulary.encode_known(list(texts.values()))
    chosen = split_letters(texts)["combinations"]
    classes = torch.tensor([data.classes.index(name) for name in chosen])
    found = {}
    for kind in KINDS:
        tasks = sample_tasks(trained.encoder, bank, classes, kind, way=WAY, n=n)
        images = bank.draw_distinct(tasks, QUERIES, torch_rng(1, "changes", kind))
        own, other = tokens[tasks], tokens[tasks].roll(1, dims=0)
        heads = {
            name: accuracy(one.encoder, encoder_prototypes(one.encoder, own), bank, images)
            for name, one in (("words", trained), ("longer", longer))
        }
        adapted = {
            "adapted": network.accuracy(own, images),
            "adapted_other": network.accuracy(own, images, other),
        }
        found[f"changes/{kind}"] = {
            name: whole(values) for name, values in (heads | adapted).items()
        }
    return found


def whole(shares_: np.ndarray) -> list[int]:
    """Return shares of the images of a task as numbers of images."""
    return np.rint(shares_ * WAY * QUERIES).astype(int).tolist()


def evidence(
    words: Words, bank: FeatureBank, texts: dict[str, str], episodes: int
) -> dict[str, dict[str, list[list[int]]]]:
    """Return for each ranking of words and each task of the first table two counts of classes.

    In how many leaving out the three words ranked first hurts more than leaving out three drawn at
    random that are not the same three, and of how many; classes of at least four words count.
    """
    tokens = words.vocabulary.encode_known(list(texts.values()))
    classes = torch.tensor([list(texts).index(one) for one in split_letters(texts)["combinations"]])
    targets = torch.arange(WAY).repeat_interleave(QUERIES)
    found = {}
    for kind in KINDS:
        tasks = sample_tasks(words.encoder, bank, classes, kind, way=WAY, n=episodes)
        drawn = torch_rng(1, "benchmark", "combinations", kind)
        images = bank.draw_distinct(tasks, QUERIES + MOST_SHOTS, drawn)[..., :QUERIES]
        counted: dict[str, list[list[int]]] = {name: [] for name in RANKINGS}
        few = slice(episodes // FEWER)
        for task, (row, shown) in enumerate(zip(tokens[tasks][few], images[few], strict=True)):
            features = words.encoder.head.standardise(bank.features[shown.flatten()])
            for name, ranking in RANKINGS.items():
                given = ranking(words.encoder, row, features, targets)
                rng = numpy_rng(1, "evidence", task)
                counted[name].append(more_hurt(words, row, given, features, targets, rng))
        found[f"evidence/{kind}"] = counted
    return found


def more_hurt(
    words: Words,
    row: Tensor,
    given: Tensor,
    features: Tensor,
    targets: Tensor,
    rng: np.random.Generator,
) -> list[int]:
    """Return the two counts of one task; see :func:`evidence`."""
    more, classes = 0, 0
    for c in range(WAY):
        n = int((row[c] != PADDING).sum())
        if n > LEFT_OUT:
            top = given[c, :n].topk(LEFT_OUT).indices.sort().values.tolist()
            scores = [
                class_scores(words.encoder, without(row, c, some), features, targets)[c]
                for some in (top, another(top, n, rng))
            ]
            classes, more = classes + 1, more + int(scores[0] < scores[1])
    return [more, classes]


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
