"""The page of the results, its sentences made from the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kshot_viz.seeds import numpy_rng
from kshot_viz.text import counted

KINDS = ("random", "similar")
ROWS = {
    "learned": "learned words",
    "minilm": "MiniLM (`minilm`)",
    "trigrams": "hashed character trigrams (a function of 20 lines)",
    "image": "1 image of each letter, nearest mean, no text",
}
REWORDED_PART = ", in other words"
NAMES = {
    "combinations": "Held-out combinations of known words",
    f"combinations{REWORDED_PART}": "The same letters in other words",
    "bases": "Unseen bases",
    "scripts": "Unseen scripts",
}
UNKNOWN = {
    "combinations": "Every word of these descriptions was trained on.",
    f"combinations{REWORDED_PART}": (
        "The names with words that were never trained on: REPLACED. Learned words refuse such a "
        "description; here they leave out what they do not know."
    ),
    "bases": (
        "No letter named E, S, K or ETA was trained on, though the first three stand in other "
        "names (OPEN E). Learned words leave out what they do not know."
    ),
    "scripts": (
        "The name of the script was never trained on, nor were most names of its letters. Learned "
        "words leave out what they do not know."
    ),
}


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return mean and 95 % bootstrap interval over the tasks of (seeds, tasks)."""
    means = values.mean(axis=0)
    drawn = numpy_rng(0, "tasks").integers(len(means), size=(4000, len(means)))
    low, high = np.quantile(means[drawn].mean(axis=1), (0.025, 0.975))
    return float(means.mean()), float(low), float(high)


def cell(values: np.ndarray, sign: str = "") -> str:
    """Return ``"89.6 [88.9, 90.3]"``."""
    mean, low, high = interval(values)
    return f"{mean:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def percent(result: dict[str, Any], part: str, kind: str, row: str) -> np.ndarray:
    """Return accuracies in percent, (seeds, tasks)."""
    return np.array(result["found"][f"{part}/{kind}"][row]) * 100 / result["images"]


def headline(result: dict[str, Any], part: str) -> str:
    """Say which of learned words and MiniLM is better on random tasks of a part."""
    learned, frozen = (percent(result, part, "random", row) for row in ("learned", "minilm"))
    mean, low, high = interval(frozen - learned)
    verb = "is above" if low > 0 else "is below" if high < 0 else "does not differ clearly from"
    return (
        f"{NAMES[part]}: MiniLM ({frozen.mean():.1f} %) {verb} learned words "
        f"({learned.mean():.1f} %; difference {mean:+.1f} [{low:+.1f}, {high:+.1f}])."
    )


def page(result: dict[str, Any]) -> Iterator[str]:
    """Yield the paragraphs of the page."""
    yield "# Descriptions read by a frozen text encoder"
    yield (
        f"Made by `python benchmarks/text_encoders.py --seeds {result['seeds']} --episodes "
        f"{result['episodes']}`."
    )
    yield f"**On random tasks. {' '.join(headline(result, part) for part in NAMES)}**"
    yield (
        f"Letters described by their Unicode names, tasks of {result['way']} classes, as in "
        f"[the results of learned words](words.md): the same split, recipe and tasks; no image of "
        f"a class is seen. Trained on {result['classes']['train']:,} letters, "
        f"{counted(result['seeds'], 'seed')} of the training; {result['episodes']} tasks of each "
        f"kind, {result['images'] // result['way']} images to be classified of each letter. "
        f"Accuracy in percent with a 95 % bootstrap interval over tasks, each the mean over "
        f"seeds; with so few seeds the intervals do not say what another seed would give. "
        f"Chance is {100 / result['way']:.0f} %. Step size and weight decay are those chosen for "
        f"learned words; the width of the projection of vectors was chosen with MiniLM on the "
        f"validation letters, which are in no table."
    )
    for part, name in NAMES.items():
        yield f"## {name} ({result['classes'][part.removesuffix(REWORDED_PART)]} letters)"
        replaced = ", ".join(f"{old} -> {new}" for old, new in result["reworded"].items())
        yield UNKNOWN[part].replace("REPLACED", replaced)
        yield "\n".join(table(result, part))
    yield "## What else differs"
    yield (
        f"Parameters trained, and seconds of one training on this machine, which was busy: "
        f"{'; '.join(costs(result))}. MiniLM itself has 22.6 million parameters, which stay as "
        f"they are."
    )


def table(result: dict[str, Any], part: str) -> Iterator[str]:
    """Yield the lines of a table."""
    columns = [f"{kind} tasks | minus learned words" for kind in KINDS]
    yield f"| | {' | '.join(columns)} |"
    yield f"| --- |{' ---: |' * 2 * len(KINDS)}"
    for row, name in ROWS.items():
        cells = []
        for kind in KINDS:
            own, learned = (percent(result, part, kind, one) for one in (row, "learned"))
            cells += [cell(own), "" if row == "learned" else cell(own - learned, "+")]
        yield f"| {name} | {' | '.join(cells)} |"


def costs(result: dict[str, Any]) -> Iterator[str]:
    """Yield what each training took."""
    for row, one in result["cost"].items():
        yield f"{ROWS[row]}: {one['parameters']:,}, {np.mean(one['seconds']):.0f} s"
