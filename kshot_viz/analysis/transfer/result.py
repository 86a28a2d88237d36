"""A finished grid: its rows, effects, masking, representations, verdicts, and its files."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.analysis.transfer import files
from kshot_viz.analysis.transfer.cells import RANDOM, Cell, Start
from kshot_viz.analysis.transfer.columns import ROWS
from kshot_viz.analysis.transfer.effects import FULL, effects
from kshot_viz.analysis.transfer.findings import grid_findings
from kshot_viz.analysis.transfer.masking import masking
from kshot_viz.checks import checked, text
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.regimes.study import Study
from kshot_viz.study.tables import chosen_test_rows
from kshot_viz.text import counted, html_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class TransferGrid:
    """Sources fine-tuned on targets from several starts, beside random weights.

    Attributes
    ----------
    rows : DataFrame
        As :meth:`frame` returns them.
    layers : DataFrame
        Similarity of layers before and after fine-tuning, as measured.
    studies : mapping of str to Study
        One for each list of methods; a task for each network and target.
    manifest : mapping
        What was asked for; ``learned`` says how well each source is known by its network.
    """

    rows: pd.DataFrame
    layers: pd.DataFrame = field(repr=False)
    studies: Mapping[str, Study] = field(repr=False)
    manifest: Mapping[str, Any] = field(repr=False)

    def frame(self) -> pd.DataFrame:
        """Return one row per source, target, network, start, seed, shot and test episode.

        Returns
        -------
        DataFrame
            ``source, target, network, start, method, seed, shot, episode, accuracy, way, status,
            steps, tuned``. The source ``"random"`` is what others are compared with, by the same
            method: its starts are ``"random"`` (everything is trained), ``"frozen"`` and so on. A
            source that came as a network has the same rows for every seed.
        """
        return self.rows.copy()

    @cached_property
    def _effects(self) -> pd.DataFrame:
        return effects(self.rows)

    def effects(self) -> pd.DataFrame:
        """Return how much better each source and start is than random weights.

        Returns
        -------
        DataFrame
            ``source, target, network, start, shot, method, difference, low, high, adjusted_low,
            adjusted_high, p_value, p_holm, n, seeds, seed_low, seed_high, verdict``: the mean
            difference to random weights that the same method tunes, over ``n`` episodes, each the
            mean over seeds, with a 95 % bootstrap interval. The adjusted interval and ``p_holm``
            (of Wilcoxon's test) allow for the number of effects on one target, network and shot;
            where both are clear of zero, ``verdict`` is "helps" or "harms", else "not clear", or
            "too few episodes" where no result of so few could be clear after the adjustment.
            ``seed_low, seed_high`` are the smallest and largest difference of one seed.
        """
        return self._effects.copy()

    @checked(start=text)
    def masking(self, start: str = FULL) -> pd.DataFrame:
        """Return what full fine-tuning hides of each source.

        Parameters
        ----------
        start : str
            The start whose gain is taken off that with frozen features, and that columns of
            ``tuned_`` are of; another one, such as a hybrid, tells whether it hides as much.

        Returns
        -------
        DataFrame
            ``source, target, network, shot, start, frozen_gain, frozen_low, frozen_high,
            tuned_gain, tuned_low, tuned_high, index, low, high, adjusted_low, adjusted_high,
            p_value, p_holm, n, seeds, frozen_accuracy, tuned_accuracy, random_frozen_accuracy,
            random_tuned_accuracy, verdict``: the gain over random weights with frozen features, the
            same when tuned from ``start``, and their difference, the masking index, each with a
            95 % bootstrap interval over episodes. The adjusted interval and ``p_holm`` allow for
            the number of sources; where both are clear of zero, fine-tuning "hides an advantage" or
            "hides a disadvantage" if the frozen source helps or harms by :meth:`effects`; else it
            "lowers" or "raises the gain", or "enlarges" or "lessens the loss" where both gains are
            below zero. Otherwise the verdict is "not clear" or "too few episodes".

        Raises
        ------
        KShotValueError
            Without the starts ``"frozen"`` and ``start``.
        """
        return masking(self.rows, self._effects, start)

    def representations(self) -> pd.DataFrame:
        """Return how alike layers are, beside what the accuracies say.

        Returns
        -------
        DataFrame
            ``source, target, network, start, shot, seed, compared, layer, measure, value`` and
            ``difference, low, high, verdict`` of :meth:`effects`. ``compared`` is "before and
            after" fine-tuning on the first test episode, or "with random" weights after the same
            fine-tuning; ``measure`` is linear "cka" or "svcca" on query images, NaN where a layer
            is constant or there are fewer images than SVCCA needs.
        """
        known = ["source", "target", "network", "start", "shot"]
        beside = self._effects[[*known, "difference", "low", "high", "verdict"]]
        return self.layers.merge(beside, on=known, how="left")

    def findings(self) -> list[str]:
        """Return what was found as sentences, made from the numbers."""
        return grid_findings(self)

    def comparison(
        self, source: str, *, target: str = "", network: str = "", weights: str = "source"
    ) -> Comparison:
        """Return the comparison of the methods from one source's weights, of the first seed.

        Parameters
        ----------
        source : str
            A source, or ``"random"``.
        target, network : str
            The first by default.
        weights : str
            ``"source"``, or the name of a start with weights of its own, such as
            ``"mean_variance"``.

        Raises
        ------
        KShotKeyError
            For a name that this grid does not have.
        """
        cells = self.manifest["cells"]
        asked = {"source": source, "target": target, "network": network}
        asked["weights"] = RANDOM if source == RANDOM else weights
        for key, value in asked.items():
            allowed = list(dict.fromkeys(one[key] for one in cells))
            if value and value not in allowed:
                raise unknown_name(key, value, allowed)
            cells = [one for one in cells if not value or one[key] == value]
        if not cells:
            raise KShotValueError(f"This grid has no cell with {asked}.")
        return _comparison(self.studies, self.manifest["cells"].index(cells[0]), cells[0]["target"])

    def save(self, folder: str | Path) -> Path:
        """Write ``grid.json``, the rows as Parquet, and a folder for each study."""
        return files.save(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> TransferGrid:
        """Read a saved grid; a file that is missing or damaged is a KShotFileError."""
        return cls(**files.load(folder))

    def __repr__(self) -> str:
        sources, targets = (counted(len(self.manifest[n]), n[:-1]) for n in ("sources", "targets"))
        head = f"TransferGrid of {sources} and {targets}, {counted(len(self.rows), 'row')}."
        return "\n".join([head, "", *self.findings()])

    def _repr_html_(self) -> str:
        shown = self.effects()[["source", "target", "start", "shot", "difference", "low", "high"]]
        numbers = (100 * shown[["difference", "low", "high"]]).round(1).astype(object)
        shown[numbers.columns] = numbers.where(numbers.notna(), "")
        lines = "".join(f"<p>{html.escape(one)}</p>" for one in self.findings())
        return lines + html_table(shown.columns, shown.to_numpy().tolist())


def task_name(number: int, target: str) -> str:
    """Return the name of a cell's task in its study."""
    return f"{number:03d} {target}"


def grid_rows(
    studies: Mapping[str, Study], cells: Sequence[Cell], starts: Sequence[Start]
) -> pd.DataFrame:
    """Return the rows of :meth:`TransferGrid.frame`."""
    import pandas as pd

    parts = [
        rows.assign(
            source=cell.source, target=cell.target, network=cell.network, seed=seed, start=starting
        )
        for cell, comparison in compared(studies, cells)
        for method, rows in chosen_test_rows(comparison.frame).groupby("method", sort=False)
        for starting in [cell.start(str(method), starts)]
        for seed in cell.seeds
    ]
    return pd.concat(parts, ignore_index=True)[ROWS]


def compared(
    studies: Mapping[str, Study], cells: Sequence[Cell]
) -> Iterator[tuple[Cell, Comparison]]:
    """Yield each cell with its comparison."""
    for number, cell in enumerate(cells):
        yield cell, _comparison(studies, number, cell.target)


def _comparison(studies: Mapping[str, Study], number: int, target: str) -> Comparison:
    name = task_name(number, target)
    return next(one.comparisons[name] for one in studies.values() if name in one.comparisons)
