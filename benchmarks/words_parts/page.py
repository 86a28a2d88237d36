"""The page of the results, its sentences made from the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kshot_viz.seeds import numpy_rng
from kshot_viz.stats import bootstrap_mean
from kshot_viz.text import counted
from words_parts.measure import FEWER, KINDS, LEFT_OUT, PARTS, QUERIES, WAY

ROWS = {
    "words": "descriptions alone",
    "mean_1": "1 image, nearest mean",
    "mean_5": "5 images, nearest mean",
    "both_1": "descriptions and 1 image",
    "both_5": "descriptions and 5 images",
    "exchanged": "descriptions exchanged inside the task",
    "other": "descriptions of another task",
}
LETTERS_TEXT = (
    "The same with each letter counting as much as another, and intervals over letters, which say "
    "more about other letters:"
)
SHUFFLED = "descriptions, trained with those of the training letters shuffled"
CHANGED = {
    "words": "descriptions alone",
    "longer": "the same, head trained for twice the steps",
    "adapted": "layers changed by the descriptions too",
    "adapted_other": "layers changed by descriptions of another task",
}
RANKED = {
    "shapley": "Shapley value: what a word adds, averaged over all orders of the words",
    "without": "what leaving out each word alone does",
    "gradient": "gradient times embedding, along the path from an average word",
}
NAMES = {
    "combinations": 'Held-out combinations "X with Y": X and Y known, together in neither case',
    "bases": "Unseen bases: letters named E, S, K and ETA, with and without marks",
    "scripts": "Unseen scripts: Armenian, Georgian, Tifinagh",
}


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
    said = [*(headline(result, kind) for kind in KINDS), letter_headline(result)]
    yield f"**{' '.join(said)}**"
    counts = " or ".join(f"{one:g}" for one in sorted(set(result["prior_counts"])))
    yield (
        f"Each letter's description is its Unicode name. Trained on {result['classes']['train']:,} "
        f"letters, {counted(result['seeds'], 'seed')} of the training; {result['episodes']} tasks "
        f"of {WAY} letters of each kind, the same for all seeds, {QUERIES} images to be classified "
        "of each letter. A similar task is a letter and the nine whose class means are nearest "
        "to its own. Accuracy in percent with a 95 % bootstrap interval over seeds and tasks; "
        "tasks share letters, so intervals say little of other letters. Nearest mean: squared "
        "distance of standardised features, the same space as the prototypes. With images, a "
        f"description counts as {counts} images, chosen on the validation letters."
    )
    for part in PARTS:
        yield f"## {NAMES[part]} ({result['classes'][part]} letters)"
        yield "\n".join(table(result, part))
        if part == "combinations":
            yield LETTERS_TEXT
            yield "\n".join(letter_table(result))
    yield "## Differences on held-out combinations, paired by task"
    yield "\n".join(differences(result))
    yield f"## Do changes of the layers help? ({result['episodes'] // FEWER} tasks of each kind)"
    yield "\n".join(changes_table(result))
    yield " ".join(changes_text(result, kind) for kind in KINDS)
    yield "## Do the words that are said to matter matter?"
    yield (
        f"Share of the letters, of those whose name has more than {LEFT_OUT} words, where leaving "
        f"out the {LEFT_OUT} words ranked first lowers the log-probability of the letter's own "
        f"images more than leaving out {LEFT_OUT} random ones that are not the same {LEFT_OUT}, in "
        "percent; 50 would be chance. Words are ranked and left out on the same images, so this "
        "says how well the values of single words foretell what three of them do together:"
    )
    yield "\n".join(evidence_table(result))
    yield "## What this does not say"
    yield (
        "The network was pretrained to tell plain letters from each other, among them most bases; "
        "combinations with marks it never saw. A combination is held out in both cases. "
        "Exchanged descriptions leave no letter its own, so where "
        "descriptions help they push accuracy below the 10 % of chance. Words that no training "
        "name has are left out, so of "
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
    if part == "combinations":
        cells = [cell(shares(result, "shuffled", kind, "shuffled")) for kind in KINDS]
        yield f"| {SHUFFLED} | {' | '.join(cells)} |"


def letter_table(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the table of letters."""
    yield "| tasks | descriptions alone | 1 image | difference | letters better by description |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for kind in KINDS:
        own, one = letters_of(result, kind)
        gain, better = bootstrap_mean(own - one), 100 * float((own > one).mean())
        said = f"{gain.mean:+.1f} [{gain.low:+.1f}, {gain.high:+.1f}]"
        yield f"| {kind} | {own.mean():.1f} | {one.mean():.1f} | {said} | {better:.0f} % |"


