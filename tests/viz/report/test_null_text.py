"""What a report says about groups beside groups with random members."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pytest
from summary_rows import NAN, TASK, summary_row

from kshot_viz.viz.report.null_text import null_sentences

GAINS = (0.002, 0.004, 0.006, 0.008, 0.01, 0.012)


def tuning_rows(gains: tuple[float, ...], *, common: bool = True) -> pd.DataFrame:
    """Rows of two settings of both methods, at which groups gain so much in each episode."""
    rows = [
        {
            **TASK,
            "shot": 1,
            "method": method,
            "pool": "val",
            "episode": f"val/{episode}",
            "tuned": json.dumps({"lr": lr if common or method == "grouped" else 3 * lr}),
            "steps": 40,
            "accuracy": 0.5 + lr + (method == "grouped") * gain,
        }
        for method in ("grouped", "shuffled")
        for lr in (0.001, 0.01)
        for episode, gain in enumerate(gains)
    ]
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else [*TASK, "shot", "pool", "method"])


@dataclass(frozen=True)
class Compared:
    """Groups beside their null."""

    rows: list[dict[str, Any]]
    frame: pd.DataFrame = field(default_factory=lambda: tuning_rows(GAINS))
    methods: tuple[str, ...] = ("plain", "grouped", "shuffled")
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> pd.DataFrame:
        return pd.DataFrame({"method": self.methods})

    def summary(self, *, reference: str) -> pd.DataFrame:
        assert reference == "shuffled"
        return pd.DataFrame([summary_row("plain"), *self.rows, summary_row("shuffled", steps=5)])


def chosen(difference: float, low: float, p: float, **changes: Any) -> dict[str, Any]:
    high = 2 * difference - low
    known = {"difference": difference, "difference_low": low, "difference_high": high}
    return summary_row(**known, p_value=p, **changes)


UP, DOWN, VAGUE = chosen(0.02, 0.01, 0.01), chosen(-0.055, -0.08, 0.01), chosen(0.02, -0.01, 0.3)
AROUND = (-0.01, 0.008, 0.012, -0.004, 0.02, -0.002)
MATTERS = "it matters which neurons share a group"


@pytest.mark.parametrize(
    ("row", "gains", "verdict"),
    [
        (UP, GAINS, f"{MATTERS}: sharing among these neurons helps, compared with random ones."),
        (
            DOWN,
            tuple(-one for one in GAINS),
            f"{MATTERS}: sharing among these neurons harms, compared with random ones.",
        ),
        (
            DOWN,
            GAINS,
            f"the two signs are not the same, so there is no sign that holds that {MATTERS}.",
        ),
        (
            DOWN,
            AROUND,
            f"the two signs are not the same, so there is no sign that holds that {MATTERS}.",
        ),
        (
            UP,
            AROUND,
            "it is clear at the chosen settings alone, and their choice may have made it, so it is "
            f"not clear whether {MATTERS}.",
        ),
        (
            VAGUE,
            GAINS,
            f"it is clear at equal settings alone, so it is not clear whether {MATTERS}.",
        ),
        (VAGUE, AROUND, f"no clear sign that {MATTERS}."),
        (chosen(0.02, 0.01, 0.2), AROUND, f"no clear sign that {MATTERS}."),
    ],
)
def test_it_matters_only_where_both_comparisons_say_so(row, gains, verdict):
    (text,) = null_sentences(Compared([row], tuning_rows(gains)))
    assert text.partition("tuning episodes): ")[2] == verdict


def test_both_differences_are_told_with_intervals_and_episodes():
    (text,) = null_sentences(Compared([DOWN]))
    assert text.startswith(
        "10 classes, 1 shot: in accuracy, groups differ from shuffled groups by -5.5 points at "
        "their own chosen settings (95 % interval -8.0 to -3.0, adjusted p = 0.010, n = 20), and "
        "by +0.7 at equal settings, over the 2 settings that both ran with (95 % interval +0.4 to "
        "+1.0, 6 tuning episodes): "
    )


def test_without_equal_settings_only_the_same_settings_tell_anything():
    apart = tuning_rows(GAINS, common=False)
    (text,) = null_sentences(Compared([UP], apart))
    assert text.endswith(
        "nothing ran at equal settings, and the choice of settings may have made it, so it is not "
        f"clear whether {MATTERS}."
    )
    given = chosen(0.02, 0.01, 0.01, steps=5)
    (text,) = null_sentences(Compared([given], apart))
    assert "points at the same chosen settings (" in text
    assert f"): {MATTERS}: sharing among these neurons helps" in text


def test_what_weakens_the_verdict_stands_in_its_sentence():
    (text,) = null_sentences(Compared([UP], manifest={"query_reuse": 9.0}))
    assert text.endswith(
        "compared with random ones; the episodes share their images, so this is too sure."
    )


def test_p_is_adjusted_for_the_number_of_tasks():
    many = [chosen(0.02, 0.01, 0.03, shot=shot) for shot in (1, 5)]
    shuffled = [summary_row("shuffled", shot=5, steps=5)]
    texts = null_sentences(Compared([*many, *shuffled]))
    assert ["adjusted p = 0.060" in text for text in texts] == [True, True]


def test_one_episode_or_no_null_shows_nothing():
    once = summary_row(difference_low=NAN, difference_high=NAN, p_value=NAN)
    (text,) = null_sentences(Compared([once]))
    assert text.endswith("settings in one episode, which shows nothing.")
    assert null_sentences(Compared([once], methods=("plain", "grouped"))) == []
