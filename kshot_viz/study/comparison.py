"""A finished comparison: all its rows, and the tables that are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.checks import checked, number, optional, text
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotValueError
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.study import tables
from kshot_viz.study.files import comparison_files as files
from kshot_viz.study.findings.alike import nothing_alike
from kshot_viz.study.findings.robustness import robustness
from kshot_viz.study.footer import note_of
from kshot_viz.study.overview import overview_html, overview_text
from kshot_viz.study.replay import Replay, replay_row
from kshot_viz.study.settings.choice import both_rules
from kshot_viz.study.settings.collapses import collapses

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone


@dataclass(frozen=True, eq=False)
class Comparison:
    """Methods on the same episodes.

    Attributes
    ----------
    frame : DataFrame
        One row per run: the columns of :func:`kshot_viz.evaluate`, ``step_size`` (the first
        setting that its method tunes: ``head_lr`` for ``head_only``, mostly ``lr``), ``tuned`` (all
        settings that it tunes, as JSON), ``setting`` (a digest that names all settings but the
        number of steps), ``chosen`` (whether the row has its method's chosen setting) and
        ``stopped`` (the setting ran on the first tuning episodes only, being clearly behind).
        ``pool`` is ``"val"`` for tuning rows, whose ``data`` is the data set they tune for.
    settings : DataFrame
        The chosen setting of each task and method: the columns of
        :func:`kshot_viz.study.settings.choice.choose`, and ``edge``, which says where it is the
        smallest or largest that was tried.
    manifest : mapping
        What was compared on what, with versions; plain JSON values.
    candidates : mapping of str to Candidate
        What ``frame.candidate`` stands for.
    episodes : mapping of str to Episode
        What (way, shot, episode) stand for; see :func:`kshot_viz.study.task.episode_key`.
    alike : DataFrame
        Whether neurons that share a group behave alike, a row per task, method, measure and layer:
        see :func:`kshot_viz.study.findings.alike.alike`. Without rows where no method has groups,
        or the comparison was saved by an older version.
    """

    frame: pd.DataFrame
    settings: pd.DataFrame
    manifest: Mapping[str, Any]
    candidates: Mapping[str, Candidate]
    episodes: Mapping[str, Episode]
    alike: pd.DataFrame = field(default_factory=nothing_alike, repr=False)
    backbone: Backbone | None = field(default=None, repr=False)
    data: ImageDataset | None = field(default=None, repr=False)
    tuning_data: ImageDataset | None = field(default=None, repr=False)

    @checked(reference=text)
    def summary(self, *, reference: str = tables.PLAIN) -> pd.DataFrame:
        """Return one row per task and method, each at its own chosen setting.

        Parameters
        ----------
        reference : str
            The method the others are paired with, episode by episode.

        Returns
        -------
        DataFrame
            ``data, backbone, way, shot, method, accuracy, low, high, n, step_size, tuned, head_lr,
            steps, difference, difference_low, difference_high, p_value, adjusted_low,
            adjusted_high, p_holm, diverged``. Intervals are 95 % bootstrap; ``p_value`` is
            Wilcoxon's. ``p_holm`` and the adjusted interval (Bonferroni's) allow for the number of
            rivals of one task. Differences are NaN where ``"plain"`` did not take part.

        Raises
        ------
        KShotKeyError
            If ``reference`` is no method of this comparison.
        """
        return tables.summary(self.frame, self.settings, reference)

    def choices(self) -> pd.DataFrame:
        """Return what each rule would have chosen, from the tuning episodes.

        Returns
        -------
        DataFrame
            The columns of :func:`kshot_viz.study.settings.choice.choose`, with both rules of each
            task and method; empty where nothing was tuned.
        """
        return both_rules(self.frame[self.frame["pool"] == "val"])

    def robustness(self) -> pd.DataFrame:
        """Return the difference of each method to plain fine-tuning, at other settings too.

        A row per task, method and pair of settings of which there are rows: see
        :func:`kshot_viz.study.findings.robustness.robustness`. Empty without ``"plain"``.
        """
        # Settings that were chosen elsewhere have no other rule among the rows of these episodes.
        here = self.manifest.get("regime", "many") == "many"
        return robustness(self.frame, self.settings, other_rule=here)

    def collapses(self) -> pd.DataFrame:
        """Return how many tuning runs collapsed at each step size; empty where nothing was tuned.

        See :func:`kshot_viz.study.settings.collapses.collapses`.
        """
        return collapses(self.frame[self.frame["pool"] == "val"])

    @checked(head_lr=optional(number(0)))
    def curve(self, *, head_lr: float | None = None) -> pd.DataFrame:
        """Return accuracy against step size on the validation episodes, at the longest run.

        Parameters
        ----------
        head_lr : float, optional
            Step size of the head beside a moving body; each method's chosen one by default.

        Returns
        -------
        DataFrame
            ``data, backbone, way, shot, method, step_size, head_lr, steps, accuracy, low, high, n,
            diverged`` (share).
        """
        return tables.curve(self.frame, self.settings, head_lr)

    def called(self, method: str, *, setting: str | None = None) -> list[Candidate]:
        """Return the candidates of a method's name, all that were tried or those of a setting."""
        found = [one for one in self.candidates.values() if one.name == method]
        return [one for one in found if setting is None or one.setting_key == setting]

    def grouping(
        self, method: str = "grouped", *, data: ImageDataset | None = None
    ) -> tuple[Grouping, Episode] | None:
        """Return the groups of a method in the first test episode, and that episode.

        None where the method did not take part or shares nothing.

        Raises
        ------
        KShotValueError
            If each episode forms its own groups, and network or data are not known.
        """
        episode = next(one for one in self.episodes.values() if one.pool == "test")
        formed = next((one.grouping for one in self.called(method)), None)
        data = data if data is not None else self.data
        if not isinstance(formed, GroupingRule):
            return None if formed is None else (formed, episode)
        if self.backbone is None or data is None:
            raise KShotValueError("The groups of an episode are formed from its images: give them.")
        made = formed.in_episode(
            self.backbone, episode.split(data)[0], name=episode.name, seed=self.manifest["seed"]
        )
        return made, episode

    def replay(
        self, row: int, *, backbone: Backbone | None = None, data: ImageDataset | None = None
    ) -> Replay:
        """Run one row of ``frame`` again, alone, from what it stores.

        Parameters
        ----------
        row : int
            Index in ``frame``.
        backbone, data : optional
            Needed after :meth:`load`; must be the ones compared. The data of a tuning row with
            ``tune="source"`` is the source.

        Raises
        ------
        KShotValueError
            If the row does not exist, or network or data are others.
        """
        known = [one for one in (data, self.data, self.tuning_data) if one is not None]
        return replay_row(self, row, backbone or self.backbone, known)

    def save(self, folder: str | Path) -> Path:
        """Write ``results.parquet`` and ``comparison.json`` into ``folder``."""
        return files.save(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Comparison:
        """Read a saved comparison; a cut-off or newer file is a KShotFileError that names it."""
        return cls(**files.load(folder))

    @cached_property
    def note(self) -> str:
        """The sentences under every table: labels used, episodes, images, tests."""
        return note_of(self.manifest)

    def __repr__(self) -> str:
        shots = sorted(self.frame["shot"].unique().tolist()) if len(self.frame) else []
        methods = list(dict.fromkeys(self.settings["method"]))
        about = f"Comparison of {methods} at {shots} shots, {len(self.frame)} rows."
        return f"{about}\n\n{overview_text(self.summary(), self.manifest)}"

    def _repr_html_(self) -> str:
        return overview_html(self.summary(), self.manifest)
