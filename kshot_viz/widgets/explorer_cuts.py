"""The slider from one group to singletons, and the clustering that it cuts."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.workbench import Workbench
from kshot_viz.widgets.explorer_controls import Controls
from kshot_viz.widgets.parts import Status
from kshot_viz.widgets.threads import Background


class Cuts:
    """Clusters a layer when it is chosen, and cuts it when the slider moves.

    Parameters
    ----------
    bench : Workbench
    controls : Controls
    layer : callable
        Returns the layer that is shown.
    taken : callable
        Called after a cut was taken over.
    status : Status
    lock : RLock
        Held while the grouping is changed: threads do so too.
    """

    def __init__(
        self,
        bench: Workbench,
        controls: Controls,
        layer: Callable[[], str],
        taken: Callable[[], None],
        status: Status,
        lock: threading.RLock,  # type: ignore[valid-type]
    ) -> None:
        self._bench, self._controls, self._layer = bench, controls, layer
        self._taken, self._status, self._lock = taken, status, lock
        self.background = Background(self.failed)
        controls.method.observe(lambda _: self.prepare(), "value")
        controls.groups.observe(lambda change: self._slide(change["new"]), "value")

    def prepare(self) -> None:
        """Cluster the layer, so that the slider has something to cut."""
        layer, method = self._layer(), self._controls.method.value
        self._controls.wait_for(f"clustering {layer}")
        self.background.start(lambda: self._bench.prepare(layer, method), lambda _: self.show())

    def show(self) -> None:
        """Set the slider to the present number of groups."""
        with self._lock:
            layer = self._layer()
            self._controls.show(self._bench.count(layer), self._bench.most(layer))

    def failed(self, error: Exception) -> None:
        """Say what went wrong; without a clustering the slider stays held."""
        self._controls.failed()
        self._status.error(error)

    def _slide(self, n_groups: int) -> None:
        """Cut at once where a dendrogram is there, else in the background."""
        if self._controls.quiet:
            return
        layer, method, before = self._layer(), self._controls.method.value, self._bench.grouping

        def take(found: Grouping) -> None:
            with self._lock:
                # An edit made meanwhile must not be overwritten by a cut that is older.
                if self._bench.grouping is before:
                    self._bench.recut(found, layer)
                    self._taken()

        if self._bench.at_once(layer, method):
            take(self._bench.cut(layer, n_groups, method))
            return
        self._status.busy(f"Clustering {layer} into {n_groups} groups")
        self.background.start(lambda: self._bench.cut(layer, n_groups, method), take)
