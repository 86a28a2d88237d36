"""Files of the explorer of Mapper graphs: each graph as JSON, and the picture."""

from __future__ import annotations

import json
import re
from functools import partial

from kshot_viz.records import plain
from kshot_viz.viz.style.canvas import to_png
from kshot_viz.widgets.base.background import Failed
from kshot_viz.widgets.comparison.download import Download, File
from kshot_viz.widgets.mapper.scene import Scene

_WORDS = {1: ("Graph",), 2: ("First graph", "Second graph")}
_DPI = 150


def downloads(scene: Scene, failed: Failed) -> list[Download]:
    """Return a button for each graph and one for the picture."""
    words = _WORDS[len(scene.canvases)]
    made = [
        Download(
            word,
            f"{word}: nodes, edges and rows as JSON, for MapperGraph.load and the page of TopoAct",
            partial(graph_file, scene, index),
            failed,
        )
        for index, word in enumerate(words)
    ]
    return [*made, Download("Picture", "The picture as PNG", partial(picture, scene), failed)]


def graph_file(scene: Scene, index: int) -> File:
    """Return a graph as node-link JSON, named by its title."""
    view = scene.views()[index]
    name = re.sub(r"[^\w.-]+", "_", view.title).strip("_") or "mapper"
    content = json.dumps(plain(view.graph.to_topoact()), allow_nan=False)
    return f"{name}.json", "application/json", content.encode()


def picture(scene: Scene) -> File:
    """Return the figure."""
    return "mapper.png", "image/png", to_png(scene.figure(), _DPI)
