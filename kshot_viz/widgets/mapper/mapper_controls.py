"""Controls of the explorer of Mapper graphs: how graphs are made, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from kshot_viz.analysis.topology.clusterers import CLUSTERERS
from kshot_viz.analysis.topology.cover import COVERS
from kshot_viz.analysis.topology.lenses import LENSES
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.viz.topology.node_colours import COLOURINGS, Kinds
from kshot_viz.widgets.base.parts import Status, row

GIVEN = "given"
_MOST_INTERVALS, _MOST_SAMPLES = 100, 50
_LEAST_OVERLAP, _MOST_OVERLAP = 0.05, 0.9
_NAMES = {
    "norm": "norm", "pca": "PCA, 1st component", "pca2": "PCA, two components",
    "umap": "UMAP, two coordinates",
    "density": "density", "eccentricity": "eccentricity", GIVEN: "as given",
}  # fmt: skip
_CLUSTERER_NAMES = {"dbscan": "DBSCAN", "agglomerative": "average linkage", "hdbscan": "HDBSCAN"}
_AUTO = {"width": "auto", "max_width": "100%"}
_HIDDEN = {"display": "none"}


class MapperControls(ipywidgets.HBox):
    """What a graph is made with; ``changed`` is called where that changes.

    Parameters
    ----------
    choices : sequence of str
        Layers to choose from; none hides the control.
    given_lens : bool
        Whether there is a lens in numbers.
    settings : dict
        Of ``mapper_graph``, to begin with.
    changed : callable
        Takes no argument.
    """

    def __init__(
        self,
        choices: Sequence[str],
        given_lens: bool,
        settings: dict[str, Any],
        changed: Callable[[], None],
    ) -> None:
        _check(settings)
        self.choice = ipywidgets.Dropdown(
            options=list(choices), description="Layer", layout=_AUTO if choices else _HIDDEN
        )
        lenses = [*LENSES, GIVEN] if given_lens else list(LENSES)
        self.lens = _dropdown("Lens", {one: _NAMES[one] for one in lenses}, settings["lens"])
        self.intervals = _slider("Intervals", settings["intervals"], 2, _MOST_INTERVALS)
        self.overlap = ipywidgets.FloatSlider(
            value=settings["overlap"],
            min=min(_LEAST_OVERLAP, settings["overlap"]),
            max=max(_MOST_OVERLAP, settings["overlap"]),
            step=0.05,
            description="Overlap",
        )
        self.cover = _dropdown("Cover", dict(zip(COVERS, COVERS, strict=True)), settings["cover"])
        self.clusterer = _dropdown("Clusters", _CLUSTERER_NAMES, settings["clusterer"])
        automatic = settings["epsilon"] is None
        self.automatic = ipywidgets.Checkbox(value=automatic, description="at the elbow")
        self.automatic.indent = False
        self.epsilon = ipywidgets.FloatText(
            value=settings["epsilon"] or 1.0, description="Epsilon", step=0.1
        )
        self.min_samples = _slider("Min. rows", settings["min_samples"], 1, _MOST_SAMPLES)
        self.min_samples.tooltip = "min_samples: rows that make a cluster"
        self._changed, self._last = changed, self.settings
        parts = [self.choice, self.lens, self.intervals, self.overlap, self.cover]
        parts += [self.clusterer, row(self.epsilon, self.automatic), self.min_samples]
        super().__init__(parts)
        self.add_class("kv-row")
        self.add_class("kv-mapper-controls")
        self._enable()
        for one in (*self._inputs(), self.automatic):
            one.observe(lambda _: self._turned(), "value")

    def _inputs(self) -> tuple[Any, ...]:
        return (
            self.choice, self.lens, self.intervals, self.overlap, self.cover, self.clusterer,
            self.epsilon, self.min_samples,
        )  # fmt: skip

    @property
    def settings(self) -> dict[str, Any]:
        """The chosen arguments of ``mapper_graph``, and ``choice``, the layer."""
        by_hand = self.clusterer.value != "hdbscan" and not self.automatic.value
        return {
            "choice": self.choice.value or "",
            "lens": self.lens.value,
            "intervals": self.intervals.value,
            "overlap": self.overlap.value,
            "cover": self.cover.value,
            "clusterer": self.clusterer.value,
            "epsilon": self.epsilon.value if by_hand else None,
            "min_samples": self.min_samples.value,
        }

    def used(self, epsilon: float | None) -> None:
        """Show the epsilon that was found, where nobody chose one."""
        if epsilon is not None and self.settings["epsilon"] is None:
            self.epsilon.value = float(f"{epsilon:.4g}")

    def _turned(self) -> None:
        self._enable()
        if self.settings != self._last:
            self._last = self.settings
            self._changed()

    def _enable(self) -> None:
        self.automatic.disabled = self.clusterer.value == "hdbscan"
        self.epsilon.disabled = self.automatic.disabled or self.automatic.value


class DisplayControls(ipywidgets.HBox):
    """How graphs are shown: colour, weak edges, and a search for classes.

    Parameters
    ----------
    colourings : sequence of str
        Those for which there is something to colour by.
    colour_by : str
    """

    def __init__(self, colourings: Sequence[str], colour_by: str) -> None:
        names = {one: COLOURINGS[one] for one in colourings}
        if colour_by not in names:
            raise unknown_name("colour_by", colour_by, colourings)
        self.colour = _dropdown("Colour", names, colour_by)
        self.least = ipywidgets.FloatSlider(
            value=0.0, min=0.0, max=1.0, step=0.01, description="Jaccard"
        )
        self.least.tooltip = "Edges with a smaller Jaccard index are hidden"
        self.least.add_class("kv-jaccard")
        searchable = "class" in names or "group" in names
        self.search = ipywidgets.Text(
            placeholder="class or group", description="Find", layout={} if searchable else _HIDDEN
        )
        self.search.add_class("kv-search")
        self.found = Status()
        super().__init__([self.colour, self.least, self.search, self.found])
        self.add_class("kv-row")
        self.add_class("kv-mapper-display")

    def offer(self, colouring: str) -> None:
        """Add a colouring to those that can be chosen."""
        options = list(self.colour.options)
        self.search.layout.display = None
        if colouring not in [value for _, value in options]:
            chosen = self.colour.value
            self.colour.options = [*options, (COLOURINGS[colouring], colouring)]
            self.colour.value = chosen


def colourings(classes: Kinds | None, groups: Kinds | None, two: bool) -> list[str]:
    """Return what nodes can be coloured by, the most telling first."""
    found = ["class", "purity"] if classes is not None else []
    found += ["group"] if groups is not None else []
    found.insert(1 if found else 0, "norm")
    return [*found, *(["match"] if two else []), "size"]


def _check(settings: dict[str, Any]) -> None:
    """Raise for what no control can be set to; numbers are checked before."""
    if settings["lens"] not in (*LENSES, GIVEN):
        raise unknown_name("lens", settings["lens"], LENSES)
    if settings["cover"] not in COVERS:
        raise unknown_name("cover", settings["cover"], COVERS)
    if settings["clusterer"] not in CLUSTERERS:
        raise unknown_name("clusterer", settings["clusterer"], CLUSTERERS)
    if settings["clusterer"] == "hdbscan" and settings["epsilon"] is not None:
        raise KShotValueError("clusterer='hdbscan' finds its own scales, so it takes no `epsilon`.")
    if settings["overlap"] >= 1:
        raise KShotValueError(
            f"`overlap` must be a number between 0 and 1; not {settings['overlap']!r}."
        )


def _dropdown(text: str, names: dict[str, str], value: str) -> ipywidgets.Dropdown:
    return ipywidgets.Dropdown(
        options=[(word, name) for name, word in names.items()],
        value=value,
        description=text,
        layout=_AUTO,
    )


def _slider(text: str, value: int, least: int, most: int) -> ipywidgets.IntSlider:
    return ipywidgets.IntSlider(
        value=value, min=least, max=max(most, value), description=text, tooltip=text
    )
