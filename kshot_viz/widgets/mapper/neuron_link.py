"""A map of neurons whose selection is that of an explorer of Mapper graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kshot_viz.errors import KShotValueError
from kshot_viz.viz.topology.node_colours import Kinds
from kshot_viz.widgets.explorer.neuron_map import NeuronMap


class NeuronLink:
    """Keeps the selections of a map and of an explorer the same.

    Parameters
    ----------
    neurons : NeuronMap
    n_rows : int
        Rows of the explorer: as many as the map has neurons.
    select : callable
        Takes the neurons that were selected in the map.
    regroup : callable
        Called without arguments where the map's groups change.

    Raises
    ------
    KShotValueError
        If the map has another number of neurons.
    """

    def __init__(
        self,
        neurons: NeuronMap,
        n_rows: int,
        select: Callable[[Sequence[int]], None],
        regroup: Callable[[], None],
    ) -> None:
        width = len(neurons.groups.labels)
        if width != n_rows:
            raise KShotValueError(
                f"Rows are linked with neurons one to one, so both must be equally many; "
                f"not {n_rows:,} rows and {width:,} neurons of {neurons.layer!r}."
            )
        self._map, self._layer = neurons, neurons.layer
        self._select, self._regroup = select, regroup
        neurons.observe(self._selected, "selection")
        neurons.observe(self._regrouped, ["labels", "names"])

    @property
    def groups(self) -> Kinds | None:
        """The groups of the neurons with their names and colours, where there are any."""
        groups = self._map.groups
        return Kinds.of_groups(groups) if groups.known else None

    def pass_on(self, rows: Sequence[int]) -> None:
        """Select these neurons in the map."""
        if self._here() and self._map.selected.tolist() != list(rows):
            self._map.select(rows)

    def end(self) -> None:
        """Leave the map alone from now on."""
        self._map.unobserve(self._selected, "selection")
        self._map.unobserve(self._regrouped, ["labels", "names"])

    def _here(self) -> bool:
        """Whether the map still shows the layer that the rows are neurons of."""
        return self._map.layer == self._layer

    def _selected(self, _: Any) -> None:
        if self._here():
            self._select(self._map.selected.tolist())

    def _regrouped(self, _: Any) -> None:
        if self._here():
            self._regroup()
