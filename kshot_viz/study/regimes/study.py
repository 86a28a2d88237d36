"""A finished study: its rows, regret, ranks and wins, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.checks import checked, text
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.regimes import files
from kshot_viz.study.regimes.chosen import comparison_at
from kshot_viz.study.regimes.ranks import Ranks, average_ranks
from kshot_viz.study.regimes.tables import (
    best_in_hindsight,
    episode_rows,
    regret_by_task,
    regret_table,
    wins_table,
)
from kshot_viz.study.regimes.verdicts import study_html, study_text
from kshot_viz.study.tables import PLAIN

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Study:
    """Methods on several tasks, with settings chosen in several regimes of labels.

    Attributes
    ----------
    comparisons : mapping of str to Comparison
        One for each name of a task: all tuning rows, and the test rows of all that was chosen. What
        it calls chosen is what the regime ``"many"`` chooses by the guarded rule.
    choices : DataFrame
        What each regime and rule chose: ``data, backbone, way, shot, method, regime, rule,
        episode`` (of the choice, ``""`` for all), ``setting, steps, tuned, step_size, lr, head_lr,
        val_accuracy, n_val, collapsed, margin`` (as of
        :func:`kshot_viz.study.settings.choice.choose`) and ``labels``, the number of labelled
        images of the target that it used beside the support.
    manifest : mapping
        What was asked for.
    folds : mapping of str to DataFrame
        For each name of a task, the rows that the regime ``"own"`` chose from, like those of
        :attr:`Comparison.frame`; ``of_episode`` and ``of_shot`` name the test episode whose support
        was split. Empty without that regime, and in studies saved before these rows were kept.
    """

    comparisons: Mapping[str, Comparison]
    choices: pd.DataFrame
    manifest: Mapping[str, Any]
    folds: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row per task, method, regime, rule and test episode.

        ``data, backbone, way, shot, method, regime, rule, episode, accuracy, status, seconds,
        steps, tuned, labels``. A method that cannot be used on a network has one row for each
        regime of a task, whose ``status`` says ``"not applicable: why"``.
        """
        return episode_rows(self)

    @property
    def data_sets(self) -> dict[str, str]:
        """For the name of each task's data, the first name under which its images take part.

        Data that share images, or are variants of the same, are one data set under several names.
        """
        named = {str(one): str(one) for one in dict.fromkeys(self.frame["data"])}
        # Studies saved before this was kept tell data by their names alone.
        return named | dict(self.manifest.get("data_sets", {}))

    def best(self) -> pd.DataFrame:
        """Return the accuracies of the best in hindsight, a row per task and episode.

        It is the method and setting with the best mean accuracy over all test episodes of the task,
        of those that ran on all of them.

        Returns
        -------
        DataFrame
            ``data, backbone, way, shot, episode, method, tuned, steps, accuracy``.
        """
        return best_in_hindsight(self)

    @cached_property
    def _regrets(self) -> pd.DataFrame:
        return regret_by_task(self)

    @cached_property
    def _regret(self) -> pd.DataFrame:
        return regret_table(self._regrets, self.data_sets)

    @cached_property
    def _wins(self) -> pd.DataFrame:
        return self._wins_over(PLAIN)

    def _wins_over(self, reference: str) -> pd.DataFrame:
        return wins_table(self.frame, reference, self.data_sets)

    def regrets(self) -> pd.DataFrame:
        """Return how far each method is behind the best in hindsight, a row per task.

        Both are compared on the same episodes. So where a regime has few episodes of its own
        (``"own"``), a regret below zero can occur.

        Returns
        -------
        DataFrame
            ``data, backbone, way, shot, method, regime, rule, accuracy, best, regret`` (points),
            ``n, diverged, seconds``.
        """
        return self._regrets.copy()

    def regret(self) -> pd.DataFrame:
        """Return mean and worst regret over tasks, a row per method, regime and rule.

        Returns
        -------
        DataFrame
            ``method, regime, rule, mean, low, high, worst, worst_task, tasks, diverged`` (share of
            runs), ``seconds``; in points, with the 95 % bootstrap interval over data sets, since
            tasks on the same images are not independent. NaN where there is one data set.
        """
        return self._regret.copy()

    def ranks(self, regime: str, *, rule: str = "guarded") -> Ranks:
        """Return the average rank of each method over data sets, and the critical difference.

        Raises
        ------
        KShotKeyError
            For a regime or rule that this study does not have.
        """
        return average_ranks(self._regrets, regime, rule, self.data_sets)

    def wins(self, *, reference: str = PLAIN) -> pd.DataFrame:
        """Return in how many tasks each method is clearly better or worse than another one.

        Returns
        -------
        DataFrame
            ``method, regime, rule, wins, ties, losses, difference, low, high, episodes``: clear is
            where the 95 % bootstrap interval of the paired difference excludes zero. Of equal
            methods that is so in 3 to 5 of 100 tasks each way with 10 episodes and more, and in 20
            and more with 2; ``episodes`` are those of the task with the fewest. The mean difference
            over tasks is in points, with its interval over data sets.

        Raises
        ------
        KShotKeyError
            If ``reference`` is no method of this study.
        """
        return self._wins.copy() if reference == PLAIN else self._wins_over(reference)

    @checked(task=text, regime=text, rule=text)
    def comparison(
        self, task: str = "", *, regime: str = "many", rule: str = "guarded"
    ) -> Comparison:
        """Return the comparison of a task, at the settings that a regime and rule chose.

        Parameters
        ----------
        task : str
            A name of ``comparisons``; the first by default.
        regime : str
            One that this study has, but ``"own"``, which chooses anew in each episode.
        rule : str

        Returns
        -------
        Comparison
            Its manifest and the text under its tables say what settings were chosen on. Methods
            for which the regime chose nothing are left out.

        Raises
        ------
        KShotKeyError
            For a task, regime or rule that this study does not have.
        KShotValueError
            For ``"own"``, and where the regime had nothing to choose on.
        """
        return comparison_at(self, task, regime, rule)

    def save(self, folder: str | Path) -> Path:
        """Write ``study.json``, ``rows.parquet`` and a folder for each comparison.

        :func:`kshot_viz.study` goes on from a copy of such a folder.
        """
        return files.save(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Study:
        """Read a saved study; a file that is missing or damaged is a KShotFileError."""
        return cls(**files.load(folder))

    def __repr__(self) -> str:
        return study_text(self)

    def _repr_html_(self) -> str:
        return study_html(self)
