"""What a search showed, in sentences that follow from its rewards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kshot_viz.study.searches.learning import Learning, learning
from kshot_viz.text import points, wrapped

if TYPE_CHECKING:
    from kshot_viz.search.result import SearchResult

WIDTH = 80


def search_text(found: SearchResult, *, random: SearchResult, last: int = 20) -> str:
    """Return what a search showed beside random search, for a terminal of 80 columns.

    Parameters
    ----------
    found : SearchResult
    random : SearchResult
        Random search of the same space by the same reward.
    last : int
        Number of candidates at the end of the search whose mean reward is compared.

    Raises
    ------
    KShotValueError
        If the spaces or the rewards differ, or a search has too few rollouts.
    """
    known = learning(found, random, last=last)
    lines = [_learned(known), _best(known), *_sure(known)]
    return "\n".join("\n".join(wrapped(line, WIDTH)) for line in lines)


def _learned(known: Learning) -> str:
    size = points(abs(known.gain.mean)).lstrip("+")
    side = "above" if known.gain.mean > 0 else "below"
    text = (
        f"The last {known.late.n} candidates of the search have a mean reward of "
        f"{100 * known.late.mean:.1f} %, the {known.luck.n} of random search one of "
        f"{100 * known.luck.mean:.1f} %: {size} points {side} (95 % interval "
        f"{points(known.gain.low)} to {points(known.gain.high)})"
    )
    if not known.clear:
        return f"{text}. That is no clear difference: it is not shown that anything was learned."
    return f"{text}, a clear difference."


def _best(known: Learning) -> str:
    return (
        f"The best candidate of the search has {100 * known.best:.1f} %, that of random search "
        f"{100 * known.best_luck:.1f} %; the best of many is lucky in part."
    )


def _sure(known: Learning) -> list[str]:
    if known.entropy is None:
        return []
    first, last = known.entropy
    return [f"The entropy of its choices went from {first:.2f} to {last:.2f} (1: undecided)."]
