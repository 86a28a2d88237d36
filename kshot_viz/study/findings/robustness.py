"""Whether a difference to plain fine-tuning holds at other settings than the chosen ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import TYPE_CHECKING, Any

from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import method_class
from kshot_viz.stats import bootstrap_mean, paired_differences
from kshot_viz.study.settings.choice import SETTING, beside, both_rules
from kshot_viz.study.tables import PLAIN, paired
from kshot_viz.study.task import TASK, Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

CHOSEN, DEFAULT, RULE, STEP_SIZE = "chosen", "default", "other rule", "step size"
ROBUSTNESS = [*TASK, "method", "variant", "pool", "difference", "low", "high", "n", "same"]
ROBUSTNESS += ["tuned", "steps", "plain_tuned", "plain_steps", "rule"]

# A setting of a method and its number of steps.
Setting = tuple[str, int]


def robustness(
    frame: pd.DataFrame, settings: pd.DataFrame, *, other_rule: bool = True
) -> pd.DataFrame:
    """Estimate differences to plain fine-tuning at every variant of the settings that has rows.

    Parameters
    ----------
    frame, settings : DataFrame
        As of a comparison.
    other_rule : bool
        Whether settings were chosen on the tuning rows of ``frame``, so that the rule that was not
        used can be asked too.

    Returns
    -------
    DataFrame
        The task, ``method, variant, pool, difference, low, high, n, same, tuned, steps,
        plain_tuned, plain_steps, rule``. ``variant`` is ``"chosen"``, ``"default"`` (the settings
        that a method has where none are given), ``"other rule"`` (what the rule that was not used
        takes; ``rule`` is its name) or ``"step size"`` (the method, plain, or both at the step size
        before or after the chosen one). Both methods of a row ran on its ``n`` episodes: test
        episodes where there are rows of them, else those of tuning; the chosen settings are
        estimated on both. Intervals are 95 % bootstrap. ``same`` tells that both settings are the
        chosen ones.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for task in dict.fromkeys(map(Task.of, settings.to_dict("records"))):
        ran = Variants(task.rows(frame), task.rows(settings), other_rule)
        rows += [{**asdict(task), **row} for row in ran.rows()]
    return pd.DataFrame(rows, columns=ROBUSTNESS)


@dataclass(frozen=True, eq=False)
class Variants:
    """The rows of one task, by what may be varied."""

    frame: pd.DataFrame
    chosen: pd.DataFrame
    other_rule: bool = True

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the estimates of every method but plain."""
        known = {row["method"]: row for row in self.chosen.to_dict("records")}
        if PLAIN not in known:
            return
        took = {name: (row["setting"], int(row["steps"])) for name, row in known.items()}
        runs = {str(name): _Runs(part) for name, part in self.frame.groupby("method", sort=False)}
        rules = self._other_rule() if self.other_rule else {}
        ran = {name for name, setting in took.items() if name in runs and runs[name].ran(setting)}
        for method in (one for one in known if one != PLAIN and {one, PLAIN} <= ran):
            pair = _Pair(runs[method], runs[PLAIN], took[method], took[PLAIN])
            for variant, settings, about in _variants(method, pair, rules):
                for pool in ("test", "val") if variant == CHOSEN else (None,):
                    row = pair.estimate(settings, pool)
                    if row:
                        yield {"method": method, "variant": variant, **row, **about}

    def _other_rule(self) -> dict[str, tuple[Setting, str]]:
        """Return what the rule that was not used takes for each method, and its name."""
        used = set(self.chosen["rule"])
        both = both_rules(self.frame[self.frame["pool"] == "val"])
        return {
            row["method"]: ((row["setting"], int(row["steps"])), row["rule"])
            for row in both.to_dict("records")
            if row["rule"] not in used
        }


class _Runs:
    """The rows of one method, by setting and pool."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.tuned: dict[str, str] = dict(zip(frame["setting"], frame["tuned"], strict=True))
        self._sizes = dict(zip(frame["setting"], frame["step_size"], strict=True))
        self._scores: dict[tuple[Any, ...], pd.Series[float]] = {
            key: part.set_index("episode")["accuracy"]
            for key, part in frame.groupby([*SETTING, "pool"], sort=False)
        }

    def ran(self, setting: Setting) -> bool:
        """Return whether there is any row of a setting."""
        return setting[0] in self.tuned

    def scores(self, setting: Setting, pool: str) -> pd.Series[float] | None:
        """Return the accuracies of a setting by episode."""
        return self._scores.get((*setting, pool))

    def default(self, method: str) -> Setting | None:
        """Return the settings that the method has where none are given, if they ran."""
        config, known = FinetuneConfig(), method_class(method)
        own = {one.name: one.default for one in fields(known)} if known else {}
        for setting, text in self.tuned.items():
            tuned: Mapping[str, Any] = json.loads(text)
            if all(getattr(config, name, own.get(name)) == tuned[name] for name in tuned):
                # A method that takes no steps tunes nothing, and runs with 0.
                return setting, config.steps if tuned else 0
        return None

    def near(self, setting: Setting) -> list[Setting]:
        """Return the setting and those with the step size before and after, all else equal."""
        key, steps = setting
        alike = [one for one, text in self.tuned.items() if beside(text) == beside(self.tuned[key])]
        ordered = sorted(alike, key=self._sizes.__getitem__)
        at = ordered.index(key)
        return [(one, steps) for one in ordered[max(0, at - 1) : at + 2]]


@dataclass(frozen=True, eq=False)
class _Pair:
    """A method and plain fine-tuning, with the chosen setting of each."""

    method: _Runs
    plain: _Runs
    chosen: Setting
    plain_chosen: Setting

    def estimate(
        self, settings: tuple[Setting, Setting], pool: str | None
    ) -> dict[str, Any] | None:
        """Return the difference on the episodes of a pool, of the test where there are any."""
        for name in (pool,) if pool else ("test", "val"):
            first, second = (
                self.method.scores(settings[0], name),
                self.plain.scores(settings[1], name),
            )
            if first is None or second is None:
                continue
            differences = paired_differences(*paired(first, second))
            if len(differences):
                return self._row(settings, name, differences)
        return None

    def _row(
        self, settings: tuple[Setting, Setting], pool: str, differences: np.ndarray
    ) -> dict[str, Any]:
        found = bootstrap_mean(differences)
        (own, steps), (plain, plain_steps) = settings
        return {
            "pool": pool,
            "difference": found.mean,
            "low": found.low,
            "high": found.high,
            "n": found.n,
            "same": settings == (self.chosen, self.plain_chosen),
            "tuned": self.method.tuned[own],
            "steps": steps,
            "plain_tuned": self.plain.tuned[plain],
            "plain_steps": plain_steps,
            "rule": "",
        }


Variant = tuple[str, tuple[Setting, Setting], dict[str, str]]


def _variants(
    method: str, pair: _Pair, rules: Mapping[str, tuple[Setting, str]]
) -> Iterator[Variant]:
    """Yield what is varied, with the settings of the method and of plain."""
    chosen = pair.chosen, pair.plain_chosen
    yield CHOSEN, chosen, {}
    own, plain = pair.method.default(method), pair.plain.default(PLAIN)
    if own and plain:
        yield DEFAULT, (own, plain), {}
    if {method, PLAIN} <= set(rules):
        (own, rule), (plain, _) = rules[method], rules[PLAIN]
        yield RULE, (own, plain), {"rule": rule}
    for settings in product(pair.method.near(pair.chosen), pair.plain.near(pair.plain_chosen)):
        if settings != chosen:
            yield STEP_SIZE, settings, {}
