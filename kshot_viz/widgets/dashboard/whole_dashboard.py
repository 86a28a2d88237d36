"""The three dashboards of one task as one widget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
from traitlets import Unicode, validate

from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.study.comparison import Comparison
from kshot_viz.text import counted
from kshot_viz.widgets.base.background import Background, Ticker
from kshot_viz.widgets.base.parts import Dashboard, Status, button, column, heading, row
from kshot_viz.widgets.comparison.kshot_comparison import KShotComparison
from kshot_viz.widgets.dashboard.task import DashboardTask

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

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
        self.explorer, self.monitor = task.explorer(known), task.monitor()
        self.comparison: KShotComparison | None = None
        self._status = Status()
        self._background = Background(self._failed)
        self._ticker = Ticker(self._show_progress)
        self._button = button(
            "Compare the methods", "Tune and test every method in the background", self.compare
        )
        self._status.idle(
            f"Every method is tuned on images that are never tested on, and tested on the same "
            f"{counted(len(task.episodes), 'episode')}. That takes minutes."
        )
        self._bar = row(self._button)
        self._comparison_box = column(self._status, self._bar)
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
        if known is not None:
            self._show(known)

    def compare(self) -> None:
        """Compare the methods in the background; the dashboard appears when that is done."""
        self._button.disabled = True
        self._ticker.start()
        self._background.start(self.task.compare, self._compared)

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
        return {"groups": self.explorer, "search": self.monitor, "comparison": self._comparison_box}

    def _front(self) -> Any:
        if self.view == "comparison" and self.comparison is None:
            raise KShotValueError("The methods are not compared yet: press the button first.")
        return {"search": self.monitor, "comparison": self.comparison}.get(self.view, self.explorer)

    def _turn(self, _: Any) -> None:
        for name, one in self._views().items():
            one.layout.display = "" if name == self.view else "none"

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
