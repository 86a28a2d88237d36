"""Dashboard to explore a layer, edit its groups by hand, and score the edit on k-shot episodes."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets
from traitlets import Instance, Unicode, validate

from kshot_viz.grouping.editing.workbench import Workbench
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.widgets.base.background import Redraw
from kshot_viz.widgets.base.parts import Dashboard, Picture, Status, column, row
from kshot_viz.widgets.explorer.explorer_controls import EditBar, ExplorerControls
from kshot_viz.widgets.explorer.given_groups import given_groups
from kshot_viz.widgets.explorer.layer_edits import Cuts, edit_selection
from kshot_viz.widgets.explorer.layer_view import LayerView, first_layer
from kshot_viz.widgets.explorer.scoring import ScorePanel
from kshot_viz.widgets.explorer.scoring_setup import Task, scoring_setup
from kshot_viz.widgets.explorer.selection_panel import SelectionPanel

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kshot_viz.activations import Activations
    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.data.episodes.episode import Episode
    from kshot_viz.finetune.candidate import Candidate
    from kshot_viz.grouping.rule import GroupingRule
    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.comparison import Comparison

# Seconds without movement after which the groups of the slider are scored.
_SETTLED = 0.6


class GroupExplorer(Dashboard):
    """The neurons of a layer, their groups, and the accuracy of an edited grouping.

    Lasso neurons in the map and make them a group, or drag the slider from one group to singletons;
    similarity, sizes, the selection's filters and images follow, and the k-shot episodes are run
    again in the background.

    Parameters
    ----------
    backbone : Backbone
    activations : Activations
        Maps, cuts and similarities are computed from these.
    grouping : Grouping, GroupingRule or Candidate
        A rule forms groups in every episode; those of the first one are shown, and an edited layer
        has the same groups in all of them. A candidate, the winner of a search say, brings its
        settings too.
    images : image batch or ImageDataset
        Images to look at: the most exciting ones, the mean activation per class. They are the
        source, where a rule forms groups from one.
    episodes : sequence of Episode, optional
        An edited grouping is scored on them; those of ``table`` by default, else nothing is scored.
        Queries that the groups were edited by are left out.
    data : ImageDataset, optional
        The images of the episodes, where neither ``images`` nor ``table`` holds them.
    table : Comparison, optional
        Its chosen setting of the grouped method is used for scoring; :meth:`use` brings one later.
    config : FinetuneConfig, optional
        The setting for scoring, instead of a candidate's or a table's.
    layer : str, optional
        The layer to begin with; the first one of the grouping by default.
    n_episodes : int
        Number of episodes to score on.
    executor : str
        As in :func:`kshot_viz.evaluate`.
    seed : int
        Seed of k-means, UMAP, shuffling and fine-tuning.

    Attributes
    ----------
    grouping : Grouping
        The grouping as edited; a trait that can be observed. Setting it is an edit too.
    layer : str
        The layer that is shown; set it to show another one.

    Raises
    ------
    KShotError
        For a grouping or activations of another network, an unknown layer, or groups that cannot
        be formed.
    """

    grouping = Instance(Grouping)
    layer = Unicode()

    def __init__(
        self,
        backbone: Backbone,
        activations: Activations,
        grouping: Grouping | GroupingRule | Candidate,
        images: Any,
        episodes: Sequence[Episode] | None = None,
        *,
        data: ImageDataset | None = None,
        table: Comparison | None = None,
        config: FinetuneConfig | None = None,
        layer: str | None = None,
        n_episodes: int = 5,
        executor: str = "processes",
        seed: int = 0,
    ) -> None:
        task = Task.of(images, episodes, data, table)
        given = given_groups(backbone, grouping, images, task.episodes, task.data, seed=seed)
        groups, first = given.shown, first_layer(activations, given.shown, layer)
        self._backbone, self._activations = backbone, activations
        self._bench, self._lock = Workbench(activations, groups, seed=seed), threading.RLock()
        self.status = Status()
        # Copies, because threads run them: hooks that somebody sets on the network meanwhile, to
        # capture activations for example, must not see the images of this dashboard.
        options: dict[str, Any] = {"n": n_episodes, "executor": executor, "seed": seed}
        self._setup = partial(
            scoring_setup, copy.deepcopy(backbone), activations, images, task, given, **options
        )
        setup = self._setup(table=table, config=config)
        self.controls = ExplorerControls(list(activations), first, setup.steps(groups))
        failed = self.status.error
        self._view = LayerView(
            activations, first, groups, self.controls, seed, failed, self._lock, setup.steps
        )
        self.map, self.similarity = self._view.map, self._view.matrix
        self.edits = EditBar(self.edit)
        self.sizes = Picture("Group sizes")
        self.panel = SelectionPanel(copy.deepcopy(backbone), images, setup, self._view)
        self.scores = ScorePanel(setup, given, lambda: self._bench.grouping)
        self._pictures = Redraw(self._draw, self.status.error)
        changed = partial(self._changed, edited=False)
        self._cuts = Cuts(self._bench, self._view, changed, self.status, self._lock)
        self._computing = (self._cuts.background, self._view.background, self.scores.background)
        self._working = self._computing
        super().__init__(self._children(), grouping=groups, layer=first)
        self.add_class("kv-explorer")
        self._connect()
        self._follow()
        self.scores.score()

    def _children(self) -> list[Any]:
        left = column(self.map, self.edits, self.status, name="kv-left")
        right = column(self.similarity, self.sizes, name="kv-right")
        upper = row(left, right, name="kv-split")
        lower = row(self.panel, self.scores, name="kv-split")
        return [self.controls, upper, lower]

    def _connect(self) -> None:
        self.observe(lambda change: self._show_layer(change["new"]), "layer")
        ipywidgets.link((self.controls.layer, "value"), (self, "layer"))
        self.map.observe(lambda _: self._redraw(), "selection")
        # A scored grouping is a step of the history, so undo returns to it.
        self.scores.go.on_click(lambda _: self._cuts.rest())

    # ---- actions --------------------------------------------------------------------------------

    def edit(self, what: str, value: Any = None) -> None:
        """Edit the groups of the layer that is shown, as the buttons do.

        Parameters
        ----------
        what : {"group", "move", "merge", "split", "shuffle", "name", "undo", "redo"}
        value : int or str, optional
            The number of the group to move the selection to, as it is shown, or the name of its
            group.

        Raises
        ------
        KShotKeyError
            If ``what`` is not a known edit.

        Notes
        -----
        The status line shows why an edit is not possible with this selection.
        """
        with self._lock:
            if not edit_selection(self._bench, what, self._view.state, value, self.status):
                return
            touched = self._bench.history.touched
            if what in ("undo", "redo") and touched:
                # Otherwise its effect would not be visible.
                self.layer = touched
            self._changed(edited=True)

    def select(self, neurons: Sequence[int]) -> None:
        """Select neurons of the layer that is shown."""
        self.map.select(neurons)

    def cut(self, n_groups: int) -> None:
        """Cut the layer into groups, as the slider does."""
        self.controls.groups.value = n_groups

    def score(self) -> None:
        """Score the grouping, as the button does."""
        self.scores.go.click()

    def use(self, table: Comparison) -> None:
        """Score with the setting that a comparison chose; where that fails, its panel shows why.

        Parameters
        ----------
        table : Comparison
            Its episodes are scored on where none were given to the explorer. The setting is that
            of the grouped method, or of the candidate that the explorer was given, by its name.
        """
        setup = self._setup(table=table, config=None, keep=False)
        if setup.rescoring is None:
            self.scores.status.error(setup.why_not)
            return
        with self._lock:
            self.controls.use(setup.steps(self._bench.grouping))
            self._view.use(setup.steps)
        self.scores.use(setup)
        self.panel.use(setup)
        self.scores.score()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything is computed and drawn; return whether it is."""
        drawn = (self._pictures, self.panel.redraw)
        return all(one.wait(timeout) for one in (*self._computing, *drawn))

    # ---- the same without a browser --------------------------------------------------------------

    def frame(self) -> pd.DataFrame:
        """Return ``neuron, group, number, x, y, ...`` of the layer that is shown."""
        return self.map.frame()

    def figure(self) -> Figure:
        """Return map, similarity, sizes and the last score as one figure."""
        score = self.scores.frame() if self.scores.known else None
        return self._view.figure(score=score, note=self.scores.note)

    def __repr__(self) -> str:
        return f"GroupExplorer of {self.layer}: {self._view.state.groups.summary}"

    # ---- updates ---------------------------------------------------------------------------------

    @validate("layer")
    def _known_layer(self, proposal: Any) -> str:
        layer = str(proposal["value"])
        self._activations.layer(layer)
        return layer

    @validate("grouping")
    def _taken_over(self, proposal: Any) -> Grouping:
        """Make an edit of a grouping that somebody sets.

        An observer is not called for one that differs in its names alone: those are equal.
        """
        grouping: Grouping = proposal["value"]
        with self._lock:
            before = self._bench.grouping
            if grouping is not before:
                grouping.check(self._backbone)
                if self._bench.take(grouping) is not before:
                    self._changed(edited=True)
            return self._bench.grouping

    def _show_layer(self, layer: str) -> None:
        if self.controls.quiet:
            return
        # A layer of thousands of neurons takes seconds; nothing may happen to its groups meanwhile.
        self.controls.wait_for(f"reading {layer}")
        with self._lock:
            self._view.show(layer, self._bench.grouping)
        self._follow()

    def _follow(self) -> None:
        self._view.embed()
        self._cuts.prepare()
        self._redraw()

    def _changed(self, *, edited: bool) -> None:
        """Show the grouping as it is now; the lock is held."""
        self.grouping = self._bench.grouping
        self.status.done(self._bench.history.sentence)
        # First, so that the other processes are at work while this one draws.
        self.scores.changed(rest=0.0 if edited else _SETTLED)
        self._view.regroup(self.grouping)
        if edited:
            self._cuts.show()
        self._redraw()

    def _redraw(self) -> None:
        self._pictures.ask()
        self.panel.redraw.ask()

    def _draw(self) -> None:
        self.edits.show(self._view.state.groups, self._bench.history)
        self._view.draw_sizes(self.sizes)
