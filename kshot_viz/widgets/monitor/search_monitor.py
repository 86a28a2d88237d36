"""Dashboard to watch, pause and stop a search, in this process or another."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
from traitlets import Float, Int, Unicode, validate

from kshot_viz.search.group_search import GroupSearch
from kshot_viz.search.search_view import open_search
from kshot_viz.viz.report.html import frame_html
from kshot_viz.viz.search.policy import CHOICE_LABELS
from kshot_viz.viz.search.search_view import VIEWS, SearchPicture, choices, progress_text
from kshot_viz.widgets.base.background import Background, Redraw
from kshot_viz.widgets.base.parts import Dashboard, Picture, Status, button, column, heading, row
from kshot_viz.widgets.explorer.found_groups import explorer_of, with_own_network
from kshot_viz.widgets.monitor.search_controls import SearchControls, begin_listening, spent, title

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kshot_viz.search.result import SearchResult
    from kshot_viz.search.search_view import SearchView
    from kshot_viz.widgets.explorer.group_explorer import GroupExplorer

# Seconds between drawings: two pictures take much of that, and the search needs the machine too.
EVERY = 1.0
_TRIALS_SHOWN = 60


class SearchMonitor(Dashboard):
    """The curve of a search, what its controller prefers, its trials, and its best grouping so far.

    Parameters
    ----------
    group_search : GroupSearch, SearchView, str or Path
        A search of this kernel, started by the button or by :meth:`start`; or the address of the
        storage of one that runs, or ran, anywhere.
    random : SearchResult, DataFrame, sequence of them, or SamplerComparison, optional
        Random search of the same space, drawn beside the curve: one as a line, several as a band.

    Attributes
    ----------
    view : str
        ``"policy"``, ``"entropy"``, ``"chosen"`` or ``"trials"``: what is drawn beside the curve.
    choice : str
        Which choice of a layer the policy is shown for.
    state : str
        As of the search; ``"died"`` where nobody works at it any more.
    rollouts : int
    spent : float
        In full evaluations.

    Raises
    ------
    KShotFileError
        If there is no search in the storage.
    """

    view = Unicode("policy")
    choice = Unicode()
    state = Unicode("new", read_only=True)
    rollouts = Int(0, read_only=True)
    spent = Float(0.0, read_only=True)
    children: Any
    _followed: Any = None

    def __init__(
        self, group_search: GroupSearch | SearchView | str | Path, *, random: Any = None
    ) -> None:
        self._closed = threading.Event()
        self._followed = open_search(group_search)
        self._random = random
        self._found: SearchResult = self._followed.result
        super().__init__(choice=SearchPicture(self._found).choice)
        self.controls = SearchControls(self._do)
        self._make_parts()
        self.children = [*self.children, *self._arranged()]
        self._lost = False
        self._redraw = Redraw(self._draw, self._failed, every=EVERY)
        self._opening = Background(self._trouble.error)
        self._working = (self._opening,)
        self.observe(lambda _: self._redraw.ask(), names=["view", "choice"])
        self._draw()
        self._listener = begin_listening(weakref.ref(self), self._followed, self._closed)

    # -- actions -----------------------------------------------------------------------------

    def start(self) -> None:
        """Start the search in the background, or let it go on.

        Raises
        ------
        KShotError
            As the methods below, where the search is in no state for it.
        """
        self._request("start")

    def pause(self) -> None:
        """Pause after the batch that runs now."""
        self._request("pause")

    def resume(self) -> None:
        """Go on after a pause."""
        self._request("resume")

    def stop(self) -> None:
        """End after the batch that runs now."""
        self._request("stop")

    # -- what it shows -----------------------------------------------------------------------

    @property
    def result(self) -> SearchResult:
        """What was found so far."""
        found: SearchResult = self._followed.result
        return found

    def frame(self) -> pd.DataFrame:
        """Return one row a rollout."""
        return self.result.history

    def figure(self) -> Figure:
        """Return the curve as a new figure."""
        return self._pictured(self.result).curve()

    def explorer(self) -> GroupExplorer:
        """Return the best grouping so far in a dashboard, scored on the search's tasks.

        Raises
        ------
        KShotValueError
            If there is no finished rollout, the search was attached by its storage, or its best
            point groups nothing.
        """
        return explorer_of(with_own_network(self.result))

    def __repr__(self) -> str:
        return f"SearchMonitor, {self.state}: {self._found!r}"

    def close(self) -> None:
        """Follow the search no longer; the search itself is left alone."""
        # One whose construction failed is closed too, when deleted: it follows nothing.
        if self._followed is not None:
            self._closed.set()
        super().close()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last news is drawn; return whether it is."""
        return self._redraw.wait(timeout)

    def notify(self, *, news: bool, trouble: Exception | None) -> bool:
        """Redraw where there is news, or show the error; return whether all so far is drawn."""
        if trouble is not None:
            self._failed(trouble)
        elif news or self._lost:
            self._redraw.ask()
        return not self._lost and self._redraw.wait(0)

    # -- inside ------------------------------------------------------------------------------

    @validate("view", "choice")
    def _known_only(self, proposal: Any) -> str:
        SearchPicture(self._found, **{proposal["trait"].name: proposal["value"]})
        return str(proposal["value"])

    def _pictured(self, found: SearchResult) -> SearchPicture:
        return SearchPicture(found, self.view, self.choice, self._random)

    def _request(self, action: str) -> None:
        try:
            self._followed.request(action)
        finally:
            self._redraw.ask()

    def _do(self, action: str) -> None:
        self._trouble.idle()
        try:
            self._request(action)
        except Exception as error:
            self._trouble.error(error)

    def _open(self) -> None:
        self._trouble.idle()
        try:
            found = with_own_network(self.result)
        except Exception as error:
            self._trouble.error(error)
        else:
            self._trouble.busy("Forming the best groups, and reading how their neurons respond")
            self._opening.start(lambda: explorer_of(found), self._show_explorer)

    def _show_explorer(self, made: GroupExplorer) -> None:
        self._trouble.idle()
        before, self._opened.children = self._opened.children, [made]
        for one in before:
            one.close()

    def _failed(self, error: Exception) -> None:
        """Show why drawing failed; it is tried again at the next notification."""
        self._lost = True
        self._trouble.error(error)

    def _draw(self) -> None:
        # The state first: a batch that ends meanwhile is news once more.
        state = self.controls.show(self._followed, self._found)
        if self._followed.error is not None:
            self._trouble.error(self._followed.error)
        self._found = found = self._followed.result
        shown = self._pictured(found)
        self._curve.show(shown.curve())
        self._draw_side(shown)
        self._progress.done(progress_text(found))
        self.controls.show(self._followed, found)
        self.set_trait("rollouts", len(found.rollouts))
        self.set_trait("spent", spent(found))
        self.set_trait("state", state)
        if self._lost:
            self._lost = False
            if self._followed.error is None:
                self._trouble.idle()

    def _draw_side(self, shown: SearchPicture) -> None:
        side = shown.figure()
        if side is None:
            self._table.value = frame_html(shown.frame(), VIEWS[self.view], at_most=_TRIALS_SHOWN)
        else:
            self._side.show(side)
        for part, wanted in (
            (self._side, side is not None),
            (self._table, side is None),
            (self._choices, self.view == "policy"),
            (self._button, self.view == "chosen" and shown.found.backbone is not None),
        ):
            part.layout.display = "" if wanted else "none"

    def _make_parts(self) -> None:
        self._curve = Picture("Reward of every rollout, and the best so far")
        self._side = Picture("The side of the search that is chosen")
        self._table = ipywidgets.HTML()
        self._table.add_class("kv-table")
        self._progress, self._trouble = Status(), Status()
        self._trouble.add_class("kv-trouble")
        self._opened = column()
        self._button = button(
            "Open its groups",
            "Open the best grouping in a GroupExplorer",
            self._open,
            name="kv-open",
        )
        self._views = ipywidgets.ToggleButtons(
            options=[(label, name) for name, label in VIEWS.items()],
            style={"button_width": "auto"},
        )
        self._choices = ipywidgets.Dropdown(
            description="of",
            options=[(CHOICE_LABELS.get(one, one), one) for one in choices(self._found)],
            style={"description_width": "initial"},
            layout={"width": "auto"},
        )
        for name, control in (("view", self._views), ("choice", self._choices)):
            control.add_class(f"kv-choose-{name}")
            ipywidgets.link((self, name), (control, "value"))

    def _arranged(self) -> list[Any]:
        side = row(self._views, self._choices, self._button)
        about = ipywidgets.HTML()
        about.value = Status(str(self._found.manifest["reward"]["note"])).value
        return [
            row(heading(title(self._found.manifest)), self.controls.badge, name="kv-head"),
            about,
            row(*self.controls.buttons.values(), self.controls.bar),
            self._progress,
            self._trouble,
            row(
                column(self._curve),
                column(side, self._side, self._table, name="kv-beside"),
                name="kv-sides",
            ),
            self._opened,
        ]