def letters_of(result: dict[str, Any], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the accuracy of each letter from its description, and from one image."""
    own, one = (
        np.array(result["found"][f"letters/{kind}"][row], dtype=float).mean(axis=0)
        for row in ("words", "mean_1")
    )
    drawn = ~np.isnan(own)
    return own[drawn], one[drawn]


def letter_headline(result: dict[str, Any]) -> str:
    """Say whether the intervals over letters are clear too."""
    gains = {kind: bootstrap_mean(np.subtract(*letters_of(result, kind))) for kind in KINDS}
    unclear = [kind for kind, gain in gains.items() if gain.low <= 0]
    if not unclear:
        return "Both differences are clear of zero over letters, too."
    return (
        f"Over letters, each counting as much as another, the difference is not clear of zero on "
        f"{' and '.join(unclear)} tasks."
    )


def differences(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the table of paired differences."""
    yield f"| | {' | '.join(f'{kind} tasks' for kind in KINDS)} |"
    yield "| --- |" + " ---: |" * len(KINDS)
    pairs = [
        *(("words", "mean_1"), ("words", "mean_5")),
        *((f"both_{n}", other) for n in (1, 5) for other in (f"mean_{n}", "words")),
    ]
    for first, second in pairs:
        cells = [cell(difference(result, kind, first, second), signed=True) for kind in KINDS]
        yield f"| {ROWS[first]} - {ROWS[second]} | {' | '.join(cells)} |"


def changes_table(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the table of changed layers."""
    yield f"| | {' | '.join(f'{kind} tasks' for kind in KINDS)} |"
    yield "| --- |" + " ---: |" * len(KINDS)
    for row, name in CHANGED.items():
        cells = [cell(shares(result, "changes", kind, row)) for kind in KINDS]
        yield f"| {name} | {' | '.join(cells)} |"


def changes_text(result: dict[str, Any], kind: str) -> str:
    """Say what changes of layers add, and whether it is the text that does."""
    own, other, none, longer = (
        shares(result, "changes", kind, row)
        for row in ("adapted", "adapted_other", "words", "longer")
    )
    return (
        f"On {kind} tasks changes from the descriptions add {cell(own - none, signed=True)} "
        f"points; against changes from another task's descriptions they add "
        f"{cell(own - other, signed=True)}, which is {clear(own - other)} from none. Training the "
        f"head for twice the steps adds {cell(longer - none, signed=True)}."
    )


def clear(values: np.ndarray) -> str:
    """Say whether the interval of differences leaves zero out."""
    _, low, high = interval(values)
    return "clearly different" if low > 0 or high < 0 else "not clearly different"


def evidence_table(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the table of words that are left out."""
    yield f"| words ranked by | {' | '.join(f'{kind} tasks' for kind in KINDS)} |"
    yield "| --- |" + " ---: |" * len(KINDS)
    for ranking, name in RANKED.items():
        yield f"| {name} | {' | '.join(hurt_more(result, kind, ranking) for kind in KINDS)} |"


def hurt_more(result: dict[str, Any], kind: str, ranking: str) -> str:
    """Return the share of letters in percent; tasks without a long name are left out."""
    pairs = np.array(result["found"][f"evidence/{kind}"][ranking])
    more, classes = pairs[..., 0], pairs[..., 1]
    kept = classes.min(axis=0) > 0
    return cell(100 * more[:, kept] / classes[:, kept])
