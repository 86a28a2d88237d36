"""Which comparison of a study is shown: of a task, at the settings of a regime and rule."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kshot_viz.errors import KShotValueError
from kshot_viz.study.regimes.choices import REGIMES
from kshot_viz.study.regimes.chosen import whole_task_regimes
from kshot_viz.study.regimes.verdicts import rule_verdicts
from kshot_viz.study.task import TASK
from kshot_viz.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.study.comparison import Comparison
    from kshot_viz.study.regimes.study import Study


@dataclass(frozen=True, eq=False)
class StudyPart:
    """A task of a study, at the settings that a regime and rule chose.

    Attributes
    ----------
    study : Study
    task : str
        As in :meth:`Study.comparison`.
    regime : str
        By default the one that uses most labels.
    rule : str
        ``"guarded"`` by default, where the study has it.

    Raises
    ------
    KShotValueError
        If no regime chose settings for a whole task.
    """

    study: Study
    task: str = ""
    regime: str = ""
    rule: str = ""

    def __post_init__(self) -> None:
        rules = self.rules
        made = {
            "task": self.task or self.tasks[0],
            "rule": self.rule or ("guarded" if "guarded" in rules else rules[0]),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)
        if not self.regime:
            if not self.regimes:
                raise KShotValueError(
                    f"No regime of this study chose settings for all episodes of {self.task!r}; "
                    f"its tables are study.frame and study.regret()."
                )
            object.__setattr__(self, "regime", self.regimes[-1])

    @property
    def tasks(self) -> list[str]:
        """The names of tasks."""
        return list(self.study.comparisons)

    @property
    def regimes(self) -> list[str]:
        """The regimes that chose settings for this task, from the fewest labels to the most."""
        return sorted(whole_task_regimes(self.study, self.task), key=REGIMES.index)

    @property
    def rules(self) -> list[str]:
        """The rules that settings were chosen by."""
        return list(self.study.manifest["rules"])

    @cached_property
    def comparison(self) -> Comparison:
        """The comparison itself; an unknown name is an error here."""
        return self.study.comparison(self.task, regime=self.regime, rule=self.rule)

    def but(self, **changes: Any) -> StudyPart:
        """Return another part; a task that lacks the regime is shown in one that it has."""
        made = replace(self, **changes)
        if "regime" in changes or made.task not in self.tasks or made.regime in made.regimes:
            return made
        return replace(made, regime="")

    def regret(self) -> pd.DataFrame:
        """Return the regret of every method and regime, with this rule."""
        found = self.study.regret()
        return found[found["rule"] == self.rule].reset_index(drop=True)

    def verdicts(self) -> list[str]:
        """Return what each regime showed with this rule."""
        return rule_verdicts(self.study, self.rule)

    @property
    def title(self) -> str:
        """How many methods and tasks the study has, and the rule."""
        frame = self.study.frame
        tasks = counted(len(frame[TASK].drop_duplicates()), "task")
        methods = counted(frame["method"].nunique(), "method")
        return f"{methods} on {tasks}, settings chosen by rule {self.rule!r}"

    def slugs(self, used: Collection[str]) -> list[str]:
        """Return what names a file of a view that uses these choices."""
        words = {
            "task": str(self.study.manifest["folders"][self.task]),
            "regime": self.regime,
            "rule": self.rule,
        }
        return ["study", *(word for name, word in words.items() if name in used)]
