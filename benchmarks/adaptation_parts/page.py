"""The page of the results, its sentences made from the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from adaptation_parts.styles import STYLES
from kshot_viz.stats import bootstrap_mean, paired_differences

KINDS = ("random", "similar")
ARMS = {
    "head": "head from text alone",
    "longer": "the same head trained {longer:,} steps in place of {head:,}",
    "text": "head and changes of the layers from text",
    "swapped": "the same, changes read from a text of another style",
    "constant": "head from text, changes of the layers that no text decides",
    "whole": "head from text, all weights of the network trained",
}
AGAINST = ("constant", "longer", "swapped", "whole", "head")
SEVERAL = "letters in styles"


def page(found: Mapping[str, Sequence[Mapping[str, Any]]], steps: Mapping[str, int]) -> str:
    """Return the page as Markdown."""
    seeds = {len(one) for one in found.values()}
    parts = [
        "# Do changes of layers from a text help?",
        f"Made by `python benchmarks/adaptation.py --seeds {max(seeds)}{_families(found)}`.",
        _about(found, steps),
    ]
    for family, scores in found.items():
        parts += [f"## {family.capitalize()}", _table(scores, steps), *verdicts(scores)]
        if family == SEVERAL:
            parts += ["By style, in tasks of random letters:", _by_style(scores)]
    return "\n\n".join(parts) + "\n"


def _families(found: Mapping[str, object]) -> str:
    return "".join(f' --family "{family}"' for family in found) if len(found) == 1 else ""


def _about(found: Mapping[str, Sequence[Mapping[str, Any]]], steps: Mapping[str, int]) -> str:
    tasks = {
        len(one["head"][kind]) for scores in found.values() for one in scores for kind in KINDS
    }
    return (
        "N3 (Jin et al., ACL 2020) changes the parameters of a network as descriptions of classes "
        "say. Here a scale and a shift of every channel of every layer is read from the "
        "descriptions of a task; the head is from text in every row. The letters are drawn in four "
        "styles: as they are, negative, turned by 90 degrees, and on a texture; the description "
        "names the style, and the bundled network was pretrained on the first alone. Tasks have "
        "ten letters of one style, whose combination of base and mark was never trained on: "
        f"{'/'.join(map(str, sorted(tasks)))} tasks of either kind, five images a letter and no "
        f"labelled one. The head trains {steps['head']:,} steps, changes and whole network "
        f"{steps['changes']:,}, on the same tasks of training letters. Accuracy in percent is the "
        "mean over training seeds, with the 95 % interval over tasks and the lowest and highest "
        "seed; differences are paired task by task. Step sizes were chosen on validation letters."
    )


def _mean(scores: Sequence[Mapping[str, Any]], arm: str, kind: str) -> np.ndarray:
    """Return the accuracy of each task in percent, the mean over seeds."""
    return 100 * np.mean([one[arm][kind] for one in scores], axis=0)


def _table(scores: Sequence[Mapping[str, Any]], steps: Mapping[str, int]) -> str:
    lines = [
        "| network | random letters | seeds | similar letters | seeds | CPU seconds |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for arm, label in ARMS.items():
        cells = [label.format(**steps)]
        for kind in KINDS:
            found = bootstrap_mean(_mean(scores, arm, kind))
            each = [100 * float(np.mean(one[arm][kind])) for one in scores]
            cells += [
                f"{found.mean:.1f} \\[{found.low:.1f}, {found.high:.1f}\\]",
                f"{min(each):.1f} to {max(each):.1f}",
            ]
        seconds = [one[arm].get("seconds") for one in scores]
        cells.append("" if None in seconds else f"{np.mean(seconds):.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def verdicts(scores: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the table of paired differences, and what it says."""
    lines = [
        "| head and changes from text, less | random letters | similar letters |",
        "| --- | ---: | ---: |",
    ]
    clear = dict.fromkeys(AGAINST, 0)
    for other in AGAINST:
        cells = ["a longer-trained head from text" if other == "longer" else ARMS[other]]
        for kind in KINDS:
            gains = paired_differences(_mean(scores, "text", kind), _mean(scores, other, kind))
            found = bootstrap_mean(gains)
            clear[other] += (found.low > 0) - (found.high < 0)
            cells.append(f"{found.mean:+.1f} \\[{found.low:+.1f}, {found.high:+.1f}\\]")
        lines.append(f"| {' | '.join(cells)} |")
    yield "\n".join(lines)
    yield _said(clear)


def _said(clear: Mapping[str, int]) -> str:
    better = [one for one in ("constant", "longer", "head") if clear[one] == len(KINDS)]
    names = {"constant": "constant changes", "longer": "a longer-trained head", "head": "the head"}
    if len(better) == 3:
        said = (
            "Changes from text are above constant changes, a longer-trained head and the head "
            "alone, in tasks of random and of similar letters."
        )
    elif better:
        said = f"Changes from text are above {' and '.join(names[one] for one in better)} alone."
    else:
        said = "Changes from text are not clearly above any other network in both kinds of tasks."
    whole = {len(KINDS): "above", -len(KINDS): "below"}.get(
        clear["whole"], "not clearly apart from"
    )
    return (
        f"{said} They are {whole} training all weights of the network on the same tasks, which "
        f"gives one network for all descriptions."
    )


def _by_style(scores: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"| network | {' | '.join(STYLES)} |", "| --- |" + " ---: |" * len(STYLES)]
    for arm, label in ARMS.items():
        parts = np.split(_mean(scores, arm, "random"), len(STYLES))
        cells = " | ".join(f"{part.mean():.1f}" for part in parts)
        name = "head from text, trained longer" if arm == "longer" else label
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)
