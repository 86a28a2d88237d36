"""Edits of the layer that is shown: cuts by the slider, and edits of the selected neurons."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kshot_viz.errors import KShotError, unknown_name
from kshot_viz.grouping.editing.workbench import EDITS, Workbench
from kshot_viz.text import counted
from kshot_viz.widgets.base.background import Background
from kshot_viz.widgets.base.parts import Status
from kshot_viz.widgets.explorer.layer_view import LayerState, LayerView

# Seconds without movement after which the slider counts as released: what follows is a new step.
REST = 1.0


@dataclass(frozen=True)
class _Cut:
    """A requested cut.

    ``edits`` is how often the layer had been edited by hand by then, ``drag`` the movement of the
    slider that it belongs to.
    """

    layer: str
    n_groups: int
    method: str
    edits: int
    drag: str


class Cuts:
    """Clusters a layer when it is chosen, and cuts it when the slider moves.

    Of several waiting cuts of a layer only the last is made; one that cannot be made is reported.

    Parameters
    ----------
    bench : Workbench
    view : LayerView
        Its controls have the slider and the method.
    done : callable
        Called after a cut was made, with the lock held.
    status : Status
    lock : RLock
        Held while the grouping is changed: threads do so too.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(
        self,
        bench: Workbench,
        view: LayerView,
        done: Callable[[], None],
        status: Status,
        lock: threading.RLock,  # type: ignore[valid-type]
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bench, self._view, self._controls = bench, view, view.controls
        self._done, self._status, self._lock = done, status, lock
        self._clock = clock
        self._drags, self._moved = 0, clock()
        self._waiting: dict[str, _Cut] = {}
        self.background = Background(self.failed)
        view.controls.method.observe(lambda _: self._recluster(), "value")
        view.controls.groups.observe(lambda change: self._slide(change["new"]), "value")

    def prepare(self) -> None:
        """Cluster the layer, so that the slider has something to cut."""
        self._controls.wait_for(f"clustering {self._view.state.layer}")
        self.background.start(self._compute, lambda _: self.show())

    def show(self) -> None:
        """Set the slider to the present number of groups, unless a cut is waiting."""
        with self._lock:
            layer = self._view.state.layer
            if layer not in self._waiting:
                self._controls.show(self._bench.count(layer), self._bench.most(layer))

    def rest(self) -> None:
        """Let the next cut be a separate step of the history."""
        self._drags += 1

    def failed(self, error: Exception) -> None:
        """Show the error; without a clustering the slider stays disabled."""
        self._controls.failed()
        self._status.error(error)

    # ---- requesting a cut ------------------------------------------------------------------------

    def _slide(self, n_groups: int) -> None:
        if self._controls.quiet:
            return
        now = self._clock()
        if now - self._moved > REST:
            self.rest()
        self._moved = now
        self._request(n_groups)

    def _recluster(self) -> None:
        """Cut by another method at once, into as many groups as there are."""
        layer = self._view.state.layer
        waiting = self._waiting.get(layer)
        self.rest()
        if waiting is not None:
            self._request(waiting.n_groups)
        elif layer in self._bench.grouping:
            self._request(self._bench.count(layer))
        self.prepare()

    def _request(self, n_groups: int) -> None:
        """Cut at once where a dendrogram is there, else in the background."""
        layer, method = self._view.state.layer, self._controls.method.value
        drag = f"{method} {self._drags}"
        with self._lock:
            cut = _Cut(layer, n_groups, method, self._bench.edits(layer), drag)
            self._waiting[layer] = cut
        if self._bench.at_once(layer, method):
            self._make(cut)
            return
        self._status.busy(f"Clustering {layer} into {counted(n_groups, 'group')}")
        self.background.start(self._compute, lambda _: self.show())

    # ---- making it -------------------------------------------------------------------------------

    def _compute(self) -> None:
        """Make the waiting cuts, of any layer, and cluster the layer that is shown."""
        with self._lock:
            waiting = list(self._waiting.values())
        for cut in waiting:
            try:
                self._bench.prepare(cut.layer, cut.method, cut.n_groups)
                self._make(cut)
            except Exception as error:
                self._drop(cut)
                self._status.error(error)
        self._bench.prepare(self._view.state.layer, self._controls.method.value)

    def _make(self, cut: _Cut) -> None:
        """Make a cut, unless the slider moved on or the layer was edited meanwhile."""
        with self._lock:
            if not self._drop(cut):
                return
            if self._bench.edits(cut.layer) != cut.edits:
                self._refuse(cut)
                return
            before = self._bench.grouping
            found = self._bench.cut(cut.layer, cut.n_groups, cut.method)
            if self._bench.recut(found, cut.layer, cut.drag) is not before:
                self._done()
            else:
                self._status.idle(f"These are the groups that {cut.layer} has already.")

    def _refuse(self, cut: _Cut) -> None:
        n_groups = counted(cut.n_groups, "group")
        self._status.error(
            f"{cut.layer} was not cut into {n_groups}: its groups were edited meanwhile."
        )
        self.show()

    def _drop(self, cut: _Cut) -> bool:
        """Remove a waiting cut; return whether it was still the one that is wanted."""
        with self._lock:
            wanted = self._waiting.get(cut.layer) == cut
            if wanted:
                del self._waiting[cut.layer]
            return wanted


def edit_selection(
    bench: Workbench, what: str, state: LayerState, value: Any, status: Status
) -> bool:
    """Edit the groups of the selected neurons; return whether that changed the grouping.

    Where it did not, the status line shows why.
    """
    if what not in EDITS:
        raise unknown_name("what", what, EDITS)
    before = bench.grouping
    try:
        bench.edit(what, state.layer, state.neurons, value)
    except KShotError as error:
        status.error(error)
        return False
    if bench.grouping is before:
        status.idle("That changes nothing: the groups are as before.")
    return bench.grouping is not before
