"""What a search proposed last against what random search proposes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_search import small_search

from kshot_viz.errors import KShotValueError
from kshot_viz.study.searches.learning import learning


@pytest.fixture(scope="module")
def searches():
    return [small_search("memory", sampler=one).run() for one in ("reinforce", "random")]


def rewarded(result, rewards):
    """Return a result whose rollouts have these rewards."""
    some = result.rollouts[: len(rewards)]
    return replace(
        result,
        rollouts=tuple(replace(one, reward=r) for one, r in zip(some, rewards, strict=True)),
    )


@pytest.mark.slow
def test_the_last_are_compared_with_all_of_random_search(searches):
    found, random = searches
    known = learning(found, random, last=3)
    late, luck = found.history["reward"].to_numpy()[-3:], random.history["reward"].to_numpy()
    assert (known.late.n, known.luck.n) == (3, len(luck))
    assert known.gain.mean == pytest.approx(late.mean() - luck.mean())
    assert (known.best, known.best_luck) == (found.history["reward"].max(), luck.max())
    assert known.entropy is not None
    assert known.entropy[0] == pytest.approx(1.0, abs=0.1)


def test_a_difference_is_clear_where_its_interval_excludes_zero(searches):
    found, random = searches
    high, low = np.linspace(0.8, 0.9, 8), np.linspace(0.3, 0.5, 8)
    assert learning(rewarded(found, high), rewarded(random, low), last=8).clear
    assert learning(rewarded(found, low), rewarded(random, high), last=8).clear
    assert not learning(rewarded(found, low), rewarded(random, low[::-1]), last=8).clear


def test_random_search_has_no_entropy(searches):
    assert learning(searches[1], searches[1], last=4).entropy is None


def test_searches_that_cannot_be_compared_are_refused(searches):
    found, random = searches
    with pytest.raises(KShotValueError, match="at most the number of rollouts"):
        learning(found, random, last=1000)
    other = replace(random, manifest={**random.manifest, "reward": {}})
    with pytest.raises(KShotValueError, match="same space and the same reward"):
        learning(found, other, last=3)
    with pytest.raises(KShotValueError, match="random"):
        learning(found, found.history, last=3)
