"""The pages made from the map say what their numbers are, computed again here."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import spearmanr

import kshot_viz as kv

RESULTS = Path(__file__).parents[1] / "docs" / "results"
TASK = ["data", "backbone", "shot"]
TASKS = [
    *(("map", 26), ("map_same_sizes", 23), ("map_control", 2), ("map_variants", 4)),
    *(("map_handwriting", 16), ("map_photos", 4), ("map_digits", 2)),
]
PAGES = pytest.mark.parametrize(("name", "tasks"), TASKS)
# Of variants that are equally good elsewhere, or where there is no other data, the first is taken.
IMPRINTED = ("plain", "groups", "half_own")
VARIANTS = [
    *("grouped", "weight_groups", "signed_groups", "soft_groups", "input_groups"),
    *("regrouped", "correlation_groups", "gradient_groups", "half_own"),
    *("imprinted_groups", "imprinted_half_own"),
]


def read(name: str) -> str:
    return (RESULTS / name).read_text("utf-8")


def records(name: str):
    return json.loads(read(name))


def plain_of(variant: str) -> str:
    """Return plain fine-tuning from the same start of the head."""
    return "imprinted_plain" if variant.startswith("imprinted_") else "plain"


@pytest.fixture(scope="module")
def regrets() -> pd.DataFrame:
    return pd.DataFrame(records("map_handwriting.json"))


def table(page: str, head: str) -> list[list[str]]:
    """Return the cells of the table whose head begins so."""
    return [list(one.values()) for one in named_table(page, head)]


def named_table(page: str, head: str) -> list[dict[str, str]]:
    """Return the same, each cell under the name of its column."""
    lines = page[page.index(f"| {head} |") :].splitlines()
    cells = [[one.strip() for one in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    end = next(i for i, line in enumerate(lines) if not line.startswith("|"))
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:end]]


def test_no_two_pages_of_results_have_one_title():
    titles = [path.read_text("utf-8").splitlines()[0] for path in RESULTS.glob("*.md")]
    assert len(set(titles)) == len(titles)


@PAGES
def test_every_accuracy_of_the_map_is_that_of_its_numbers(name, tasks):
    regrets = pd.DataFrame(records(f"{name}.json"))
    part = regrets[(regrets["regime"] == "many") & (regrets["rule"] == "guarded")]
    wide = 100 * part.pivot_table("accuracy", TASK, "method")
    rows = table(read(f"{name}.md"), "data")
    assert len(rows) == len(wide) == tasks
    for data, network, shot, head, plain, grouped, *_ in rows:
        own = wide.loc[(data, network, int(shot))]
        shown = [float(one) for one in (head, plain, grouped)]
        assert shown == pytest.approx(own[["head_only", "plain", "grouped"]], abs=0.051)


@PAGES
def test_the_numbers_that_count_are_means_over_data_sets(name, tasks):
    regrets = pd.DataFrame(records(f"{name}.json"))
    variants = [one for one in VARIANTS if one in set(regrets["method"])]
    for row in named_table(read(f"{name}.md"), "regime | rule | tasks"):
        regime, rule = row["regime"], row["rule"]
        part = regrets[(regrets["regime"] == regime) & (regrets["rule"] == rule)]
        wide = part.pivot_table("accuracy", TASK, "method")
        behind = part.pivot_table("regret", TASK, "method")
        above = wide[variants].sub(wide["plain"], axis=0)
        sets = wide.index.get_level_values("data")
        others = {key: above[sets != key[0]].mean() for key in wide.index}
        taken = {
            key: variants[0] if one.isna().all() else one.idxmax() for key, one in others.items()
        }
        gain = pd.Series(
            {key: wide.loc[key, one] - wide.loc[key, plain_of(one)] for key, one in taken.items()}
        )
        mean = 100 * gain.groupby(level=0).mean().mean()
        assert int(row["tasks"]) == len(wide) <= tasks
        assert float(row["groups - plain"].split()[0]) == pytest.approx(mean, abs=0.051)
        lost = max(behind.loc[key, one] for key, one in taken.items())
        assert float(row["worst, groups"]) == pytest.approx(lost, abs=0.051)
        assert float(row["worst, plain"]) == pytest.approx(behind["plain"].max(), abs=0.051)


@pytest.mark.slow
def test_the_rows_of_the_map_give_its_numbers():
    known = pd.DataFrame(records("map.json"))
    found = kv.Study.load(RESULTS / "map").regrets()
    columns = [*TASK, "method", "regime", "rule", "accuracy", "best", "regret", "n"]
    pd.testing.assert_frame_equal(found[columns].round(4), known[columns])


def test_the_short_table_names_the_methods_that_are_least_behind():
    regrets = pd.DataFrame(records("map.json"))
    rows = table(read("map.md"), "regime | rule | least mean")
    assert len(rows) == len(regrets.groupby(["regime", "rule"]))
    for regime, rule, first, safest, *others in rows:
        part = regrets[(regrets["regime"] == regime) & (regrets["rule"] == rule)]
        behind = part.groupby("method")["regret"].agg(["mean", "max"])
        least = {"mean": behind["mean"].idxmin(), "max": behind["max"].idxmin()}
        assert [first.split()[0], safest.split()[0]] == list(least.values())
        shown = ("plain", "grouped", "imprinted_plain", "imprinted_groups", "logistic")
        cells = [first.split(" ", 1)[1], safest.split(" ", 1)[1], *others]
        for name, cell in zip([*least.values(), *shown], cells, strict=True):
            numbers = [float(one) for one in cell.split(",")]
            assert numbers == pytest.approx(behind.loc[name].tolist(), abs=0.051)


def worst_of(name: str, rule: str = "guarded") -> pd.Series:
    """Return the largest regret of each method in any task, by a rule."""
    regrets = pd.DataFrame(records(name))
    return regrets[regrets["rule"] == rule].groupby(["regime", "method"])["regret"].max()


def test_the_readme_says_of_the_map_what_its_numbers_say():
    worst, before = (worst_of(name) for name in ("map.json", "map_same_sizes.json"))
    page = (RESULTS.parents[1] / "README.md").read_text("utf-8")
    regrets = pd.DataFrame(records("map.json")).groupby(["regime", "rule", "method"])["regret"]
    shown = ("logistic", "plain", "grouped", *(f"imprinted_{one}" for one in IMPRINTED))
    rows = table(page, "settings chosen on")
    assert [(row[0].split(":")[0], row[1]) for row in rows] == [
        *((regime, "guarded") for regime in ("blind", "few", "many")),
        ("few", "best"),
    ]
    for regime, rule, *cells in rows:
        for name, cell in zip(shown, cells, strict=True):
            one = regrets.get_group((regime.split(":")[0], rule, name))
            assert cell == f"{one.mean():.1f}, {one.max():.1f}"
    mean = pd.DataFrame(records("map_variants.json")).groupby(["rule", "regime", "method"])
    least = mean["regret"].mean()["guarded"]
    assert least["few"].idxmin() == least["many"].idxmin() == "half_own"
    of_map = regrets.mean().xs("guarded", level="rule")
    assert all(of_map[one]["half_own"] > of_map[one].min() for one in ("blind", "few", "many"))
    guide = (RESULTS.parent / "studies.md").read_text("utf-8")
    then, now = (one["blind"]["plain"] for one in (before, worst))
    assert f"fell [from {then:.1f} to {now:.1f} points](results/map.md)" in guide


@pytest.mark.slow
def test_what_units_of_the_features_change_is_told_from_both_maps():
    now, before = (pd.DataFrame(records(f"{name}.json")) for name in ("map", "map_same_sizes"))
    section = read("map.md").split("## What steps in units of the features change")[1]
    rows = named_table(section, "regime | rule | head_only")
    assert len(rows) == len(now.groupby(["regime", "rule"]))
    key = [*TASK, "method", "regime", "rule"]
    both = now.merge(before, on=key, suffixes=("", "_then")).set_index(key)
    # On the episodes of both: the first ones of the larger map.
    frame = kv.Study.load(RESULTS / "map").frame.dropna().set_index(key)
    then = frame.index.map(both["n_then"])
    of_both = frame[frame["episode"].str.removeprefix("test/").astype(int).to_numpy() < then]
    both["gain"] = 100 * (of_both.groupby(key)["accuracy"].mean() - both["accuracy_then"])
    for row in rows:
        part = both.xs((row["regime"], row["rule"]), level=("regime", "rule"))
        for method in list(row)[2:]:
            one = part.xs(method, level="method")
            mean = one["gain"].groupby(level="data").mean().mean()
            assert float(row[method].split()[0]) == pytest.approx(mean, abs=0.051)
            told = [float(n) for n in row[method].split("], ")[1].split(" -> ")]
            worst = [one["regret_then"].max(), one["regret"].max()]
            assert told == pytest.approx(worst, abs=0.051)


def test_rank_correlations_of_the_inside_page_are_those_of_its_tasks(regrets):
    found, page = records("inside.json"), read("inside.md")
    tasks = pd.DataFrame(found["tasks"])
    assert len(tasks) >= 10
    for name, _, cell, n in table(page, "number"):
        known = tasks[[name, "gain"]].dropna()
        rho = spearmanr(known[name], known["gain"]).statistic
        assert float(cell.split()[0]) == pytest.approx(rho, abs=0.006)
        assert int(n) == len(known)
    part = regrets[(regrets["regime"] == "many") & (regrets["rule"] == "guarded")]
    wide = part.pivot_table("accuracy", TASK, "method")
    gain = 100 * (wide["grouped"] - wide["plain"])
    for row in tasks.to_dict("records"):
        key = tuple(row[name] for name in TASK)
        assert row["gain"] == pytest.approx(gain.loc[key], abs=0.02)


def test_the_inside_page_counts_intervals_that_exclude_zero():
    rows = records("inside.json")["correlations"]
    clear = [one for one in rows if one["low"] > 0 or one["high"] < 0]
    told = read("inside.md")
    if clear:
        assert f"The interval of {len(clear)} of {len(rows)} excludes zero" in told
    else:
        assert f"None of {len(rows)} rank correlations" in told


def test_the_cost_of_a_recommendation_is_that_of_its_rows():
    rows, page = pd.DataFrame(records("recommend.json")), read("recommend.md")
    by_task = rows.groupby(TASK)["regret"].mean()
    mean, worst = by_task.groupby(level="data").mean().mean(), by_task.max()
    told = re.search(
        r"Mean regret over data sets: ([\d.]+) points .*?; worst task: ([\d.]+) ", page
    )
    assert [float(one) for one in told.groups()] == pytest.approx([mean, worst], abs=0.051)
    classifier = (RESULTS.parent / "classifier.md").read_text("utf-8")
    assert f"[{told[1]} points behind the best in" in classifier
    assert f"and {told[2]} at most" in classifier


def test_the_stated_accuracies_held_as_often_as_is_said():
    found, page = records("stated_accuracy.json"), read("stated_accuracy.md")
    draws = found["draws"]
    held = sum(
        one["estimate"]["low"] <= one["measured"] <= one["estimate"]["high"] for one in draws
    )
    assert len(draws) == found["asked"]
    assert f"measured accuracy in {held} of {len(draws)} draws" in page
    told = " ".join((RESULTS.parent / "classifier.md").read_text("utf-8").split())
    assert f"(results/stated_accuracy.md) in {held} of {len(draws)} draws" in told


def test_the_shipped_prior_is_of_the_tasks_of_the_map():
    regrets = pd.DataFrame(records("map.json"))
    folder = files("kshot_viz.study.recommendation")
    prior = pd.DataFrame(json.loads((folder / "prior.json").read_text("utf-8"))["rows"])
    assert set(prior["data"]) == set(regrets["data"])
    assert (prior.groupby(TASK).size() == 5).all()


def test_the_alignment_page_shows_the_means_of_its_numbers():
    found, page = records("alignment.json"), read("alignment.md")
    frame = pd.DataFrame(found["pretrained"]["data"], columns=found["pretrained"]["columns"])
    means = frame.groupby("relation")[["value", "untrained"]].mean()
    head = page[page.index("| | b-RGA") :].splitlines()[2:4]
    value, untrained = ([float(one) for one in line.split("|")[2:-1]] for line in head)
    names = ["b-RGA", "b-RWA", "b-GWA", "f-RGA", "f-RWA", "f-GWA"]
    assert value == pytest.approx(means.loc[names, "value"], abs=0.0051)
    assert untrained == pytest.approx(means.loc[names, "untrained"], abs=0.0051)
    gain = (means["value"] - means["untrained"]).max()
    assert f"rose most by {gain:+.2f} over an untrained copy" in page


def test_the_guide_says_of_alignment_what_its_page_says():
    guide, page = (RESULTS.parent / "inside.md").read_text("utf-8"), read("alignment.md")
    for row in ("pretrained", "untrained"):
        (line,) = [one for one in page.splitlines() if one.startswith(f"| {row} |")]
        assert line in guide
    most = re.search(r"changed none by more than ([\d.]+) ", page)[1]
    apart = re.search(r"differ from those of plain ones by at most ([\d.]+) ", page)[1]
    told = " ".join(guide.split())
    assert f"changed no relation of a hidden layer by more than {most}" in told
    assert f"end within {apart} of plain ones" in told
