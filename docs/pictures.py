"""Take the pictures of the dashboards, in JupyterLab, in both themes.

    python docs/pictures.py                      # digits and letters; docs/pictures/*.png
    python docs/pictures.py --data FOLDER        # photographs with SqueezeNet; runs/pictures/*.png

FOLDER holds office_caltech10, imagenet_samples and the weights; its pictures are not to be passed
on, so they go to a folder that is not kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
# The server, the browser and the way to open a notebook are those of the browser tests.
sys.path.insert(0, str(ROOT / "tests" / "support"))

from chromium import launched, opened  # noqa: E402
from lab_page import LabPage  # noqa: E402
from lab_server import Server, jupyterlab  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WIDTHS = (1280, 1920)
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
# Pictures that go into the repository; the others are looked at and thrown away.
KEPT = {
    "explorer": "light",
    "monitor": "dark",
    "comparison": "light",
    "mapper_explorer": "light",
}

DIGITS = """
import kshot_viz as kv
data = kv.load_dataset("digits")
source = kv.load_dataset("glyphs", per_class=2)
labelled = kv.load_dataset("glyphs", per_class=8)
backbone = kv.load_backbone("glyphnet")
layer, way, shots, n, draws = "blocks.2.conv", 10, (1, 5), 10, 3
elsewhere = {"way": 20, "same_classes": False}
layers = list(backbone.layers)[-2:]
"""
PHOTOGRAPHS = """
import kshot_viz as kv
data = kv.load_dataset(DATA + "/office_caltech10/webcam")
source = kv.load_dataset(DATA + "/imagenet_samples", labelled=False)
labelled = kv.load_dataset(DATA + "/office_caltech10/amazon")
backbone = kv.load_backbone(
    "squeezenet1_1", weights=DATA + "/squeezenet1_1_imagenet_features.npz", size=96
)
layer, way, shots, n, draws = "features.12.expand1x1", 10, (1, 3), 4, 1
elsewhere = {"way": 10, "same_classes": True}
layers = list(backbone.layers)[-3:]
"""
VIEWS = {
    "explorer": """
episodes = kv.sample_episodes(data, way=way, shot=1, query=15, n=5, val_share=0.4, seed=0)
activations = kv.capture_activations(backbone, source)
grouping = kv.cluster_neurons(activations, n_groups=0.2, method="ward")
shown = kv.GroupExplorer(
    backbone, activations, grouping, data, episodes, layer=layer, executor="processes"
)
shown.select(range(6))
shown.edit("group")
shown.panel.view.value = "images"
shown.wait()
shown
""",
    "monitor": """
reward = kv.pseudo_episode_reward(labelled, shot=1, query=5, n=4, **elsewhere)
space = kv.GroupSpace.of(
    backbone,
    layers=layers,
    settings={"lr": (0.03, 0.1, 0.3, 1.0)},
    config=kv.FinetuneConfig(head_lr=0.01, steps=20),
)
options = {"space": space, "storage": "memory", "executor": "processes", "budget": 10 * n}
lucky = [
    kv.search_groups(backbone, reward, sampler="random", seed=seed, **options)
    for seed in range(draws)
]
search = kv.GroupSearch(backbone, reward, **options)
search.run()
shown = kv.SearchMonitor(search, random=lucky)
shown.wait()
shown
""",
    "comparison": """
episodes = [
    one
    for shot in shots
    for one in kv.sample_episodes(data, way=way, shot=shot, query=15, n=n, seed=0)
]
grid = kv.TuningGrid(lrs=(0.001, 0.01, 0.1), head_lrs=(0.01, 0.1), steps=(10, 40))
table = kv.compare_methods(
    backbone,
    data,
    episodes,
    methods=["head_only", "last_block", "plain", "grouped"],
    source=source,
    groups_from="source",
    n_val=3,
    grid=grid,
    executor="processes",
)
shown = kv.KShotComparison(table)
shown.wait()
shown
""",
    "mapper_explorer": """
from kshot_viz.analysis import activation_points
shown = kv.MapperExplorer(activation_points(backbone, data, layers[-1]), images=data)
mixed = max(shown.graphs[0].nodes, key=lambda node: node.size * (1 - node.shares[0]))
shown.select(mixed.members)
shown.wait()
shown
""",
}


def take(browser: Browser, server: Server, first: str, view: str, out: Path) -> None:
    """Open one view at both widths and in both themes."""
    name = server.write(f"{view}.ipynb", [first, VIEWS[view]])
    for width in WIDTHS:
        with opened(browser, server.base, width=width, height=1700) as (page, refused):
            lab = LabPage.open(page, server, name)
            wrong = [*lab.run_all(), *refused]
            assert not wrong, wrong
            for theme, full in THEMES.items():
                lab.theme(full)
                # JupyterLab lays its splash over the page while the theme changes.
                page.locator("#jupyterlab-splash").wait_for(state="detached")
                found = lab.show(".kv-dashboard")
                path = out / f"{view}_{theme}_{width}.png"
                found.screenshot(path=path)
                print(path.name, f"{path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Take all pictures; keep one of each view of the bundled data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="photographs, instead of digits and letters")
    parser.add_argument("--only", choices=VIEWS, action="append", help="views; all by default")
    asked = parser.parse_args()
    first = PHOTOGRAPHS.replace("DATA", repr(str(asked.data.absolute()))) if asked.data else DIGITS
    out = ROOT / "runs" / ("pictures_photographs" if asked.data else "pictures")
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp())
    with launched() as browser, jupyterlab(folder) as server:
        for view in asked.only or VIEWS:
            take(browser, server, first, view, out)
    if not asked.data:
        kept = ROOT / "docs" / "pictures"
        kept.mkdir(exist_ok=True)
        for view in asked.only or VIEWS:
            taken = out / f"{view}_{KEPT[view]}_{WIDTHS[0]}.png"
            (kept / f"{view}.png").write_bytes(taken.read_bytes())


if __name__ == "__main__":
    main()
