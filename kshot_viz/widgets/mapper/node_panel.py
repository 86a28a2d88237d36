"""What the selected rows of a Mapper graph are: numbers, classes and some of their images."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np
from numpy.typing import NDArray

from kshot_viz.errors import KShotError
from kshot_viz.text import counted, isolated
from kshot_viz.viz.style.thumbnails import transparent_thumbnail
from kshot_viz.viz.topology.graph_view import GraphView
from kshot_viz.viz.topology.node_colours import Known
from kshot_viz.widgets.base.background import Redraw
from kshot_viz.widgets.base.parts import Status, heading
from kshot_viz.widgets.mapper.clouds import Cloud

SELECT_FIRST = "Click a node, or go to one with the arrow keys and press Enter, to see its rows."
_SHOWN_KINDS, _SHOWN_IMAGES, _SIDE = 8, 12, 56
Rows = NDArray[np.int64]


class NodePanel(ipywidgets.VBox):
    """Numbers and images of the selected rows.

    Parameters
    ----------
    images : image batch, optional
        Those that ``Cloud.image`` counts.
    """

    def __init__(self, images: Any) -> None:
        self._images = images
        self._rows: Rows = np.zeros(0, dtype=np.int64)
        self._cloud: Cloud | None = None
        self._known = Known()
        self.status = Status(SELECT_FIRST)
        self.table, self.pictures = ipywidgets.HTML(), ipywidgets.HTML()
        self.table.add_class("kv-table")
        self.pictures.add_class("kv-examples")
        self.redraw = Redraw(self._draw, self.status.error)
        super().__init__([heading("Selection"), self.status, self.table, self.pictures])
        self.add_class("kv-card")
        self.add_class("kv-mapper-panel")

    def show(
        self, rows: Rows, clouds: Sequence[Cloud], views: Sequence[GraphView], known: Known
    ) -> None:
        """Show other rows; their images follow from a thread."""
        self._rows, self._cloud, self._known = rows, clouds[0] if clouds else None, known
        if not len(rows):
            self.status.idle(SELECT_FIRST)
            self.table.value = ""
        else:
            self.status.done("\n".join(selection_lines(rows, clouds, views)))
            self.table.value = kinds_table(rows, known)
        self.redraw.ask()

    def _draw(self) -> None:
        rows, cloud = self._rows, self._cloud
        if self._images is None or cloud is None or not len(rows):
            self.pictures.value = ""
            return
        typical = most_typical(rows, cloud)
        found = [self._one(int(row), cloud) for row in typical]
        more = len(rows) - len(typical)
        rest = f"<p>The {len(typical)} nearest to their mean; {more:,} more.</p>" if more else ""
        self.pictures.value = f'<div class="kv-example-row">{"".join(found)}</div>{rest}'

    def _one(self, row: int, cloud: Cloud) -> str:
        words = f"row {row}"
        for kinds in (self._known.classes, self._known.groups):
            if kinds is not None:
                words += f", {kinds.names[kinds.codes[row]]}"
        try:
            source = _png(transparent_thumbnail(self._images, int(cloud.image[row]), _SIDE))
        except KShotError as error:
            return f"<span>{html.escape(f'{words}: {error}')}</span>"
        name = html.escape(words, quote=True)
        return f'<img src="data:image/png;base64,{source}" alt="{name}" title="{name}">'


def selection_lines(rows: Rows, clouds: Sequence[Cloud], views: Sequence[GraphView]) -> list[str]:
    """Return what these rows are, and where they lie in every graph."""
    lines = []
    for cloud, view in zip(clouds, views, strict=False):
        shares = view.shares(rows)
        nodes = shares[: len(view.kept)]
        whole = int((nodes == 1).sum())
        noise = int(np.isin(rows, view.graph.noise).sum())
        parts = [counted(int((nodes > 0).sum()), "node") + f", {whole:,} of them whole"]
        if noise:
            parts.append(f"{counted(noise, 'row')} noise")
        norm = f"mean norm {cloud.norms[rows].mean():.4g}"
        found = f"{norm}; in {' and '.join(parts)}"
        two = len(clouds) > 1
        lines.append(f"{cloud.title}: {found}" if two else found[0].upper() + found[1:])
    return [counted(len(rows), "row"), *lines]


def kinds_table(rows: Rows, known: Known) -> str:
    """Return the most frequent classes and groups of rows as an HTML table."""
    body = []
    for word, kinds in (("class", known.classes), ("group", known.groups)):
        if kinds is None:
            continue
        counts = kinds.counts(rows)
        present = int((counts > 0).sum())
        head = (word, "rows", "share")
        body.append("<tr>" + "".join(f'<th scope="col">{one}</th>' for one in head) + "</tr>")
        for code in np.argsort(-counts, kind="stable")[: min(present, _SHOWN_KINDS)].tolist():
            share = f"{100 * counts[code] / len(rows):.0f} %"
            body.append(_line(isolated(kinds.names[code]), f"{counts[code]:,}", share))
        if present > _SHOWN_KINDS:
            rest = counts.sum() - np.sort(counts)[-_SHOWN_KINDS:].sum()
            share = f"{100 * rest / len(rows):.0f} %"
            body.append(_line(f"{present - _SHOWN_KINDS} more", f"{rest:,}", share))
    return f"<table>{''.join(body)}</table>" if body else ""


def _line(name: str, count: str, share: str) -> str:
    numbers = f'<td class="number">{count}</td><td class="number">{share}</td>'
    return f'<tr><td class="long">{html.escape(name)}</td>{numbers}</tr>'


def most_typical(rows: Rows, cloud: Cloud) -> Rows:
    """Return the rows nearest to the mean of these, nearest first; of each image only one."""
    own = cloud.points[rows].astype(np.float64)
    away = ((own - own.mean(axis=0)) ** 2).sum(axis=1)
    ordered = rows[np.argsort(away, kind="stable")]
    first = np.unique(cloud.image[ordered], return_index=True)[1]
    return ordered[np.sort(first)][:_SHOWN_IMAGES]


def _png(square: NDArray[np.float64]) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.round(255 * square).astype(np.uint8)).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()
