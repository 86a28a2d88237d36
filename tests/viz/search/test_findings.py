"""What a search showed, in sentences."""

from __future__ import annotations

from small_search import small_search

from kshot_viz.stats import Interval
from kshot_viz.study.searches.learning import Learning
from kshot_viz.viz import search_text
from kshot_viz.viz.search.findings import _learned


def learned(mean: float, low: float, high: float) -> str:
    late, luck = Interval(0.9, 0.85, 0.95, 20), Interval(0.9 - mean, 0.5, 0.8, 107)
    return _learned(Learning(late, luck, Interval(mean, low, high, 20), 0.95, 0.94, None))


def test_a_clear_gain_is_said_with_its_interval():
    assert learned(0.162, 0.11, 0.218) == (
        "The last 20 candidates of the search have a mean reward of 90.0 %, the 107 of random "
        "search one of 73.8 %: 16.2 points above (95 % interval +11.0 to +21.8), a clear "
        "difference."
    )


def test_a_loss_is_a_clear_difference_too():
    assert "5.0 points below (95 % interval -8.0 to -2.0), a clear" in learned(-0.05, -0.08, -0.02)


def test_nothing_is_claimed_where_zero_is_in_the_interval():
    text = learned(0.02, -0.01, 0.05)
    assert text.endswith("no clear difference: it is not shown that anything was learned.")
    assert "a clear difference" not in text


def test_the_text_names_both_best_candidates_and_the_entropy():
    found, random = (small_search("memory", sampler=one).run() for one in ("reinforce", "random"))
    text = search_text(found, random=random, last=4)
    assert max(map(len, text.splitlines())) <= 80
    known = text.replace("\n", " ")
    assert f"has {100 * found.history['reward'].max():.1f} %" in known
    assert f"random search {100 * random.history['reward'].max():.1f} %" in known
    assert "entropy of its choices went from" in known
    assert "entropy" not in search_text(random, random=random, last=4)
