"""The task of a whole dashboard: network, images and episodes, and the parts made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kshot_viz.activations import capture_activations
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotFileError
from kshot_viz.grouping.clustering.cluster import cluster_neurons
from kshot_viz.records import record_digest
from kshot_viz.search.group_search import GroupSearch
from kshot_viz.search.rewards.protocols import augmented_support_reward
from kshot_viz.study.compare import compare_methods
from kshot_viz.study.comparison import Comparison
from kshot_viz.text import counted
from kshot_viz.widgets.explorer.group_explorer import GroupExplorer
from kshot_viz.widgets.monitor.search_monitor import SearchMonitor

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone

BUDGET = 60


@dataclass(frozen=True, eq=False)
class DashboardTask:
    """Network, images and episodes of the dashboards.

    Attributes
    ----------
    backbone : Backbone
    data : ImageDataset
        Images to be recognised.
    episodes : sequence of Episode
        Test episodes; the first one's support forms the groups that are shown, where there is
        no ``source``, and rewards the search.
    source : ImageDataset or None
        Images that form the groups.
    n_groups : float or int
    folder : Path
        Where rows and journals are kept.
    seed : int
    """

    backbone: Backbone
    data: ImageDataset
    episodes: Sequence[Episode]
    source: ImageDataset | None
    n_groups: float | int
    folder: Path
    seed: int

    @property
    def support(self) -> ImageDataset:
        """The k images of each class of the first episode."""
        return self.episodes[0].split(self.data)[0]

    @property
    def kept(self) -> Path:
        """Folder of this task's comparison; another request has another one."""
        request = {
            "data": self.data.fingerprint,
            "network": [self.backbone.name, self.backbone.fingerprint],
            "episodes": [one.to_dict() for one in self.episodes],
            "source": None if self.source is None else self.source.fingerprint,
            "n_groups": self.n_groups,
            "seed": self.seed,
        }
        digest = record_digest(request, 12)
        return self.folder / f"comparison-{digest}"

    def explorer(self, table: Comparison | None = None) -> GroupExplorer:
        """Return the dashboard of groups, which are scored at a comparison's chosen setting."""
        images = self.support if self.source is None else self.source
        activations = capture_activations(self.backbone, images)
        grouping = cluster_neurons(activations, n_groups=self.n_groups, seed=self.seed)
        return GroupExplorer(
            self.backbone,
            activations,
            grouping,
            images,
            episodes=self.episodes,
            data=self.data,
            table=table,
        )

    def monitor(self) -> SearchMonitor:
        """Return the dashboard of a search that is rewarded by varied copies of the k images.

        Where the search runs already, for a page that was opened before, that one is followed.
        """
        reward = augmented_support_reward(self.support, source=self.source, seed=self.seed)
        storage = self.folder / f"search-{reward.key}-{self.backbone.fingerprint[:8]}.journal"
        search = GroupSearch(self.backbone, reward, budget=BUDGET, storage=storage, seed=self.seed)
        try:
            elsewhere = GroupSearch.attach(storage)
        except KShotFileError:
            return SearchMonitor(search)
        return SearchMonitor(elsewhere if elsewhere.state in ("running", "paused") else search)

    def known(self) -> Comparison | None:
        """Return the comparison of this very task, if it is kept in the folder."""
        try:
            return Comparison.load(self.kept)
        except KShotFileError:
            return None

    def compare(self) -> Comparison:
        """Compare the methods; what is finished is kept if it is interrupted."""
        found = compare_methods(
            self.backbone,
            self.data,
            self.episodes,
            groups_from="support" if self.source is None else "source",
            n_groups=self.n_groups,
            source=self.source,
            executor="processes",
            out=self.kept,
            seed=self.seed,
        )
        found.save(self.kept)
        return found

    @property
    def progress(self) -> str:
        """How much of the comparison is finished and kept, in words."""
        try:
            done = (self.kept / "rows.jsonl").read_bytes().count(b"\n")
        except OSError:
            done = 0
        return f"{counted(done, 'part')} finished and kept"
