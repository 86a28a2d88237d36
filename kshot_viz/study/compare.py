"""Compare methods on the same episodes, each at its own best setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.checks import checked, flag, instance, number, optional, several, text, whole
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotValueError
from kshot_viz.evaluate.evaluate import all_of
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.base import Method
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.registry import FIRST
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.files.kept_rows import rows_kept
from kshot_viz.study.manifest import run_info
from kshot_viz.study.plan import ComparisonPlan, TunedTasks
from kshot_viz.study.rivals import applicable, ready_made, rivals_of
from kshot_viz.study.settings.choice import METHOD, SETTING, known_rule
from kshot_viz.study.settings.grid import TuningGrid
from kshot_viz.study.tables import joined
from kshot_viz.study.task import tuning_episodes
from kshot_viz.study.timing import budget_record, left_out, told
from kshot_viz.trackers.callback import Callback, callbacks_rule
from kshot_viz.trackers.session import Forward, session

if TYPE_CHECKING:
    import pandas as pd


@checked(
    backbone=BACKBONE,
    data=instance(ImageDataset),
    episodes=several,
    groups_from=text,
    tune=optional(text),
    grid=optional(instance(TuningGrid)),
    choose=text,
    executor=text,
    rule=optional(instance(GroupingRule)),
    config=optional(instance(FinetuneConfig)),
    race=flag,
    full=flag,
    workers=optional(whole(1)),
    budget_minutes=optional(number(0, above=True)),
    seed=whole(0),
    progress=flag,
    callbacks=callbacks_rule,
)
def compare_methods(
    backbone: Backbone,
    data: ImageDataset,
    episodes: Sequence[Episode],
    *,
    methods: Sequence[str | Method | Candidate] = FIRST,
    groups_from: str = "support",
    n_groups: Any = 0.1,
    rule: GroupingRule | None = None,
    source: Any = None,
    tune: str | None = "validation",
    n_val: int = 6,
    grid: TuningGrid | None = None,
    choose: str = "guarded",
    race: bool = True,
    config: FinetuneConfig | None = None,
    full: bool = False,
    executor: str = "serial",
    workers: int | None = None,
    device: str | None = None,
    out: str | Path | None = None,
    budget_minutes: float | None = None,
    seed: int = 0,
    progress: bool = False,
    watch: Callable[[int, int], object] | None = None,
    callbacks: Sequence[Callback] = (),
) -> Comparison:
    """Tune every method on validation episodes, then run all of them on the same test episodes.

    Parameters
    ----------
    backbone : Backbone
    data : ImageDataset
    episodes : sequence of Episode
        Test episodes; several shots may be mixed, each is tuned on its own.
    methods : sequence of str, Method or Candidate
        Names of :func:`kshot_viz.list_methods`, method objects, or candidates (a searched
        grouping, say), whose settings are tuned alike, with their own step sizes among those tried.
        By default ``head_only, last_block, plain, grouped, shuffled, weight_groups``.
    groups_from : {"support", "source", "weights", "gradients"}
        What forms the groups of methods that share gradients: see :class:`GroupingRule`.
    n_groups : float, int or mapping
        As in :func:`kshot_viz.cluster_neurons`.
    rule : GroupingRule, optional
        Everything about forming groups, instead of the two above.
    source : image batch or ImageDataset, optional
        Images for ``groups_from="source"``; with ``tune="source"`` also the labelled set that
        tuning episodes are drawn from.
    tune : {"validation", "source", None}
        Where step size and steps are chosen: on the data's validation pool (the number of labels
        that took is in the table), on episodes of ``source`` (no target labels), or not at all.
    n_val : int
        Tuning episodes a shot.
    grid : TuningGrid, optional
        What is tried; it grows where the step size at its edge is clearly best.
    choose : {"guarded", "best"}
        How a setting is taken from the accuracies on the tuning episodes: see
        :func:`kshot_viz.study.settings.choice.choose`; :meth:`Comparison.choices` shows both.
    race : bool
        Stop settings that are clearly behind after some tuning episodes; rows tell which.
    config : FinetuneConfig, optional
        Everything that is not tuned.
    full : bool
        Run the whole grid on the test episodes too, not only the chosen settings.
    executor, workers, device
        As in :func:`kshot_viz.evaluate`.
    out : path, optional
        Folder that keeps finished rows; the same call goes on from there after an interrupt. In the
        end it holds the comparison: see :meth:`Comparison.load`; a copy of that can be gone on from
        as well.
    budget_minutes : float, optional
        Take fewer episodes and step sizes where the first episode of each task tells that the whole
        would take longer; the table says what was left out, and whether the least does not fit.
    seed : int
    progress : bool
        Say how long the whole will take, and show progress bars.
    watch : callable, optional
        As in :func:`kshot_viz.evaluate`, for the runs of each part: an error that it raises ends
        the call as an interrupt does, and ``out`` keeps the finished rows.
    callbacks : sequence of Callback
        Told of rows as they finish, tuning episodes (pool ``val``) first: see
        :class:`kshot_viz.trackers.Callback`.

    Returns
    -------
    Comparison

    Raises
    ------
    KShotValueError
        For episodes of other data, a source image among the queries, too small pools, or methods of
        which none can be used on the network.
    KShotFileError
        If ``out`` holds a saved comparison that was changed or damaged, and no store beside it.
    """
    plan = comparison_plan(
        backbone,
        data,
        episodes,
        methods=methods,
        groups=rule or GroupingRule(groups_from=groups_from, n_groups=n_groups),
        source=source,
        tune=tune,
        n_val=n_val,
        grid=grid,
        choose=choose,
        race=race,
        config=config,
        options={"executor": executor, "workers": workers, "device": device, "seed": seed},
        progress=progress,
        watch=watch,
    )
    plan = plan.bound(source)
    with session(callbacks, run_info(plan, tune)) as heard, rows_kept(plan, out) as plan:
        plan = replace(plan, callbacks=(Forward(heard),) if heard else ())
        plan, about = _timed(plan, budget_minutes, full=full)
        # First: what cannot be measured is told before hours of runs, not after them.
        alike = plan.alike()
        tuned = plan.tune()
        settings = joined(*(one.settings for one in tuned.values())) if tuned else plan.untuned()
        tested = plan.test(settings, tuned, full)
        about = plan.manifest(tune) | plan.origin(source) | about
        found = replace(comparison_of(plan, tuned, settings, tested, about), alike=alike)
        if out is not None:
            found.save(out)
        return heard.finish(found)


def comparison_plan(
    backbone: Backbone,
    data: ImageDataset,
    episodes: Sequence[Episode],
    *,
    methods: Sequence[str | Method | Candidate],
    groups: GroupingRule,
    source: Any,
    options: dict[str, Any],
    tune: str | None = "validation",
    n_val: int = 6,
    grid: TuningGrid | None = None,
    choose: str = "guarded",
    race: bool = True,
    config: FinetuneConfig | None = None,
    progress: bool = False,
    watch: Callable[[int, int], object] | None = None,
) -> ComparisonPlan:
    """Return what :func:`compare_methods` is about to do, before groups are formed."""
    episodes = all_of("episodes", episodes, Episode)
    rivals, unfit = applicable(rivals_of(methods, groups, config or FinetuneConfig()), backbone)
    return ComparisonPlan(
        backbone=backbone,
        data=data,
        episodes=list(episodes),
        rivals=rivals,
        unfit=unfit,
        ready=ready_made(methods),
        grid=_measured(grid or TuningGrid(), rivals, backbone, data, episodes),
        tuning=tuning_episodes(data, episodes, source=source, tune=tune, n_val=n_val),
        choose=known_rule(choose),
        race=race,
        options=options,
        progress=progress,
        watch=watch,
    )


def _measured(
    grid: TuningGrid,
    rivals: Sequence[Candidate],
    backbone: Backbone,
    data: ImageDataset,
    episodes: Sequence[Episode],
) -> TuningGrid:
    """Measure features on the first support: images that are at hand in every regime of labels."""
    if grid.feature_steps and any(one.config.optimizer != "sgd" for one in rivals):
        raise KShotValueError(
            "`feature_steps` of the grid are for the optimizer 'sgd', whose steps grow with the "
            "features; give `head_lrs` and `head_only_lrs` for others."
        )
    first = next((one for one in episodes if one.shot), None)
    return grid if first is None else grid.measured(backbone, first.split(data)[0])


def comparison_of(
    plan: ComparisonPlan,
    tuned: TunedTasks,
    settings: pd.DataFrame,
    tested: pd.DataFrame,
    about: dict[str, Any],
    *,
    ran: pd.DataFrame | None = None,
) -> Comparison:
    """Return the comparison that a plan's tuning and test rows make.

    ``ran`` are the settings of the test rows, where these have more than the chosen ones.
    """
    return Comparison(
        frame=_frame([*(one.rows for one in tuned.values()), tested], settings),
        settings=settings,
        manifest=about,
        candidates=plan.tried(settings if ran is None else ran, tuned),
        episodes=plan.keyed(),
        backbone=plan.backbone,
        data=plan.data,
        tuning_data=plan.tuning.data,
    )


def _timed(
    plan: ComparisonPlan, minutes: float | None, *, full: bool
) -> tuple[ComparisonPlan, dict[str, Any]]:
    """Return the plan that fits into so many minutes; tell how long it takes, and what is left out.

    Where nobody asked for either, nothing is measured.
    """
    if not plan.progress and minutes is None:
        return plan, {}
    begun, timing, asked = plan.begun, replace(plan.measure(), full=full), plan.sizes
    sizes = asked if minutes is None else timing.fit(asked, 60 * minutes)
    omitted, whole = left_out(asked, sizes), timing.whole(sizes)
    fits = minutes is None or whole <= 60 * minutes
    if plan.progress:
        from tqdm.auto import tqdm

        grows = plan.grid.extend > 0
        tqdm.write(told(timing, sizes, grows=grows, omitted=omitted, fits=fits, begun=begun))
    about = budget_record(whole, minutes, omitted, fits=fits)
    return plan.within(sizes) if omitted else plan, about


def _frame(parts: Sequence[pd.DataFrame], settings: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    rows = joined(*parts)
    rows["stopped"] = rows["stopped"].eq(True) if "stopped" in rows else False
    by = [*METHOD, *SETTING]
    chosen = pd.MultiIndex.from_frame(settings[by])
    rows["chosen"] = pd.MultiIndex.from_frame(rows[by]).isin(chosen)
    return rows
