from __future__ import annotations

import base64
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from kshot_viz.errors import KShotFileError
from kshot_viz.viz.report.html import table
from kshot_viz.viz.report.report import write_report

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
    alts = [attrs["alt"] for tag, attrs in reader.tags if tag == "img"]
    assert alts == [f"First {EVIL}", "Second"]


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
