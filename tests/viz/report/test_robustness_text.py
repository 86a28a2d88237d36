"""Sentences on whether a finding holds at other settings."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from summary_rows import CLEAR, NAN, TASK, summary_row

from kshot_viz.study.findings.robustness import CHOSEN, DEFAULT, RULE, STEP_SIZE
from kshot_viz.viz.report.robustness_text import robustness_cells, robustness_sentences


def variant(name: str, difference: float, low: float, high: float, **changes: Any) -> dict:
    tuned = json.dumps({"lr": 0.003, "head_lr": 0.1})
    row = {
        **TASK,
        "shot": 1,
        "method": "grouped",
        "variant": name,
        "pool": "val",
        "difference": difference,
        "low": low,
        "high": high,
        "n": 6,
        "same": False,
        "tuned": tuned,
        "steps": 40,
        "plain_tuned": tuned,
        "plain_steps": 20,
        "rule": "best" if name == RULE else "",
    }
    return row | changes


TEST = variant(CHOSEN, 0.031, 0.021, 0.041, pool="test", n=20, same=True)
VAL = variant(CHOSEN, 0.02, 0.01, 0.03, same=True)
DEFAULTS = variant(DEFAULT, -0.003, -0.005, -0.001)
BEST = variant(RULE, 0.01, -0.01, 0.03)
NEAR = [variant(STEP_SIZE, value, value - 0.02, value + 0.02) for value in (-0.012, 0.004, 0.03)]


def told(*variants: dict, finding: dict = CLEAR, **options: Any) -> list[str]:
    summary = pd.DataFrame([summary_row("plain"), summary_row(**finding)])
    return robustness_sentences(pd.DataFrame(list(variants)), summary, **options)


def test_every_number_is_told_with_its_episodes_and_settings():
    (text,) = told(TEST, VAL, DEFAULTS, BEST, *NEAR)
    assert text == (
        "10 classes, 1 shot, groups against plain: "
        "On 20 test episodes: +3.1 (+2.1 to +4.1) at the chosen settings. "
        "On 6 tuning episodes: +2.0 (+1.0 to +3.0) at the chosen settings, "
        "-0.3 (-0.5 to -0.1) at the default settings (lr 0.003, head_lr 0.1, 40 steps), "
        "+1.0 (-1.0 to +3.0) at the settings of the rule 'best', "
        "-1.2 to +3.0 where the step size of the method, of plain, or of both is the next smaller "
        "or larger one (3 pairs). "
        "The sign is not the same at the default settings and at 1 of 3 pairs of neighbouring step "
        "sizes."
    )


def test_a_finding_that_holds_everywhere():
    (text,) = told(TEST, VAL, BEST)
    assert text.endswith(
        "The default settings were not among those that ran. The sign is the same at all of these."
    )


def test_the_chosen_settings_on_tuning_episodes_count_too():
    turned = variant(CHOSEN, -0.02, -0.03, -0.01, same=True)
    (text,) = told(TEST, turned, BEST, NEAR[-1])
    assert text.endswith("The sign is not the same at the chosen settings on tuning episodes.")
    (text,) = told(TEST, turned, BEST, finding={"difference": 0.009})
    assert text.endswith("is below zero at the chosen settings on tuning episodes.")


def test_where_nothing_is_clear_it_is_told_where_an_interval_excludes_zero():
    vague = {"difference": 0.009}
    (text,) = told(TEST, DEFAULTS, BEST, NEAR[-1], finding=vague)
    assert text.endswith(
        "The 95 % interval, not adjusted for the number of settings, is above zero at 1 of 1 pairs "
        "of neighbouring step sizes and below zero at the default settings."
    )
    (text,) = told(TEST, BEST, finding=vague)
    assert text.endswith("Nowhere else does the 95 % interval exclude zero.")


def test_without_settings_of_its_own_the_defaults_are_those_of_plain():
    (text,) = told(TEST, DEFAULTS | {"tuned": "{}", "steps": 0})
    assert "at the default settings (of plain: lr 0.003, head_lr 0.1, 20 steps)" in text


def test_settings_that_are_the_chosen_ones_are_no_evidence():
    (text,) = told(TEST, DEFAULTS | {"same": True}, BEST | {"same": True}, NEAR[0])
    assert "the default settings are the chosen ones" in text
    assert "the rule 'best' takes the same settings" in text
    assert text.endswith("The sign is not the same at 1 of 1 pairs of neighbouring step sizes.")


def test_settings_that_stopped_early_are_said_to_have_fewer_episodes():
    (text,) = told(TEST, VAL, NEAR[1] | {"n": 1, "low": NAN, "high": NAN})
    assert "On 6 tuning episodes: +2.0" in text
    assert "larger one (1 pair, all on fewer than 3 episodes). Settings that were stopped" in text
    assert "nan" not in text
    (text,) = told(TEST, VAL, *NEAR[1:], NEAR[0] | {"n": 4}, NEAR[0] | {"n": 2})
    assert "(3 pairs, n = 4 to 6; 1 pair on fewer than 3 episodes left out)" in text


def test_fewer_than_three_episodes_show_nothing_about_the_sign():
    wide = variant(DEFAULT, -0.05, -0.25, 0.15, n=2)
    (text,) = told(TEST, VAL, BEST, wide)
    assert "-5.0 (-25.0 to +15.0, n = 2) at the default settings (lr" in text
    assert text.endswith(
        "The sign is the same at all of these. Fewer than 3 episodes show nothing about the sign."
    )
    (text,) = told(TEST, wide | {"n": 1, "low": NAN, "high": NAN}, VAL)
    assert "-5.0 (n = 1) at the default settings" in text
    (text,) = told(TEST, wide)
    assert text.endswith("40 steps). Fewer than 3 episodes show nothing about the sign.")


def test_without_other_settings_that_is_said():
    (text,) = told(TEST)
    assert text.startswith("No other settings were run")
    (text,) = told(TEST, DEFAULTS | {"same": True}, tuned=False)
    assert text.startswith("Nothing was tuned. No other settings were run")
    assert robustness_sentences(pd.DataFrame(), pd.DataFrame()) == []


def test_the_sentences_are_about_what_is_clear_else_about_groups():
    names = ("head_only", "last_block", "grouped", "shuffled", "bitfit")
    variants = [one | {"method": name} for name in names for one in (TEST, BEST)]

    def about(*rows: dict) -> list[str]:
        made = robustness_sentences(pd.DataFrame(variants), pd.DataFrame([*rows]))
        return [one.split(", ")[2].split(" against")[0] for one in made]

    plain = summary_row("plain")
    clear = [
        summary_row(name, **CLEAR | {"difference": d / 100}) for d, name in enumerate(names, 1)
    ]
    assert about(plain, *clear)[1:] == ["shuffled groups", "groups"]
    assert len(about(plain, *clear)) == 3
    vague = [summary_row(name) for name in names]
    assert about(plain, *vague) == ["groups"]
    others = [summary_row("head_only"), summary_row("last_block", difference=-0.02)]
    assert about(plain, *others) == ["last block"]


def test_the_table_has_every_row():
    head, rows = robustness_cells(pd.DataFrame([TEST, BEST | {"same": True}]))
    assert len({len(head), *map(len, rows)}) == 1
    assert rows[0] == [
        "groups",
        "10",
        "1",
        "chosen settings",
        "lr 0.003, head_lr 0.1, 40 steps",
        "lr 0.003, head_lr 0.1, 20 steps",
        "+3.1 [+2.1, +4.1]",
        "20 test episodes",
    ]
    assert rows[1][3] == "settings of the rule 'best' (the chosen ones)"
