from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kshot_viz.errors import KShotValueError
from kshot_viz.viz.neurons.overview import _rescoring_frame, plot_rescoring


def scores(*, n: int = 5) -> pd.DataFrame:
    nan = float("nan")
    alone = n == 1
    return pd.DataFrame(
        {
            "name": ["as given", "edited"],
            "accuracy": [0.70, 0.65],
            "low": [nan if alone else 0.6, nan if alone else 0.55],
            "high": [nan if alone else 0.8, nan if alone else 0.70],
            "n": n,
            "difference": [0.0, -0.05],
            "difference_low": [nan, nan if alone else -0.08],
            "difference_high": [nan, nan if alone else 0.01],
            "p_value": [nan, 0.5],
            "diverged": [0, 1],
        }
    )


def test_accuracy_and_difference_are_in_percent_with_their_intervals() -> None:
    frame = _rescoring_frame(scores())
    np.testing.assert_allclose(frame["value"], [70, 65])
    np.testing.assert_allclose(frame["low"], [60, 55])
    np.testing.assert_allclose(frame["high"], [80, 70])
    minus = "\N{MINUS SIGN}"
    assert frame["beside"].tolist() == ["", f"{minus}5.0 [{minus}8.0, +1.0]"]


def test_a_single_episode_has_no_interval_and_says_so() -> None:
    frame = _rescoring_frame(scores(n=1))
    assert "[" not in frame["beside"][1]
    ax = plot_rescoring(scores(n=1))
    for bar in ax.containers:
        (segment,) = bar[2][0].get_segments()
        assert np.ptp(segment[:, 0]) == 0
    assert any("one episode has no interval" in t.get_text() for t in ax.texts)


def test_the_note_has_n_divergence_and_the_given_note() -> None:
    ax = plot_rescoring(scores(), note="settings as given")
    note = " ".join(text.get_text().replace("\n", " ") for text in ax.texts)
    assert "5 episodes, the same for all" in note
    assert "1 diverged and count as chance" in note
    assert "settings as given" in note


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(KShotValueError, match="no score"):
        plot_rescoring(scores().iloc[:0])
