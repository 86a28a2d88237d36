"""Alignment, gradients, similarity to the start and accuracy along fine-tuning runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from kshot_viz.analysis.alignment.moments import KINDS
from kshot_viz.analysis.dynamics.course import NETWORK_MEASURES, Course
from kshot_viz.analysis.dynamics.findings import dynamics_findings
from kshot_viz.analysis.dynamics.state import KEPT, LAYER_MEASURES, How
from kshot_viz.checks import checked, instance, names, optional, text, whole
from kshot_viz.data.arrays import label_row, labels_of
from kshot_viz.data.images import filled_count
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.loop import formed_groups
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.models.inputs.support import prepare_support
from kshot_viz.study.rivals import rivals_of
from kshot_viz.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.methods.base import Method

MEASURES = (*NETWORK_MEASURES, *LAYER_MEASURES)
COLUMNS = ("method", "step", "layer", "measure", "value", "untrained", "null")
_USUAL = (0, 1, 2, 5, 10, 20, 40, 100, 200, 400, 1000)


@dataclass(frozen=True, eq=False)
class FinetuneDynamics:
    """What :func:`finetune_dynamics` measured so far.

    Attributes
    ----------
    network : str
    kind : str
        Of the moments.
    images : int
        How many are measured on.
    steps : tuple of int
        Those to measure at.
    planned : int
        How many pairs of method and step there will be; no run is measured beyond its last step.
    head : str
        The module that is the head.
    status : mapping of str to str
        "not started", "running", "completed", "measured to step N of M" or "diverged at step N",
        by method.
    left_out : mapping of str to str
        Layers, or "energy kept", that are not measured, and why.
    """

    network: str
    kind: str
    images: int
    steps: tuple[int, ...]
    planned: int
    head: str
    status: Mapping[str, str]
    left_out: Mapping[str, str]
    _rows: tuple[tuple[Any, ...], ...]

    def frame(self) -> pd.DataFrame:
        """Return one row for each method, step, layer and measure.

        Returns
        -------
        DataFrame
            ``method, step, layer`` ("" for the whole network), ``measure``, ``value``; the same of
            an ``untrained`` copy, and its ``null``, what it would be by chance.
        """
        import pandas as pd

        return pd.DataFrame(self._rows, columns=list(COLUMNS))

    def findings(self) -> list[str]:
        """Return what the runs showed, one paragraph a method, made from the numbers."""
        return dynamics_findings(self)

    @property
    def layers(self) -> list[str]:
        """The layers that were measured, in the order in which they run."""
        return [name for name in dict.fromkeys(row[2] for row in self._rows) if name]

    @property
    def steps_measured(self) -> int:
        """How many pairs of method and step were measured."""
        return len({row[:2] for row in self._rows})

    def __repr__(self) -> str:
        done = ", ".join(f"{name} {status}" for name, status in self.status.items())
        return f"FinetuneDynamics of {self.network}: {counted(len(self.steps), 'step')}; {done}"


def finetune_dynamics(
    backbone: Backbone,
    support: Any,
    *,
    images: Any,
    labels: Any = None,
    methods: Sequence[str | Method | Candidate] = ("plain", "grouped"),
    grouping: Grouping | GroupingRule | None = None,
    config: FinetuneConfig | None = None,
    at: Sequence[int] | None = None,
    layers: Sequence[str] | None = None,
    kind: str = "normalised",
    positions: int = 16,
    draws: int = 4,
    seed: int = 0,
) -> FinetuneDynamics:
    """Measure what happens inside a network at some steps of fine-tuning, for several methods.

    Each run is that of :func:`kshot_viz.finetune`: same method, settings and seed, same network.

    Parameters
    ----------
    backbone : Backbone
    support : object with ``images`` and ``labels``, or a pair (images, labels)
    images, labels
        What is measured on, of classes of the support; best other images than those. A data set
        has its own labels.
    methods : sequence of str, Method or Candidate
        A candidate has settings and groups of its own.
    grouping : Grouping or GroupingRule, optional
        Of methods that share gradients, and of "energy kept"; formed by the support by default.
        Where only "energy kept" needs groups and none can be formed, it is left out.
    config : FinetuneConfig, optional
        Of methods that are given by name.
    at : sequence of int, optional
        Steps taken when it is measured, 0 (the start) to the steps of the longest run; by default
        0, 1, 2, 5, 10, 20, 40 and so on, and the last of each run. A shorter run ends earlier.
    layers : sequence of str, optional
        Linear layers and convolutions; as in :func:`kshot_viz.analysis.alignment`.
    kind : {"normalised", "raw"}
        Of the relations, as in :meth:`kshot_viz.analysis.alignment`.
    positions : int
        Of a feature map, used of each image for the relations.
    draws : int
        Random draws behind each null.
    seed : int
        Of the runs and of what is drawn.

    Returns
    -------
    FinetuneDynamics
        Its measures are, for the network, ``accuracy`` (of ``images``), ``support accuracy`` and
        ``loss``, with chance as null; for each layer

        - the six relations of alignment, ``b-RGA`` to ``f-GWA``; null: one matrix rotated;
        - ``gradient agreement``, the squared norm of the mean gradient over the mean squared norm
          of the gradients of the support's images; null: orthogonal gradients, 1 / images;
        - ``energy kept``, the share of the squared norm of the support's gradient that is left
          when each group has its mean; null: random groups of the same sizes;
        - ``CKA to the start``, of the images' outputs; null: images in another order.

    Raises
    ------
    KShotKeyError
        For an unknown method, layer or kind.
    KShotValueError
        For steps that a run does not pass, labels that are no classes of the support, and whatever
        :func:`kshot_viz.finetune` refuses.

    Notes
    -----
    A head that starts at zero gives the layers below it no gradient at step 0: what is made of
    gradients is NaN there, and so is the head's own CKA to its start. Gradients are those of the
    cross-entropy, also where a method minimises more than that. Layers that a method wraps or adds
    have the names they have in the tuned network; W is the weight of the named layer alone.
    """
    steps = dynamics_steps(
        backbone, support, images, labels, methods, grouping, config, at, layers, kind, positions,
        draws, seed,
    )  # fmt: skip
    return deque(steps, maxlen=1).pop()


@checked(
    backbone=BACKBONE,
    grouping=optional(instance(Grouping, GroupingRule)),
    config=optional(instance(FinetuneConfig)),
    layers=optional(names),
    kind=text,
    positions=whole(1),
    draws=whole(1),
    seed=whole(0),
)
def dynamics_steps(
    backbone: Backbone,
    support: Any,
    images: Any,
    labels: Any,
    methods: Sequence[str | Method | Candidate],
    grouping: Grouping | GroupingRule | None,
    config: FinetuneConfig | None,
    at: Sequence[int] | None,
    layers: Sequence[str] | None,
    kind: str,
    positions: int,
    draws: int,
    seed: int,
) -> Iterator[FinetuneDynamics]:
    """Yield what :func:`finetune_dynamics` returns as it grows, first without any row.

    Wrong arguments are refused at once, not with the first value.
    """
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    known = label_row(labels_of(images, labels))
    if len(known) != filled_count(images):
        raise KShotValueError("`labels` must be one for each image, or a data set given alone.")
    rule = GroupingRule(given=grouping) if isinstance(grouping, Grouping) else grouping
    rivals = rivals_of(methods, rule or GroupingRule(), config or FinetuneConfig())
    form = partial(formed_groups, backbone=backbone, support=support, seed=seed)
    own = [form(one.grouping) for one in rivals]
    shared, left_out = _shared(rule, form)
    prepared, how = prepare_support(backbone, support), How(kind, positions, draws, seed)
    courses = [
        Course(backbone, prepared, one, groups, shared, (images, known), layers, how)
        for one, groups in zip(rivals, own, strict=True)
    ]
    wanted = _steps(at, [one.steps for one in courses])
    planned = sum(step <= one.steps for one in courses for step in wanted)
    count, head = len(known), courses[0].head
    start = FinetuneDynamics(backbone.name, kind, count, wanted, planned, head, {}, left_out, ())
    return _growing(start, courses)


def _growing(start: FinetuneDynamics, courses: Sequence[Course]) -> Iterator[FinetuneDynamics]:
    """Take all courses from step to step, side by side."""
    rows: tuple[tuple[Any, ...], ...] = ()
    yield _so_far(start, courses, rows)
    for step in start.steps:
        for one in courses:
            measured = one.until(step)
            if step == start.steps[-1]:
                one.finish()
            rows += tuple((one.name, step, *row) for row in measured)
            if measured or step == start.steps[-1]:
                yield _so_far(start, courses, rows)


def _so_far(
    start: FinetuneDynamics, courses: Sequence[Course], rows: tuple[tuple[Any, ...], ...]
) -> FinetuneDynamics:
    left_out = dict(start.left_out)
    for one in courses:
        left_out |= one.left_out
    status = {one.name: one.status for one in courses}
    return replace(start, status=status, left_out=left_out, _rows=rows)


def _shared(
    rule: GroupingRule | None, form: Callable[[GroupingRule], Grouping | None]
) -> tuple[Grouping | None, dict[str, str]]:
    """Return the groups that "energy kept" is about, or why there are none."""
    try:
        return form(rule or GroupingRule()), {}
    except KShotValueError as error:
        if rule is not None:
            raise
        return None, {KEPT: str(error)}


def _steps(at: Sequence[int] | None, lasts: Sequence[int]) -> tuple[int, ...]:
    """Return the steps to stop at, ascending."""
    last = max(lasts)
    if at is None:
        return tuple(sorted({one for one in _USUAL if one < last} | set(lasts)))
    try:
        found = sorted({int(one) for one in at})
        fine = bool(found) and all(one == int(one) for one in at)
    except (TypeError, ValueError, OverflowError):
        found, fine = [], False
    if not fine or found[0] < 0 or found[-1] > last:
        raise KShotValueError(
            f"`at` must be steps from 0 to {last}, those of the longest run; not {at!r}."
        )
    return tuple(found)
