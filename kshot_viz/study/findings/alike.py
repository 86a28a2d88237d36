"""Which neurons share a group: whether they behave alike, layer by layer, on images of no group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.activations import capture_activations
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.finetune.gradients import neuron_gradients
from kshot_viz.grouping.clustering.cluster_cache import ClusteringCache
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.grouping.likeness import Likeness, cosines, likeness
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.seeds import numpy_rng
from kshot_viz.stats import holm
from kshot_viz.study.task import TASK, Task
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd

    from kshot_viz.models.backbone import Backbone

MEASURES = ("activations", "gradients")
ALIKE = [*TASK, "method", "measure", "layer", "neurons", "groups", "within", "between"]
ALIKE += ["shuffled", "shuffled_low", "shuffled_high", "n", "p_value", "p_holm"]
# The first test episodes of a task, the queries of each and the neurons of a layer that are looked
# at: this takes about as long as two runs an episode.
EPISODES, IMAGES, NEURONS = 3, 64, 512
DRAWS = 999

Found = tuple[int, int, Likeness | None]


def nothing_alike() -> pd.DataFrame:
    """Return the table without any row."""
    import pandas as pd

    return pd.DataFrame(columns=ALIKE)


@one_thread()
def alike(
    backbone: Backbone,
    data: ImageDataset,
    episodes: Iterable[Episode],
    tasks: Iterable[Task],
    rivals: Sequence[Candidate],
    *,
    seed: int,
) -> pd.DataFrame:
    """Measure how alike the neurons of the groups are in the first test episodes of each task.

    Parameters
    ----------
    backbone : Backbone
    data : ImageDataset
    episodes : iterable of Episode
        Test episodes.
    tasks : iterable of Task
    rivals : sequence of Candidate
        Those that share nothing, and groups with shuffled members, are left out.
    seed : int

    Returns
    -------
    DataFrame
        The task, ``method, measure, layer, neurons, groups, within, between, shuffled,
        shuffled_low, shuffled_high, n, p_value, p_holm``. ``measure`` is ``"activations"`` (the
        correlation of two neurons) or ``"gradients"`` (the cosine of their gradients), both on
        query images, which formed no group. ``within`` is the mean over pairs of neurons of one
        group, ``between`` of two groups, ``shuffled`` that within groups of the same sizes with
        random members, with the range of 95 % of the draws; all are means over ``n`` episodes.
        ``p_value`` is the share of draws that are as alike as the groups, ``p_holm`` adjusted for
        the number of layers. Dead neurons' own group is left out.
    """
    import pandas as pd

    shown = [one for one in rivals if _has_groups(one)]
    rows: list[dict[str, Any]] = []
    for task in tasks if shown else ():
        some = [EpisodeNeurons(backbone, data, e, seed) for e in task.episodes(episodes)[:EPISODES]]
        for one in shown:
            rows += [{**asdict(task), **row} for row in _rows(one, some)]
    return pd.DataFrame(rows, columns=ALIKE)


@dataclass(frozen=True, eq=False)
class EpisodeNeurons:
    """The neurons of a network in one episode, described on its query images."""

    backbone: Backbone
    data: ImageDataset
    episode: Episode
    seed: int

    @cached_property
    def images(self) -> tuple[ImageDataset, ImageDataset]:
        """The support, and some of the queries."""
        support, query = self.episode.split(self.data)
        n = min(len(query), IMAGES)
        return support, query.take(np.linspace(0, len(query) - 1, n).astype(int))

    @cached_property
    def similarities(self) -> Mapping[str, Mapping[str, NDArray[np.float64]]]:
        """Similarity of the neurons of each layer, by measure; of a wide layer, of some."""
        captured = capture_activations(self.backbone, self.images[1])
        gradients = neuron_gradients(self.backbone, self.images[1])
        found: dict[str, dict[str, NDArray[np.float64]]] = {one: {} for one in MEASURES}
        for layer, rows in gradients.items():
            some = sampled(len(rows))
            whole = captured.layer(layer).correlation()
            found["activations"][layer] = whole[np.ix_(some, some)]
            found["gradients"][layer] = cosines(rows[some])
        return found

    @cached_property
    def _clustered(self) -> ClusteringCache:
        """Clustered layers of the support, as every candidate finds them in this episode."""
        return GroupingRule.clustering_cache(
            self.backbone, self.images[0], self.seed, self.episode.name
        )

    def grouping(self, rule: Grouping | GroupingRule) -> Grouping:
        """Return a candidate's groups in this episode."""
        if isinstance(rule, Grouping):
            return rule
        return rule.in_episode(
            self.backbone,
            self.images[0],
            name=self.episode.name,
            seed=self.seed,
            cache=self._clustered,
        )

    def found(self, grouping: Grouping, measure: str, layer: str) -> Found:
        """Return the numbers of neurons and groups of a layer, and how alike they are."""
        labels, similarity = grouping[layer], self.similarities[measure][layer]
        some = sampled(len(labels))
        live = labels[some] != grouping.dead_group(layer)
        rng = numpy_rng(self.seed, "alike", self.episode.name, measure, layer)
        part = similarity[np.ix_(live, live)]
        known = likeness(part, labels[some][live], draws=DRAWS, rng=rng) if live.any() else None
        return len(labels), grouping.n_groups(layer), known


def sampled(width: int) -> NDArray[np.int64]:
    """Return all neurons of a layer, or evenly spaced ones of a wide one."""
    return np.arange(min(NEURONS, width)) * width // min(NEURONS, width)


def _has_groups(candidate: Candidate) -> bool:
    rule = candidate.grouping
    shuffled = isinstance(rule, GroupingRule) and rule.shuffled
    return rule is not None and not shuffled and not candidate.method.null_of


def _rows(candidate: Candidate, episodes: Sequence[EpisodeNeurons]) -> Iterator[dict[str, Any]]:
    assert candidate.grouping is not None
    groups = [one.grouping(candidate.grouping) for one in episodes]
    for measure in MEASURES:
        rows = [
            {"method": candidate.name, "measure": measure, "layer": layer}
            | _pooled(
                [
                    one.found(made, measure, layer)
                    for one, made in zip(episodes, groups, strict=True)
                ]
            )
            for layer in groups[0]
            if layer in episodes[0].similarities[measure]
        ]
        adjusted = holm([row["p_value"] for row in rows])
        yield from ({**row, "p_holm": p} for row, p in zip(rows, adjusted, strict=True))


def _pooled(found: Sequence[Found]) -> dict[str, Any]:
    """Return the means over episodes, and where they lie among those of shuffled groups."""
    known = [one for _, _, one in found if one is not None]
    about: dict[str, Any] = {
        "neurons": found[0][0],
        "groups": float(np.mean([groups for _, groups, _ in found])),
        "n": len(known),
    }
    numbers = ("within", "between", "shuffled", "shuffled_low", "shuffled_high", "p_value")
    if not known:
        return about | dict.fromkeys(numbers, float("nan"))
    within = float(np.mean([one.within for one in known]))
    drawn = np.mean([one.shuffled for one in known], axis=0)
    low, high = np.quantile(drawn, (0.025, 0.975))
    values = (
        within,
        float(np.mean([one.between for one in known])),
        float(drawn.mean()),
        float(low),
        float(high),
        # Sums in another order: what differs by rounding alone is as alike.
        float((1 + (drawn >= within - 1e-12).sum()) / (1 + len(drawn))),
    )
    return about | dict(zip(numbers, values, strict=True))
