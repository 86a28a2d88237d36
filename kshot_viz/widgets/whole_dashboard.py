"""The three dashboards of one task under one roof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
from traitlets import Unicode, validate

from kshot_viz.activations import capture_activations
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episode import Episode
from kshot_viz.errors import KShotFileError, unknown_name
from kshot_viz.grouping.cluster import cluster_neurons
from kshot_viz.search.group_search import GroupSearch
from kshot_viz.search.protocols import augmented_support_reward
from kshot_viz.study.compare import compare_methods
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.notes import counted
from kshot_viz.widgets.comparison import KShotComparison
from kshot_viz.widgets.group_explorer import GroupExplorer
from kshot_viz.widgets.monitor import SearchMonitor
from kshot_viz.widgets.parts import Dashboard, Status, button, column, heading, row
from kshot_viz.widgets.threads import Background

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kshot_viz.models.backbone import Backbone

BUDGET = 60
VIEWS = {"groups": "Groups", "search": "Search", "comparison": "k-shot accuracy"}


@dataclass(frozen=True, eq=False)
class Task:
    """What the dashboards are about.

    Attributes
    ----------
    backbone : Backbone
    data : ImageDataset
        Images to be recognised.
    episodes : sequence of Episode
        Test episodes; the first one's support forms the groups that are looked at, where there is
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

    def explorer(self) -> GroupExplorer:
        """Return the dashboard of groups."""
        images = self.support if self.source is None else self.source
        activations = capture_activations(self.backbone, images)
        grouping = cluster_neurons(activations, n_groups=self.n_groups, seed=self.seed)
        return GroupExplorer(
            self.backbone, activations, grouping, images, episodes=self.episodes, data=self.data
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
        """Return the comparison that is kept in the folder, if it is one of this task."""
        try:
            found = Comparison.load(self.folder / "comparison")
        except KShotFileError:
            return None
        about = found.manifest
        same = about["data"]["fingerprint"] == self.data.fingerprint
        return found if same and self._network(about) else None

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
            out=self.folder / "comparison",
            seed=self.seed,
        )
        found.save(self.folder / "comparison")
        return found

    def _network(self, about: Any) -> bool:
        return bool(about["backbone"]["fingerprint"] == self.backbone.fingerprint)


class WholeDashboard(Dashboard):
    """Groups, search and comparison of one task.

    Parameters
    ----------
    task : Task

    Attributes
    ----------
    view : str
        ``"groups"``, ``"search"`` or ``"comparison"``.
    """

    children: Any
    view = Unicode("groups")

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        self.explorer, self.monitor = task.explorer(), task.monitor()
        self.comparison: KShotComparison | None = None
        self._status = Status()
        self._background = Background(self._failed)
        self._button = button(
            "Compare the methods", "Tune and test every method in the background", self.compare
        )
        self._status.idle(
            f"Every method is tuned on images that are never tested on, and tested on the same "
            f"{counted(len(task.episodes), 'episode')}. That takes minutes."
        )
        self._place = column(self._status, row(self._button))
        self._choice = ipywidgets.ToggleButtons(
            options=[(label, name) for name, label in VIEWS.items()],
            style={"button_width": "auto"},
        )
        self._choice.add_class("kv-choose-dashboard")
        ipywidgets.link((self, "view"), (self._choice, "value"))
        title = heading(f"{task.data.name}, {task.backbone.name}")
        self.children = [*self.children, row(title, self._choice), *self._views().values()]
        self.observe(self._turn, names="view")
        self._turn(None)
        known = task.known()
        if known is not None:
            self._show(known)

    def compare(self) -> None:
        """Compare the methods in the background; the dashboard appears when that is done."""
        self._button.disabled = True
        self._status.busy(
            "Comparing. Finished rows are kept: if it is interrupted, it goes on from there."
        )
        self._background.start(self.task.compare, self._show)

    def frame(self) -> pd.DataFrame:
        """Return the numbers of the dashboard that is looked at."""
        return self._front().frame()

    def figure(self) -> Figure:
        """Return the figure of the dashboard that is looked at."""
        return self._front().figure()

    @validate("view")
    def _known_view(self, proposal: Any) -> str:
        if proposal["value"] not in VIEWS:
            raise unknown_name("view", proposal["value"], VIEWS)
        return str(proposal["value"])

    def _views(self) -> dict[str, Any]:
        return {"groups": self.explorer, "search": self.monitor, "comparison": self._place}

    def _front(self) -> Any:
        compared = self.comparison or self.explorer
        return {"search": self.monitor, "comparison": compared}.get(self.view, self.explorer)

    def _turn(self, _: Any) -> None:
        for name, one in self._views().items():
            one.layout.display = "" if name == self.view else "none"

    def _show(self, found: Comparison) -> None:
        self.comparison = KShotComparison(found, data=self.task.data)
        self._place.children = [self.comparison]

    def _failed(self, error: Exception) -> None:
        self._button.disabled = False
        self._status.error(error)
