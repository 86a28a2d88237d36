"""Run a study: tune every task once, choose in every regime, and test what was chosen."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.checks import checked, flag, instance, number, optional, several, text, whole
from kshot_viz.errors import KShotValueError
from kshot_viz.evaluate.evaluate import all_of
from kshot_viz.files import made_folder
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.base import Method
from kshot_viz.methods.registry import FIRST
from kshot_viz.study.compare import comparison_of, comparison_plan
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.files.kept_rows import rows_kept
from kshot_viz.study.plan import ComparisonPlan, TunedTasks
from kshot_viz.study.regimes.choices import REGIMES, Few, known_regimes
from kshot_viz.study.regimes.every_choice import Asked, every_choice
from kshot_viz.study.regimes.files import known_folds, refuse_other_tasks
from kshot_viz.study.regimes.own_support import run_folds
from kshot_viz.study.regimes.same_images import data_sets, share_images
from kshot_viz.study.regimes.study import Study
from kshot_viz.study.regimes.study_task import StudyTask
from kshot_viz.study.regimes.study_timing import timed
from kshot_viz.study.settings.choice import METHOD, SETTING, known_rule
from kshot_viz.study.settings.grid import TuningGrid
from kshot_viz.study.tables import joined

if TYPE_CHECKING:
    import pandas as pd

# What identifies a setting of a method in a task.
SAME = [*METHOD, *SETTING]


@checked(
    tasks=several,
    methods=several,
    regimes=several,
    rules=several,
    n_val=whole(1),
    few=instance(Few, cure="kshot_viz.study.regimes.choices.Few(episodes=3, queries=3)"),
    own_episodes=whole(1),
    grid=optional(instance(TuningGrid)),
    executor=text,
    workers=optional(whole(1)),
    seed=whole(0),
    budget_minutes=optional(number(0, above=True)),
    progress=flag,
)
def study(
    tasks: Sequence[StudyTask],
    *,
    methods: Sequence[str | Method | Candidate] = FIRST,
    regimes: Sequence[str] = REGIMES,
    rules: Sequence[str] = ("guarded",),
    n_groups: Any = 0.1,
    n_val: int = 6,
    few: Few = Few(),  # noqa: B008 - frozen
    own_episodes: int = 10,
    grid: TuningGrid | None = None,
    executor: str = "serial",
    workers: int | None = None,
    device: str | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    budget_minutes: float | None = None,
    progress: bool = False,
) -> Study:
    """Compare methods on several tasks, with settings chosen from few labels or many.

    Every setting of the grid runs on every tuning episode of a task, once; the regimes choose from
    these rows, and all that any of them chose runs on the same test episodes (what was chosen on
    the support of one episode, on that one).

    Parameters
    ----------
    tasks : sequence of StudyTask
    methods : sequence of str, Method or Candidate
        As in :func:`kshot_viz.compare_methods`.
    regimes : sequence of {"blind", "own", "few", "many"}
        What settings are chosen on. ``"blind"``: the tuning episodes of the tasks on other data, so
        on no label of the target. ``"own"``: the k images themselves, in folds that leave some of
        them out, anew for each of the first ``own_episodes`` test episodes. ``"few"``: as ``few``
        says, a few small tuning episodes. ``"many"``: all ``n_val`` of them.
    rules : sequence of {"guarded", "best"}
        As in :func:`kshot_viz.study.settings.choice.choose`.
    n_groups : float, int or mapping
        As in :func:`kshot_viz.cluster_neurons`.
    n_val : int
        Tuning episodes of each task.
    few : Few
    own_episodes : int
    grid : TuningGrid, optional
        What is tried. It does not grow: the regimes would have different values to choose from. By
        default the step sizes of the head are 1 and 10 in units of each network's features
        (``TuningGrid(feature_steps=(1, 10))``), so that they suit every network; where a candidate
        has another optimizer than SGD, those of ``TuningGrid()``.
    executor, workers, device
        As in :func:`kshot_viz.evaluate`.
    out : path, optional
        Folder that keeps finished rows and, in the end, the study: see :meth:`Study.load`. The same
        call goes on from there after an interrupt; one with more tasks, methods or episodes, from a
        copy of a saved study.
    seed : int
    budget_minutes : float, optional
        Run less of everything, the same share in every task: fewer tuning and test episodes, or
        every second step size, so that the study takes so long at most. One episode of every task
        is measured for that; the tables say what was left out.
    progress : bool
        Say how long the whole will take, and show progress bars.

    Returns
    -------
    Study

    Raises
    ------
    KShotKeyError
        For an unknown regime or rule.
    KShotValueError
        For two tasks of one name, no task, or no regime that has anything to choose on.
    KShotFileError
        If ``out`` holds a study of other tasks, or a saved comparison that was changed or damaged,
        and no store beside it.
    """
    tasks = _named(all_of("tasks", tasks, StudyTask))
    known = tuple(known_rule(one, "rules") for one in rules)
    asked = Asked(known_regimes(regimes), known, few, own_episodes, n_val, seed)
    grid = replace(grid or default_grid(methods), extend=0)
    options = {"executor": executor, "workers": workers, "device": device, "seed": seed}
    plans = [
        comparison_plan(
            one.backbone,
            one.data,
            one.sampled(seed),
            methods=methods,
            groups=GroupingRule(
                groups_from="support" if one.source is None else "source", n_groups=n_groups
            ),
            source=one.source,
            options=options,
            n_val=n_val,
            grid=grid,
            race=False,
            progress=progress,
        )
        for one in tasks
    ]
    _check_distinct(plans)
    _check_choosable(plans, asked)
    with _all_kept(plans, tasks, out) as plans:
        plans = [plan.bound(one.source) for plan, one in zip(plans, tasks, strict=True)]
        plans, asked, about = timed(plans, asked, budget_minutes, tell=progress)
        tuned = [plan.tune() for plan in plans]
        split = asked.own_episodes if "own" in asked.regimes else 0
        folds = [run_folds(plan, split) for plan in plans]
        choices = every_choice(plans, tuned, folds, asked)
        comparisons = {
            one.name: _comparison(plan, rows, choices, one)
            for one, plan, rows in zip(tasks, plans, tuned, strict=True)
        }
    about |= {
        "folders": {one.name: one.folder for one in tasks},
        "data_sets": data_sets([plan.data for plan in plans]),
    }
    found = Study(
        comparisons,
        choices,
        asked.to_dict() | about,
        {name: rows for name, rows in zip(comparisons, folds, strict=True) if len(rows)},
    )
    if out is not None:
        found.save(out)
    return found


def default_grid(methods: Sequence[str | Method | Candidate]) -> TuningGrid:
    """Return the grid of a study that names none.

    One that does not grow has to suit networks whose features differ in length by a factor of ten.
    """
    given = [one for one in methods if isinstance(one, Candidate)]
    by_features = all(one.config.optimizer == "sgd" for one in given)
    return TuningGrid(feature_steps=(1.0, 10.0) if by_features else ())


def _named(tasks: Sequence[StudyTask]) -> Sequence[StudyTask]:
    """Return the tasks, or raise a KShotValueError unless each has a folder of its own."""
    if not tasks:
        raise KShotValueError("`tasks` is empty; give some kv.StudyTask(backbone, data).")
    folders = [one.folder for one in tasks]
    double = sorted({one.name for one in tasks if folders.count(one.folder) > 1})
    if double:
        raise KShotValueError(
            f"`tasks` must have distinct names; not {', '.join(map(repr, double))} twice. Give "
            f"them a `name=`, and several numbers of shots to one task."
        )
    return tasks


def _check_distinct(plans: Sequence[ComparisonPlan]) -> None:
    """Raise a KShotValueError where rows of two tasks could not be told from each other."""
    found = [task for plan in plans for task in plan.tasks]
    for one in found:
        if found.count(one) > 1:
            raise KShotValueError(
                f"Two tasks are {one.way}-way {one.shot}-shot on data called {one.data!r} with a "
                f"network called {one.backbone!r}: give the data or the network another name "
                f"(in a study file, `data_name` or `backbone_name`)."
            )


def _check_choosable(plans: Sequence[ComparisonPlan], asked: Asked) -> None:
    """Raise a KShotValueError where no regime has anything to choose on, in any task."""
    blind = any(not share_images(one.data, other.data) for one in plans for other in plans)
    own = any(task.shot > 1 for plan in plans for task in plan.tasks)
    possible = {"blind": blind, "own": own}
    if asked.rules and any(possible.get(regime, True) for regime in asked.regimes):
        return
    raise KShotValueError(
        "Nothing can be chosen: `blind` needs a task on other images, `own` two images a class or "
        "more, and each study a regime and a rule. `few` and `many` choose on tuning episodes."
    )


@contextmanager
def _all_kept(
    plans: Sequence[ComparisonPlan], tasks: Sequence[StudyTask], out: str | Path | None
) -> Iterator[list[ComparisonPlan]]:
    """Keep the rows of each task in a folder of its own."""
    with ExitStack() as stack:
        folder = Path(out or stack.enter_context(tempfile.TemporaryDirectory(prefix="kshot_viz_")))
        refuse_other_tasks(folder, {one.name: one.folder for one in tasks})
        kept, folds = [], known_folds(folder)
        for plan, one in zip(plans, tasks, strict=True):
            made_folder(folder / one.folder)
            more = [folds[one.name]] if one.name in folds else []
            kept.append(stack.enter_context(rows_kept(plan, folder / one.folder, more=more)))
        yield kept


def _comparison(
    plan: ComparisonPlan, tuned: TunedTasks, choices: pd.DataFrame, task: StudyTask
) -> Comparison:
    """Run what was chosen for a task on its test episodes, what was for one episode on that one."""
    import pandas as pd

    settings = joined(*(one.settings for one in tuned.values()))
    choices = pd.concat([one.rows(choices) for one in plan.tasks], ignore_index=True)
    for_all = choices["episode"] == ""
    ran = joined(settings, choices[for_all]).drop_duplicates(SAME, ignore_index=True)
    parts = [plan.test(ran, tuned, full=False)]
    for (shot, name), chosen in choices[~for_all].groupby(["shot", "episode"], sort=False):
        episodes = [one for one in plan.episodes if (one.shot, one.name) == (shot, name)]
        alone, new = replace(plan, episodes=episodes), _new(chosen.drop_duplicates(SAME), ran)
        if len(new):
            parts.append(alone.test(new, tuned, full=False))
    tested = joined(*parts).drop_duplicates([*SAME, "episode"], ignore_index=True)
    ran = joined(ran, choices[~for_all]).drop_duplicates(SAME, ignore_index=True)
    about = plan.manifest("validation") | plan.origin(task.source)
    return comparison_of(plan, tuned, settings, tested, about, ran=ran)


def _new(chosen: pd.DataFrame, ran: pd.DataFrame) -> pd.DataFrame:
    """Return the settings that did not run already, on all episodes."""
    known = set(ran[SAME].itertuples(index=False, name=None))
    return chosen[[one not in known for one in chosen[SAME].itertuples(index=False, name=None)]]
