from __future__ import annotations

import base64
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from networks import toy_backbone, toy_data

from kshot_viz.data.episodes import sample_episodes
from kshot_viz.errors import KShotFileError
from kshot_viz.study.compare import compare_methods
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.settings.grid import TuningGrid
from kshot_viz.viz.report.html import table
from kshot_viz.viz.report.report import write_report

pytestmark = pytest.mark.slow

EVIL = "<script>alert(\"x\")</script> & 'more'"
VOID = {"meta", "img", "br", "link"}


class Reader(HTMLParser):
    """Collects tags and text, and holds that every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def figure() -> Figure:
    drawn = Figure(figsize=(2, 1))
    drawn.add_subplot().plot([1, 2])
    return drawn


def read(path: Path) -> tuple[str, Reader]:
    source = path.read_text("utf-8")
    reader = Reader()
    reader.feed(source)
    assert reader.open == []
    return source, reader


@pytest.fixture
def page(make: Callable, tmp_path: Path) -> tuple[str, Reader]:
    comparison = make(methods=("plain", "grouped", EVIL))
    path = write_report(
        comparison,
        tmp_path / "new" / "report.html",
        figures={f"First {EVIL}": figure(), "Second": figure().axes[0]},
        title=f"Title {EVIL}",
        command=f"kshot-viz compare --data {EVIL}",
    )
    return read(path)


def test_nothing_is_fetched_and_nothing_runs(page: tuple[str, Reader]) -> None:
    source, reader = page
    tags = {tag for tag, _ in reader.tags}
    assert not tags & {"script", "link", "iframe", "object", "svg", "form"}
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[^\"]*", "", source))
    assert "default-src 'none'" in source
    assert not any(name.startswith("on") for _, attrs in reader.tags for name in attrs)


def test_everything_given_is_escaped(page: tuple[str, Reader]) -> None:
    source, reader = page
    assert "<script" not in source
    assert reader.text.count(EVIL) >= 4
    alts = [str(attrs["alt"]) for tag, attrs in reader.tags if tag == "img"]
    assert alts == [
        "Paired differences of accuracy to plain fine-tuning",
        f"First {EVIL}",
        "Second",
    ]


def test_figures_are_whole_pngs(page: tuple[str, Reader]) -> None:
    for tag, attrs in page[1].tags:
        if tag == "img":
            kind, data = str(attrs["src"]).split(",")
            assert kind == "data:image/png;base64"
            assert base64.b64decode(data).startswith(b"\x89PNG")


def test_the_page_tells_findings_tables_settings_and_the_way_back(
    page: tuple[str, Reader],
) -> None:
    text = page[1].text
    for part in (
        "no method differs clearly",
        "71.4 [70.1, 72.6]",
        "654 labelled target images",
        "Chosen settings",
        "torch: 2.6",
        "comparison.replay(row=0",
        '"labels_used_for_tuning": 654',
    ):
        assert part in text


def test_light_and_dark_are_served(page: tuple[str, Reader]) -> None:
    assert "prefers-color-scheme: dark" in page[0]
    (dark,) = [attrs for tag, attrs in page[1].tags if tag == "source"]
    light = next(attrs["src"] for tag, attrs in page[1].tags if tag == "img")
    assert dark["media"] == "(prefers-color-scheme: dark)"
    assert str(dark["srcset"]).startswith("data:image/png;base64,iVBOR")
    assert dark["srcset"] != light


def opened(comparison: Any, folder: Path) -> tuple[str, str]:
    """Return the source and the text of a page up to its first table of accuracies."""
    source, reader = read(write_report(comparison, folder / "r.html", figures={}, title="T"))
    return source[: source.index("<h2>Accuracy")], reader.text.partition("Chosen settings")[0]


@pytest.fixture(scope="module")
def compared() -> Comparison:
    data = toy_data(3, 24)
    episodes = sample_episodes(data, way=3, shot=1, query=5, n=3, seed=1)
    grid = TuningGrid(lrs=(0.01, 0.1), head_lrs=(0.3,), steps=(2, 8), extend=0)
    return compare_methods(
        toy_backbone(),
        data,
        episodes,
        methods=["plain", "grouped", "shuffled", "weight_groups"],
        grid=grid,
        n_groups=0.5,
        n_val=2,
        race=False,
    )


def test_a_page_opens_with_differences_findings_robustness_and_groups(
    tmp_path: Path, compared: Comparison
) -> None:
    source, _ = opened(compared, tmp_path)
    parts = [
        'alt="Paired differences',
        'class="finding"',
        "Does it hold at other settings?",
        "On 2 tuning episodes",
        "Differences to plain, by settings",
        "Does it matter which neurons share a group?",
        "in accuracy, groups differ from shuffled groups by",
        "correlation of activations",
        "cosine of gradients",
        "Other tasks and groupings",
    ]
    assert [source.index(part) for part in parts] == sorted(source.index(part) for part in parts)


def test_what_is_not_known_is_left_out(tmp_path: Path, make: Callable) -> None:
    """Neither plain, nor groups, nor rows of other settings."""
    comparison = make(methods=("head_only",))
    alone = comparison.rows.assign(difference=float("nan"))
    source, text = opened(make(methods=("head_only",), rows=alone), tmp_path)
    assert "<img" not in source
    assert "plain fine-tuning was not compared" in text
    assert "other settings?" not in text
    assert "which neurons" not in text


def test_one_method_and_one_episode(tmp_path: Path, make: Callable, row: Callable) -> None:
    source, text = opened(make(methods=("plain",)), tmp_path)
    assert "<img" not in source
    assert "only plain fine-tuning was run" in text
    nan = float("nan")
    unknown = {"difference_low": nan, "difference_high": nan, "p_value": nan, "p_holm": nan}
    once = pd.DataFrame([row("plain", n=1), row(n=1, low=nan, high=nan, **unknown)])
    source, text = opened(make(rows=once), tmp_path)
    assert "<img" in source
    assert "nan" not in text.lower()


def test_an_untuned_comparison_without_figures_and_command(make: Callable, tmp_path: Path) -> None:
    comparison = make()
    comparison.settings[["val_accuracy", "margin"]] = float("nan")
    untuned = make(settings=comparison.settings, manifest={**comparison.manifest, "tune": None})
    source, reader = read(write_report(untuned, tmp_path / "r.html", figures={}, title="T"))
    assert "Nothing was tuned" in reader.text
    assert "nan" not in reader.text.lower()
    assert ">Figures<" not in source


def test_clear_rows_and_warnings_stand_out(make: Callable, row: Callable, tmp_path: Path) -> None:
    clear = row(difference=0.03, difference_low=0.02, difference_high=0.04, p_holm=0.001)
    manifest = {**make().manifest, "query_reuse": 9.0}
    comparison = make(rows=pd.DataFrame([row("plain"), clear]), manifest=manifest)
    source, _ = read(write_report(comparison, tmp_path / "r.html", figures={}, title="T"))
    assert source.count('<tr class="clear">') == 1
    assert source.count('<p class="warning">') == 1


def test_names_of_rows_keep_their_hyphens() -> None:
    html = table("c", ["a", "b"], [["my-method", "-1.2"]])
    assert ">my-method<" in html
    assert ">\u22121.2<" in html


def test_a_folder_is_refused(make: Callable, tmp_path: Path) -> None:
    with pytest.raises(KShotFileError, match="is a folder"):
        write_report(make(), tmp_path, figures={}, title="T")
