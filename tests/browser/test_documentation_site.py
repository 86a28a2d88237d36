"""The site as `make docs` builds it, notebooks without outputs: links, widths, and no requests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from chromium import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
WIDTHS = (1280, 390)
SAMPLE = (
    "docs/site/index.html",
    "docs/site/start.html",
    "docs/own_network.html",
    "docs/results/map.html",
    "docs/results/speed.html",
    "docs/site/reference/viz_neurons.html",
    "docs/site/reference/networks.html",
    "notebooks/01_groups_and_kshot.html",
    "CHANGELOG.html",
)
# What sticks out at the right, of the page or of its text, and cannot be scrolled to by itself.
TOO_WIDE = """() => {
  const room = document.documentElement.clientWidth;
  const text = document.querySelector('.bd-article-container');
  const scrolls = (one) => one && one !== text && one !== document.body
    && (getComputedStyle(one).overflowX !== 'visible' || scrolls(one.parentElement));
  const out = [...document.querySelectorAll('main *')].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width && box.right > room + 1 && !scrolls(one.parentElement);
  });
  const over = (one) => one.scrollWidth - one.clientWidth;
  const page = Math.max(over(document.documentElement), over(text));
  const said = out.map((one) => one.outerHTML.slice(0, 99));
  return page > 0 ? [`page: ${page} px`, ...said] : said;
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with the arguments of the Makefile; a warning is an error."""
    out = tmp_path_factory.mktemp("site")
    # Compiling the package's sources again at each start would take longer than the build.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    places = ["-c", "docs/site", "-d", str(out / "doctrees"), ".", str(out / "html")]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", *places],
        cwd=ROOT,
        env=env | {"KSHOT_DOCS_NOTEBOOKS": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Links are compared as resolved paths.
    return (out / "html").resolve()


@dataclass
class Read(HTMLParser):
    """What a page links to, loads, and can be linked at."""

    ids: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    loaded: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        elif tag in {"img", "script", "iframe", "source"} and "src" in found:
            self.loaded.add(found["src"])
        elif tag == "link" and found.get("rel") not in {"canonical"}:
            self.loaded.add(found["href"])


def pages(site: Path) -> Iterator[tuple[Path, Read]]:
    for path in sorted(site.rglob("*.html")):
        if "_static" not in path.relative_to(site).parts:
            read = Read()
            read.feed(path.read_text("utf-8"))
            yield path, read


def test_every_link_inside_leads_somewhere_and_nothing_is_loaded_from_elsewhere(site: Path):
    found = dict(pages(site))
    assert len(found) > 50
    broken = []
    for path, read in found.items():
        assert [one for one in read.loaded if urlsplit(one).netloc] == [], path
        for link in read.links | {one for one in read.loaded if not one.startswith("data:")}:
            to = urlsplit(link)
            if to.scheme or to.netloc:
                continue
            target = (path.parent / unquote(to.path)).resolve() if to.path else path
            anchored = not to.fragment or unquote(to.fragment) in found.get(target, read).ids
            if not target.is_file() or (target in found and not anchored):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []


def test_pages_open_from_the_file_system_and_never_scroll_sideways(site: Path, browser: Browser):
    wrong = {}
    for width in WIDTHS:
        with opened(browser, "file:", width=width, height=900) as (page, refused):
            for name in SAMPLE:
                page.goto((site / name).as_uri())
                if found := page.evaluate(TOO_WIDE):
                    wrong[width, name] = found
            assert refused == []
    assert wrong == {}
