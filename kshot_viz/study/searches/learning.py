"""Did a sampler learn? What it proposed last, against random search by the same reward."""

from __future__ import annotations

from dataclasses import dataclass

from kshot_viz.checks import checked, instance, whole
from kshot_viz.errors import KShotValueError
from kshot_viz.search.result import SearchResult
from kshot_viz.stats import Interval, bootstrap_mean, mean_difference


@dataclass(frozen=True)
class Learning:
    """One search beside one random search; intervals are 95 % bootstrap over candidates.

    Attributes
    ----------
    late, luck : Interval
        Mean reward of the last candidates of the search, and of all of random search.
    gain : Interval
        Their difference.
    best, best_luck : float
        The highest rewards.
    entropy : tuple of float, or None
        Of the first and the last update, 1 for uniform choices; None where nothing was updated.
    """

    late: Interval
    luck: Interval
    gain: Interval
    best: float
    best_luck: float
    entropy: tuple[float, float] | None

    @property
    def clear(self) -> bool:
        """Whether the interval of the difference excludes zero."""
        return self.gain.low > 0 or self.gain.high < 0


@checked(found=instance(SearchResult), random=instance(SearchResult), last=whole(2))
def learning(found: SearchResult, random: SearchResult, *, last: int = 20) -> Learning:
    """Compare the last candidates that a sampler proposed with those of random search.

    What is compared is the mean of what was proposed, which is what REINFORCE improves, not the
    best of many, which luck finds too. It says how these two searches ended; other seeds may end
    otherwise (:func:`kshot_viz.compare_samplers`).

    Parameters
    ----------
    found, random : SearchResult
        Of the same space, by the same reward.
    last : int
        Number of candidates; proposals that were tried before count again.

    Raises
    ------
    KShotValueError
        If the rewards or the spaces differ, or a search has too few rollouts.
    """
    if found.manifest["reward"] != random.manifest["reward"] or found.space != random.space:
        raise KShotValueError("Both searches must have the same space and the same reward.")
    history, lucky = found.history, random.history
    if len(history) < last or len(lucky) < 2:
        raise KShotValueError(
            f"`last` must be at most the number of rollouts, {len(history)}, and random search "
            f"needs 2 or more; not {last} and {len(lucky)}."
        )
    late, rewards = history["reward"].to_numpy()[-last:], lucky["reward"].to_numpy()
    entropy = history["entropy"].dropna()
    return Learning(
        late=bootstrap_mean(late),
        luck=bootstrap_mean(rewards),
        gain=mean_difference(late, rewards),
        best=float(history["reward"].max()),
        best_luck=float(rewards.max()),
        entropy=(float(entropy.iloc[0]), float(entropy.iloc[-1])) if len(entropy) else None,
    )
