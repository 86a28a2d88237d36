"""An immutable grouping: for every layer, the group of each neuron."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kshot_viz.checks import check, mapping
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.files import write_json
from kshot_viz.grouping import labels as edit
from kshot_viz.grouping.labels import SCHEMA, Labels, load_record, parse_record
from kshot_viz.grouping.metrics import adjusted_rand, group_report
from kshot_viz.records import plain
from kshot_viz.seeds import numpy_rng
from kshot_viz.text import html_details, html_table

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.activations import Activations
    from kshot_viz.models.backbone import Backbone


class Grouping(Mapping[str, Labels]):
    """Layer -> integer label of each neuron, shape (neurons,).

    Labels are canonical: groups are numbered by their first member, except that a group of dead
    neurons is last. Every edit returns a new grouping.

    Parameters
    ----------
    labels : mapping of str to array_like of int
        Layer names as in ``module.named_modules()``.
    dead : mapping of str to int, optional
        Layers with a group of dead neurons, and that group's label; None where there is none.
    origin : mapping, optional
        How the grouping was made; plain JSON values.

    Raises
    ------
    KShotValueError
        For labels that are not a one-dimensional list of integers.
    """

    def __init__(
        self,
        labels: Mapping[str, ArrayLike],
        *,
        dead: Mapping[str, int | None] | None = None,
        origin: Mapping[str, Any] | None = None,
    ) -> None:
        check("labels", labels, mapping)
        last = {name: label for name, label in (dead or {}).items() if label is not None}
        self._labels = {name: edit.read_only(row, last.get(name)) for name, row in labels.items()}
        self._dead = frozenset(n for n, row in labels.items() if last.get(n) in np.asarray(row))
        self._origin = MappingProxyType(plain(origin or {}))

    # -- as a mapping ------------------------------------------------------------------------

    def __getitem__(self, layer: str) -> Labels:
        if layer not in self._labels:
            raise unknown_name("layer", layer, self._labels)
        return self._labels[layer]

    def __contains__(self, layer: object) -> bool:
        return layer in self._labels

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grouping):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        rows = ((name, row.tobytes(), name in self._dead) for name, row in self._labels.items())
        return tuple(sorted(rows))

    def __reduce__(self) -> tuple[Any, ...]:
        return Grouping.from_dict, (self.to_dict(),)

    # -- looking -----------------------------------------------------------------------------

    @property
    def origin(self) -> Mapping[str, Any]:
        """How the grouping was made."""
        return self._origin

    def n_groups(self, layer: str) -> int:
        """Return the number of groups of a layer."""
        return int(self[layer].max()) + 1

    def sizes(self, layer: str) -> Labels:
        """Return the number of neurons in each group, shape (groups,)."""
        return np.bincount(self[layer])

    def members(self, layer: str, group: int) -> Labels:
        """Return the neurons of a group, ascending."""
        return np.flatnonzero(self[layer] == self._groups(layer, [group]))

    def dead_group(self, layer: str) -> int | None:
        """Return the label of the layer's group of dead neurons, or None."""
        return self.n_groups(layer) - 1 if layer in self._dead else None

    def check(self, backbone: Backbone) -> None:
        """Raise a KShotValueError unless the grouping was made for such a network."""
        for name, row in self._labels.items():
            other = "This grouping was made for another network:"
            if name not in backbone.layers:
                raise KShotValueError(
                    f"{other} {backbone.name!r} has no layer {name!r} that can be grouped. "
                    f"Its layers: {', '.join(backbone.layers)}."
                )
            width = backbone.layer(name).width
            if row.size != width:
                raise KShotValueError(
                    f"{other} layer {name!r} of {backbone.name!r} has {width} neurons, "
                    f"the grouping has {row.size}."
                )

    # -- editing: each returns a new grouping ------------------------------------------------

    def replace(self, layer: str, labels: ArrayLike) -> Grouping:
        """Return a grouping with other labels for one layer (or with one layer more)."""
        row = edit.checked(labels)
        if layer in self and row.size != self[layer].size:
            raise KShotValueError(
                f"Layer {layer!r} has {self[layer].size} neurons; {row.size} labels were given."
            )
        dead = {name: group for name, group in self._dead_labels().items() if name != layer}
        return Grouping({**self._labels, layer: row}, dead=dead, origin=self._edited())

    def merge(self, layer: str, groups: Iterable[int]) -> Grouping:
        """Make one group of several."""
        chosen = self._groups(layer, groups)
        if np.unique(chosen).size < 2:
            raise KShotValueError(f"Merging takes at least two groups; {chosen} were given.")
        return self._with(layer, edit.merged(self[layer], chosen))

    def move(self, layer: str, neurons: Iterable[int], group: int) -> Grouping:
        """Put neurons into an existing group."""
        target = int(self._groups(layer, [group])[0])
        moved = self._with(layer, edit.moved(self[layer], self._neurons(layer, neurons), target))
        # A group that others join is no longer one of dead neurons only.
        return moved.replace(layer, moved[layer]) if target == self.dead_group(layer) else moved

    def split(self, layer: str, neurons: Iterable[int]) -> Grouping:
        """Take neurons out of their groups and make a new group of them."""
        return self._with(layer, edit.moved(self[layer], self._neurons(layer, neurons), None))

    def only(self, layers: Collection[str]) -> Grouping:
        """Keep these layers; the neurons of all others train freely."""
        kept = {name: self[name] for name in layers}
        return Grouping(kept, dead=self._dead_labels(), origin=self._edited())

    def join(self, other: Grouping) -> Grouping:
        """Return a grouping with the layers of another one added; its labels win."""
        rows = {**self._labels, **other._labels}
        dead = {name: label for name, label in self._dead_labels().items() if name not in other}
        return Grouping(rows, dead={**dead, **other._dead_labels()}, origin=self._edited())

    def shuffled(self, *, seed: int = 0) -> Grouping:
        """Return groups of the same sizes with members drawn at random: the null grouping.

        Dead neurons stay a group of their own, or the null grouping would be worse because of them.
        """
        rows = {
            name: edit.shuffled(row, numpy_rng(seed, "shuffle", name), self.dead_group(name))
            for name, row in self.items()
        }
        origin = {"null": "shuffled", "seed": seed, "of": self._origin}
        return Grouping(rows, dead=self._dead_labels(), origin=origin)

    # -- made from widths alone --------------------------------------------------------------

    @classmethod
    def one_group(cls, network: Backbone | Mapping[str, int]) -> Grouping:
        """All neurons of a layer in one group."""
        return cls.contiguous(network, n_groups=1)

    @classmethod
    def singletons(cls, network: Backbone | Mapping[str, int]) -> Grouping:
        """Every neuron in a group of its own: the same as plain fine-tuning."""
        return cls.contiguous(network, n_groups=1.0)

    @classmethod
    def contiguous(
        cls, network: Backbone | Mapping[str, int], *, n_groups: float | int
    ) -> Grouping:
        """Neighbouring neurons of the weight share a group.

        Parameters
        ----------
        network : Backbone or mapping of str to int
            The network, or its layers' widths.
        n_groups : float or int
            Share of the width (float) or count (int).
        """
        widths = _widths(network)
        rows = {n: edit.contiguous(w, edit.count_from(n_groups, w, n)) for n, w in widths.items()}
        return cls(rows, origin={"null": "contiguous", "n_groups": n_groups})

    # -- comparing and reporting -------------------------------------------------------------

    def compare(self, other: Grouping) -> pd.Series[float]:
        """Return the adjusted Rand index of every layer both groupings have (1 = the same)."""
        return adjusted_rand(self, other)

    def report(
        self, activations: Activations, gradients: Mapping[str, ArrayLike] | None = None
    ) -> pd.DataFrame:
        """Return sizes, silhouette, distances and kept gradient energy, one row a layer."""
        return group_report(self, activations, gradients)

    # -- on disk -----------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "schema": SCHEMA,
            "labels": plain(self._labels),
            "dead": sorted(self._dead),
            "origin": plain(self._origin),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Grouping:
        """Rebuild a grouping; a newer schema or another record is a KShotFileError."""
        rows, dead, origin = parse_record(record)
        return cls(rows, dead=dead, origin=origin)

    def save(self, path: str | Path) -> Path:
        """Write JSON; a reader never sees half a file."""
        return write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Grouping:
        """Read JSON; a file that is cut off, newer or no grouping is a KShotFileError naming it."""
        rows, dead, origin = load_record(path)
        return cls(rows, dead=dead, origin=origin)

    # -- showing -----------------------------------------------------------------------------

    def __repr__(self) -> str:
        rows = [f"  {name}: {_describe(self, name)}" for name in self]
        return "\n".join([f"Grouping of {len(self)} layers", *rows])

    def _repr_html_(self) -> str:
        sizes = {layer: self.sizes(layer) for layer in self}
        rows = [(layer, n.sum(), n.size, n.max(), (n == 1).sum()) for layer, n in sizes.items()]
        table = html_table(("layer", "neurons", "groups", "largest", "singletons"), rows)
        # Not the members of named and edited groups, which are lists as long as the layers.
        told = {k: v for k, v in self._origin.items() if not isinstance(v, dict)}
        origin = ", ".join(f"{key}={value}" for key, value in told.items())
        return html_details(f"Grouping of {len(self)} layers ({origin})", table)

    def _with(self, layer: str, labels: Labels) -> Grouping:
        rows = {**self._labels, layer: labels}
        return Grouping(rows, dead=self._dead_labels(), origin=self._edited())

    def _edited(self) -> dict[str, Any]:
        return {**self._origin, "edits": int(self._origin.get("edits", 0)) + 1}

    def _dead_labels(self) -> dict[str, int]:
        return {name: self.n_groups(name) - 1 for name in self._dead}

    def _groups(self, layer: str, groups: Iterable[int]) -> Labels:
        return edit.indices(groups, self.n_groups(layer), f"Layer {layer!r} has groups")

    def _neurons(self, layer: str, neurons: Iterable[int]) -> Labels:
        return edit.indices(neurons, self[layer].size, f"Layer {layer!r} has neurons")


def _widths(network: Backbone | Mapping[str, int]) -> dict[str, int]:
    if isinstance(network, Mapping):
        return dict(network)
    return {name: layer.width for name, layer in network.layers.items()}


def _describe(grouping: Grouping, layer: str) -> str:
    sizes = grouping.sizes(layer)
    dead = f", {sizes[-1]} dead" if grouping.dead_group(layer) is not None else ""
    return f"{sizes.sum()} neurons in {sizes.size} groups (largest {sizes.max()}{dead})"
