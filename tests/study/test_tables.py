"""Tables from rows, with numbers worked out by hand or by scipy."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from tuning_rows import row, scored

from kshot_viz.errors import KShotKeyError
from kshot_viz.stats import bootstrap_mean
from kshot_viz.study.tables import curve, estimates, summary
from kshot_viz.study.task import TASK


def settings_of(rows):
    frame = pd.DataFrame(rows).drop_duplicates([*TASK, "method"])
    return frame[[*TASK, "method", "lr", "head_lr", "steps", "tuned"]]


def table(rows, reference="plain"):
    return summary(pd.DataFrame(rows), settings_of(rows), reference).set_index("method")


# ---- the summary -------------------------------------------------------------------------------

PLAIN = [0.40, 0.50, 0.60, 0.70, 0.50, 0.60]
BETTER = [0.50, 0.55, 0.80, 0.75, 0.65, 0.90]
WORSE = [0.30, 0.50, 0.20, 0.60, 0.45, 0.55]


def test_differences_are_paired_by_episode_and_tested_as_scipy_does():
    rows = [*scored("plain", PLAIN), *scored("grouped", BETTER), *scored("head_only", WORSE)]
    mixed = list(np.random.default_rng(0).permutation(np.array(rows, dtype=object)))
    found = table(mixed)
    for method, values in (("grouped", BETTER), ("head_only", WORSE)):
        points = np.rint(100 * np.array(values)) - np.rint(100 * np.array(PLAIN))
        assert found.difference[method] == pytest.approx(points.mean() / 100)
        assert found.p_value[method] == pytest.approx(scipy_stats.wilcoxon(points).pvalue)
        interval = bootstrap_mean(np.round(points / 100, 12))
        assert found.difference_low[method] == pytest.approx(interval.low)
        assert found.difference_high[method] == pytest.approx(interval.high)
    expected = bootstrap_mean(BETTER)
    assert found.loc["grouped", ["accuracy", "low", "high", "n"]].tolist() == pytest.approx(
        [expected.mean, expected.low, expected.high, 6], abs=0.01
    )


def test_p_values_are_adjusted_over_the_rivals_of_one_task():
    one = [*scored("plain", PLAIN), *scored("grouped", BETTER), *scored("head_only", WORSE)]
    other = [changed | {"shot": 5} for changed in one if changed["method"] != "head_only"]
    found = summary(pd.DataFrame([*one, *other]), settings_of([*one, *other]), "plain")
    at_one = found[found["shot"] == 1].set_index("method")
    low, high = at_one.p_value["grouped"], at_one.p_value["head_only"]
    assert low < high
    assert at_one.p_holm["grouped"] == pytest.approx(2 * low)
    assert at_one.p_holm["head_only"] == pytest.approx(max(2 * low, high))
    at_five = found[found["shot"] == 5].set_index("method")
    assert at_five.p_holm["grouped"] == at_five.p_value["grouped"] == low


def test_adjusted_intervals_allow_for_the_number_of_rivals():
    one = [*scored("plain", PLAIN), *scored("grouped", BETTER), *scored("head_only", WORSE)]
    found = table(one)
    points = np.round(np.array(BETTER) - np.array(PLAIN), 12)
    interval = bootstrap_mean(points, level=1 - 0.05 / 2)
    assert found.adjusted_low["grouped"] == pytest.approx(interval.low)
    assert found.adjusted_high["grouped"] == pytest.approx(interval.high)
    alone = table(one[:12])
    assert alone.adjusted_low["grouped"] == alone.difference_low["grouped"]


def test_the_reference_differs_from_nothing():
    found = table([*scored("plain", PLAIN), *scored("grouped", BETTER)])
    assert found.difference["plain"] == 0
    assert found.loc["plain", ["difference_low", "p_value", "p_holm"]].isna().all()


def test_any_method_can_be_the_reference():
    rows = [*scored("plain", PLAIN), *scored("grouped", BETTER)]
    found = table(rows, reference="grouped")
    assert found.difference["plain"] == pytest.approx(-table(rows).difference["grouped"])
    with pytest.raises(KShotKeyError, match="`reference` must be one of 'plain', 'grouped'"):
        table(rows, reference="grouppd")


def test_without_plain_there_are_no_differences():
    found = table(scored("grouped", BETTER))
    assert found[["difference", "p_value", "p_holm"]].isna().all(axis=None)


def test_only_chosen_test_rows_count():
    rows = [
        *scored("plain", PLAIN),
        *scored("plain", [1.0] * 6, lr=0.5, chosen=False),
        row("plain", 1.0),
    ]
    found = table(rows)
    assert found.n["plain"] == 6
    assert found.accuracy["plain"] == pytest.approx(np.mean(PLAIN))


def test_diverged_runs_are_counted_at_chance():
    rows = scored("plain", PLAIN)
    rows[1] |= {"status": "diverged at step 3", "accuracy": 1 / 3}
    found = table(rows)
    assert found.diverged["plain"] == 1
    assert found.n["plain"] == 6


def test_one_episode_has_neither_interval_nor_p():
    found = table([*scored("plain", [0.5]), *scored("grouped", [0.6])])
    assert found.difference["grouped"] == pytest.approx(0.1)
    assert found.loc["grouped", ["low", "difference_low", "p_value", "p_holm"]].isna().all()


# ---- the curve --------------------------------------------------------------------------------


def test_the_curve_is_the_longest_run_on_validation_episodes():
    rows = [
        row(accuracy=0.2, steps=2),
        row(accuracy=0.4),
        row(accuracy=0.6, episode="val/1", status="diverged at step 5"),
        row(accuracy=0.9, lr=0.1, step_size=0.1),
        *scored("plain", PLAIN),
    ]
    found = curve(pd.DataFrame(rows), settings_of(rows), None).set_index("step_size")
    assert found.loc[0.01, ["steps", "accuracy", "n", "diverged"]].tolist() == [8, 0.5, 2, 0.5]
    assert found.accuracy[0.1] == 0.9
    assert len(found) == 2


def test_the_curve_of_a_moving_body_keeps_one_step_size_of_the_head():
    rows = [row(accuracy=a, head_lr=h) for h, a in ((0.1, 0.3), (1.0, 0.7))]
    rows += [
        row("head_only", a, head_lr=h, step_size=h, lr=0.5) for h, a in ((0.1, 0.4), (1.0, 0.8))
    ]
    settings = settings_of(rows)
    chosen = curve(pd.DataFrame(rows), settings, None)
    assert chosen[chosen.method == "plain"].accuracy.tolist() == [0.3]
    assert chosen[chosen.method == "head_only"].accuracy.tolist() == [0.4, 0.8]
    other = curve(pd.DataFrame(rows), settings, 1.0)
    assert other[other.method == "plain"].accuracy.tolist() == [0.7]


def test_the_curve_keeps_the_chosen_values_of_all_other_settings():
    def of(accuracy, lr, p):
        own = json.dumps({"lr": lr, "head_lr": 0.1, "p": p})
        return row("mine", accuracy, lr=lr, step_size=lr, tuned=own, setting=own)

    rows = [of(0.3, 0.01, 0.1), of(0.4, 0.02, 0.1), of(0.8, 0.01, 0.5), of(0.9, 0.02, 0.5)]
    assert curve(pd.DataFrame(rows), settings_of(rows), None).accuracy.tolist() == [0.3, 0.4]
    assert curve(pd.DataFrame(rows), settings_of(rows[2:]), None).accuracy.tolist() == [0.8, 0.9]


def test_a_curve_without_tuning_is_empty_but_has_its_columns():
    rows = scored("plain", PLAIN)
    found = curve(pd.DataFrame(rows), settings_of(rows), None)
    assert len(found) == 0
    assert {"method", "step_size", "accuracy", "diverged"} <= set(found.columns)


# ---- estimates of any column -------------------------------------------------------------------


def test_estimates_are_those_of_the_summary():
    rng = np.random.default_rng(0)
    rows = [one for name in ("plain", "grouped") for one in scored(name, rng.random(12))]
    expected = table(rows)
    means = estimates(pd.DataFrame(rows), "accuracy").set_index("method")
    pairs = estimates(pd.DataFrame(rows), "accuracy", "plain").set_index("method")
    assert means[["value", "low", "high", "n"]].to_numpy().tolist() == (
        expected[["accuracy", "low", "high", "n"]].to_numpy().tolist()
    )
    ours = pairs.loc["grouped", ["value", "low", "high", "p_value", "p_holm"]].tolist()
    columns = ["difference", "difference_low", "difference_high", "p_value", "p_holm"]
    assert ours == expected.loc["grouped", columns].tolist()


def test_runs_without_a_value_are_counted_and_left_out():
    rows = pd.DataFrame([*scored("plain", [0.5, 0.7]), *scored("grouped", [np.nan, 0.9])])
    means = estimates(rows, "accuracy").set_index("method")
    assert means.loc["grouped", ["value", "n", "missing"]].tolist() == [0.9, 1, 1]
    pairs = estimates(rows, "accuracy", "plain").set_index("method")
    assert pairs.loc["grouped", ["value", "n", "missing"]].tolist() == [pytest.approx(0.2), 1, 1]
    assert np.isnan(pairs["p_value"]).all()
    assert estimates(rows[:0], "accuracy").empty
