"""The three dashboards of one task on one page, and the task that they are about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
from traitlets import Unicode, validate

from kshot_viz.activations import capture_activations
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.episodes.episode import Episode, without_queries
from kshot_viz.errors import KShotFileError, KShotValueError, unknown_name
from kshot_viz.grouping.rule import GroupingRule
from kshot_viz.models.inputs.preprocess import text_of
from kshot_viz.records import record_digest
from kshot_viz.search.group_search import GroupSearch
from kshot_viz.search.rewards.protocols import augmented_support_reward
from kshot_viz.study.compare import compare_methods
from kshot_viz.study.comparison import Comparison
from kshot_viz.text import counted, isolated
from kshot_viz.widgets.base.background import Background, Ticker
from kshot_viz.widgets.base.parts import Dashboard, Status, button, column, heading, row
from kshot_viz.widgets.comparison.kshot_comparison import KShotComparison
from kshot_viz.widgets.explorer.group_explorer import GroupExplorer
from kshot_viz.widgets.monitor.search_monitor import SearchMonitor

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

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
    def network(self) -> list[str | None]:
        """What tells the network, and how it sees images, from others."""
        look = text_of(self.backbone.preprocess)
        return [self.backbone.name, self.backbone.fingerprint, look]

    @property
    def kept(self) -> Path:
        """Folder of this task's comparison; another request has another one."""
        request = {
            "data": self.data.fingerprint,
            "network": self.network,
            "episodes": [one.to_dict() for one in self.episodes],
            "source": None if self.source is None else self.source.fingerprint,
            "n_groups": self.n_groups,
            "seed": self.seed,
        }
        digest = record_digest(request, 12)
        return self.folder / f"comparison-{digest}"

    @property
    def forming(self) -> ImageDataset | None:
        """The source images that may form groups: none of them is a query."""
        if self.source is None:
            return None
        return without_queries(self.source, self.data, self.episodes)

    def explorer(self, table: Comparison | None = None) -> GroupExplorer:
        """Return the dashboard of groups, formed and scored as the comparison does it.

        Groups come from the source, or in every episode from its own support; those of the first
        one are shown.
        """
        source = self.forming
        images = self.support if source is None else source
        rule = GroupingRule("support" if source is None else "source", n_groups=self.n_groups)
        return GroupExplorer(
            self.backbone,
            capture_activations(self.backbone, images),
            rule,
            images,
            episodes=self.episodes,
            data=self.data,
            table=table,
            seed=self.seed,
        )

    def monitor(self) -> SearchMonitor:
        """Return the dashboard of a search that is rewarded by varied copies of the k images.

        Where the search runs already, for a page that was opened before, that one is followed.
        """
        reward = augmented_support_reward(self.support, source=self.forming, seed=self.seed)
        storage = self.folder / f"search-{reward.key}-{record_digest(self.network, 8)}.journal"
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

    def compare(self, watch: Callable[[int, int], object] | None = None) -> Comparison:
        """Compare the methods; what is finished is kept if it is interrupted.

        An error that ``watch`` raises interrupts it: see :func:`kshot_viz.compare_methods`.
        """
        found = compare_methods(
            self.backbone,
            self.data,
            self.episodes,
            groups_from="support" if self.source is None else "source",
            n_groups=self.n_groups,
            source=self.forming,
            executor="processes",
            out=self.kept,
            seed=self.seed,
            watch=watch,
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


VIEWS = {"groups": "Groups", "search": "Search", "comparison": "k-shot accuracy"}


class WholeDashboard(Dashboard):
    """Groups, search and comparison of one task.

    Parameters
    ----------
    task : DashboardTask

    Attributes
    ----------
    view : str
        ``"groups"``, ``"search"`` or ``"comparison"``.
    """

    children: Any
    view = Unicode("groups")

    def __init__(self, task: DashboardTask) -> None:
        super().__init__()
        self.task = task
        known = task.known()
        self.explorer = task.explorer(known)
        self.comparison: KShotComparison | None = None
        self._status = Status()
        self._background = Background(self._failed)
        self._ticker = Ticker(self._show_progress)
        self._working = (self._background, self._ticker)
        self._button = button(
            "Compare the methods", "Tune and test every method in the background", self.compare
        )
        self._status.idle(
            f"Every method is tuned on images that are never tested on, and tested on the same "
            f"{counted(len(task.episodes), 'episode')}. That takes minutes."
        )
        self._bar = row(self._button)
        wait = Status()
        wait.busy("The search is being prepared.")
        self._comparison_box, self._search_box = column(self._status, self._bar), column(wait)
        self._choice = ipywidgets.ToggleButtons(
            options=[(label, name) for name, label in VIEWS.items()],
            style={"button_width": "auto"},
        )
        self._choice.add_class("kv-choose-dashboard")
        ipywidgets.link((self, "view"), (self._choice, "value"))
        title = heading(f"{isolated(task.data.name)}, {isolated(task.backbone.name)}")
        self.children = [*self.children, row(title, self._choice), *self._views().values()]
        self.observe(self._turn, names="view")
        self._turn(None)
        if known is not None:
            self._show(known)

    @cached_property
    def monitor(self) -> SearchMonitor:
        """The dashboard of the search.

        It is made when it is first looked at: what its reward imports takes seconds.
        """
        return self.task.monitor()

    def compare(self) -> None:
        """Compare the methods in the background; the dashboard appears when that is done.

        It ends where the dashboard is closed, and what is finished is kept.
        """
        self._button.disabled = True
        self._ticker.start()
        watch = self._background.check
        self._background.start(lambda: self.task.compare(lambda *_: watch()), self._compared)

    def frame(self) -> pd.DataFrame:
        """Return the numbers of the dashboard that is shown."""
        return self._front().frame()

    def figure(self) -> Figure:
        """Return the figure of the dashboard that is shown."""
        return self._front().figure()

    @validate("view")
    def _known_view(self, proposal: Any) -> str:
        if proposal["value"] not in VIEWS:
            raise unknown_name("view", proposal["value"], VIEWS)
        return str(proposal["value"])

    def _views(self) -> dict[str, Any]:
        boxes = (self.explorer, self._search_box, self._comparison_box)
        return dict(zip(VIEWS, boxes, strict=True))

    def _front(self) -> Any:
        if self.view == "comparison" and self.comparison is None:
            raise KShotValueError("The methods are not compared yet: press the button first.")
        if self.view == "search":
            return self.monitor
        return self.explorer if self.view == "groups" else self.comparison

    def _turn(self, _: Any) -> None:
        for name, one in self._views().items():
            one.layout.display = "" if name == self.view else "none"
        if self.view == "search":
            self._search_box.children = [self.monitor]

    def _show_progress(self) -> None:
        """Show the progress of the comparison."""
        self._status.busy(
            f"Comparing: {self.task.progress}. If it is interrupted, it goes on from there."
        )

    def _compared(self, found: Comparison) -> None:
        self._ticker.stop()
        self._show(found)
        self.explorer.use(found)

    def _show(self, found: Comparison) -> None:
        before, self.comparison = self.comparison, KShotComparison(found, data=self.task.data)
        self._button.description, self._button.disabled = "Compare again", False
        self._status.done(f"Kept in {self.task.kept}.")
        self._comparison_box.children = [self._status, self._bar, self.comparison]
        if before is not None:
            before.close()

    def _failed(self, error: Exception) -> None:
        self._ticker.stop()
        self._button.disabled = False
        self._status.error(error)
