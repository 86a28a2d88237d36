"""The gates of a method in a comparison, tuned once more on the first test episode of a task."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.loop import finetune
from kshot_viz.methods.adafilter.gates import gate_frame
from kshot_viz.methods.adafilter.method import AdaFilter

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.data.episodes.episode import Episode
    from kshot_viz.finetune.candidate import Candidate
    from kshot_viz.study.comparison import Comparison

# Method, way and shot.
Key = tuple[str, int, int]


@dataclass(frozen=True, eq=False)
class TunedGates:
    """Gates of the methods that have some, each tuned when it is first asked for.

    Attributes
    ----------
    comparison : Comparison
    data : ImageDataset or None
        Its images, where the comparison has none itself.
    """

    comparison: Comparison
    data: ImageDataset | None = None
    _found: dict[Key, pd.DataFrame] = field(default_factory=dict, init=False, repr=False)
    _busy: Any = field(default_factory=threading.Lock, init=False, repr=False)

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """The methods with gates; none where network or images are not known."""
        if self.comparison.backbone is None or self._images is None:
            return ()
        gated = {
            one.name
            for one in self.comparison.candidates.values()
            if isinstance(one.method, AdaFilter)
        }
        return tuple(
            name for name in dict.fromkeys(self.comparison.settings["method"]) if name in gated
        )

    def known(self, method: str, way: int, shot: int) -> bool:
        """Return whether :meth:`frame` takes no time."""
        return (method, way, shot) in self._found

    def frame(self, method: str, way: int, shot: int) -> pd.DataFrame:
        """Return the gates of the queries of a task's first test episode.

        Returns
        -------
        DataFrame
            As of :func:`kshot_viz.methods.adafilter.gates.gate_frame`.

        Raises
        ------
        KShotValueError
            If the method has no gates or diverged, or network or images are not known.
        """
        with self._busy:
            key = method, way, shot
            if key not in self._found:
                self._found[key] = self._tuned(*key)
            return self._found[key]

    @property
    def _images(self) -> ImageDataset | None:
        return self.comparison.data if self.data is None else self.data

    def _tuned(self, method: str, way: int, shot: int) -> pd.DataFrame:
        network, data = self.comparison.backbone, self._images
        if method not in self.methods or network is None or data is None:
            raise KShotValueError(
                f"{method!r} has no gates that can be shown: that takes a method with gates, and a "
                f"comparison that knows its network and images."
            )
        support, query = self._episode(way, shot).split(data)
        chosen = self._chosen(method, way, shot)
        about = self.comparison.manifest
        result = finetune(
            network,
            support,
            method=chosen.method,
            config=chosen.config,
            seed=int(about["seed"]),
            device=about["device"],
        )
        if result.diverged:
            raise KShotValueError(
                f"{method!r} {result.status} in the first test episode, so its gates say nothing."
            )
        return gate_frame(result, query, query.labels)

    def _episode(self, way: int, shot: int) -> Episode:
        """Return the first test episode of a task."""
        return next(
            one
            for one in self.comparison.episodes.values()
            if (one.pool, one.way, one.shot) == ("test", way, shot)
        )

    def _chosen(self, method: str, way: int, shot: int) -> Candidate:
        """Return a method at its chosen setting."""
        settings = self.comparison.settings
        named = (settings["method"] == method) & (settings["way"] == way)
        row: Any = settings[named & (settings["shot"] == shot)].iloc[0]
        return self.comparison.called(method, setting=row["setting"])[0].at(steps=int(row["steps"]))
