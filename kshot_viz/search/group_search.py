"""A search for a grouping that can be driven from another thread or process."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.storages import InMemoryStorage

from kshot_viz.checks import checked, instance, number, optional, whole
from kshot_viz.errors import KShotError, KShotFileError
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.search.controller.reinforce import ReinforceConfig
from kshot_viz.search.engine import Engine
from kshot_viz.search.lifecycle import ControllableSearch, Events, Requests, state_after
from kshot_viz.search.progress import Bar
from kshot_viz.search.result import SearchResult
from kshot_viz.search.rewards.reward import Reward
from kshot_viz.search.rewards.scorer import Scorer
from kshot_viz.search.search_view import SearchView
from kshot_viz.search.settings import SearchSettings, learning_of, make_controller, search_key
from kshot_viz.search.spaces.base import Space
from kshot_viz.search.spaces.groups import GroupSpace
from kshot_viz.search.storage.ledger import Ledger
from kshot_viz.search.storage.storages import MEMORY
from kshot_viz.search.timing import sized
from kshot_viz.search.told_rollouts import told_rollouts
from kshot_viz.threads import begin_thread
from kshot_viz.trackers.callback import Callback, callbacks_rule

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage


class GroupSearch(ControllableSearch):
    """A search over groupings, rewarded by small tasks.

    Parameters
    ----------
    backbone : Backbone
    reward : Reward
        Made by :func:`kshot_viz.pseudo_episode_reward` and its siblings. It holds no query image of
        the target.
    space : GroupSpace or AssignmentSpace, optional
        What is searched; :meth:`GroupSpace.of` the network by default.
    sampler : str or optuna sampler
        ``"reinforce"`` (the recurrent controller), ``"random"``, ``"tpe"``, or any sampler.
    budget : float
        In full evaluations: one candidate on all tasks for all steps. One that ends early costs its
        share, one that was tried before nothing.
    storage : str, Path or storage, optional
        Path of a journal file (by default ``runs/search-<key>.journal``, a name of its own for each
        search), an address such as ``"sqlite:///search.db"``, ``"memory"``, or Optuna's own object.
        The same call goes on from what is stored there. A journal that is given by its path belongs
        to one search and is repaired after a kill; a database holds any number of searches, and
        Optuna's own object is used as it is.
    prune : {None, "halving"}
        Whether weak candidates end early; see :class:`~kshot_viz.search.rewards.scorer.Scorer`.
    first : sequence of mapping
        Points of the space that are tried before any other.
    learning : ReinforceConfig, optional
        How the controller learns; its ``batch_size`` holds for every sampler. By default that of
        ``sampler``, where it is a :class:`ReinforceSampler`.
    executor, workers, device, callbacks
        As in :func:`kshot_viz.evaluate`; they do not change the history.
    budget_minutes : float, optional
        Minutes of the whole search, earlier calls included: a batch of random candidates is timed
        on the first task, and the budget cut to the whole batches that fit, one at least; the
        manifest says what was left out. More time later goes on with the same history.
    seed : int

    Attributes
    ----------
    events : Events
        All events so far; may be read from any thread.
    state : str
        ``"new"``, ``"running"``, ``"paused"``, ``"stopped"``, ``"finished"`` or ``"failed"``.
    """

    local = True
    state = "new"

    @checked(
        backbone=BACKBONE,
        reward=instance(Reward, cure="made by kv.pseudo_episode_reward(...), say"),
        budget=number(0, above=True),
        budget_minutes=optional(number(0, above=True)),
        workers=optional(whole(1)),
        seed=whole(0),
        callbacks=callbacks_rule,
    )
    def __init__(
        self,
        backbone: Backbone,
        reward: Reward,
        *,
        space: Space | None = None,
        sampler: str | BaseSampler = "reinforce",
        budget: float = 200,
        storage: str | Path | BaseStorage | None = None,
        prune: str | None = None,
        first: Sequence[Mapping[str, Any]] = (),
        learning: ReinforceConfig | None = None,
        executor: str = "serial",
        workers: int | None = None,
        device: str | None = None,
        budget_minutes: float | None = None,
        seed: int = 0,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.backbone, self.reward = backbone, reward
        self.space = space or GroupSpace.of(backbone, source=reward.source is not None)
        self._minutes, self._callbacks = budget_minutes, tuple(callbacks)
        self.settings = SearchSettings(
            space=self.space,
            sampler=sampler,
            budget=float(budget),
            prune=prune,
            first=[self.space.complete(point) for point in first],
            learning=learning_of(sampler, learning),
            seed=seed,
        )
        self._asked = self.settings
        # A copy, because a thread may run it: hooks that are set on the network meanwhile, to
        # capture activations say, must not see the search's images.
        self._network = copy.deepcopy(backbone)
        options = {"executor": executor, "workers": workers, "device": device}
        self._scorer = Scorer(self._network, reward, prune=prune, seed=seed, options=options)
        self._scorer.check(self.settings.budget, self.settings.batch_size)
        if storage is None:
            storage = Path("runs") / f"search-{search_key(self.manifest)}.journal"
        self.storage: Any = storage
        # What is in memory must outlive a run that is stopped.
        self._opened = InMemoryStorage() if self.storage == MEMORY else self.storage
        self.events = Events()
        self._requests, self._busy = Requests(self.events), threading.Lock()
        self._thread: threading.Thread | None = None
        self._result: SearchResult | None = None

    # -- control -----------------------------------------------------------------------------

    def run(self, *, progress: bool = False) -> SearchResult:
        """Search until the budget is spent or the search is stopped, and return the result.

        Parameters
        ----------
        progress : bool
            Say how long it will take, and show a progress bar.

        Raises
        ------
        KShotValueError
            If the storage holds another search.
        KShotFileError
            If another process is searching there.
        """
        self._begin()
        return self._run(progress)

    def start(self) -> None:
        """Run in a thread of its own; an error is kept in ``error`` and added to the events."""
        self._begin("start")
        self._thread = begin_thread(self._run_in_background, "group search")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a search in the background; False if it is still running."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def _send(self, request: str) -> None:
        self._requests.send(request)

    # -- progress ----------------------------------------------------------------------------

    @property
    def requested(self) -> str:
        """The request of this process that has not taken effect yet: an action, or ``""``."""
        return self._requests.pending if self._busy.locked() else ""

    @property
    def result(self) -> SearchResult:
        """The rollouts so far, of earlier runs of the same search too."""
        if self._result is not None:
            return self._result
        with suppress(KShotFileError):
            ledger = Ledger(self._opened, own=False, key=search_key(self.manifest))
            if ledger.holds(self.manifest):
                return self._stored_result(ledger)
        return SearchResult((), self.space, self.manifest, self.backbone, self.reward)

    @property
    def manifest(self) -> dict[str, Any]:
        """The settings of the search, its network and its reward; plain JSON values."""
        return self.settings.manifest(self.backbone, self.reward)

    def wait_for_change(self, seen: object, timeout: float) -> object:
        """Wait for an event after the first ``seen``, and return their number."""
        known = seen if isinstance(seen, int) else 0
        return known + len(self.events.since(known, timeout=timeout))

    @classmethod
    def attach(cls, storage: str | Path | BaseStorage, *, key: str | None = None) -> SearchView:
        """Return a view of a search that runs, or ran, in any process.

        Parameters
        ----------
        storage : str, Path or storage
        key : str, optional
            Which one, where a database holds several; the error names them.

        Raises
        ------
        KShotFileError
            If there is no search in that storage, or more than one and no ``key``.
        """
        return SearchView(storage, key=key)

    # -- inside ------------------------------------------------------------------------------

    def _begin(self, request: str = "") -> None:
        if not self._busy.acquire(blocking=False):
            raise KShotError("This search is running already.")
        self.error = None
        self._requests.begin(request)

    def _run_in_background(self) -> None:
        with suppress(Exception):
            self._run()

    def _run(self, progress: bool = False) -> SearchResult:
        """Search; the last event is added when the storage is free again."""
        end: tuple[str, dict[str, Any]] = ("failed", {})
        try:
            with closing(Ledger(self._opened, own=True, key=search_key(self.manifest))) as ledger:
                ledger.check(self.manifest)
                self.settings, bar = sized(
                    self._asked, self._minutes, self._scorer, ledger, show=progress
                )
                ledger.claim(self.manifest)
                end = self._search_and_store_state(ledger, bar)
        except BaseException as error:
            self.error = error if isinstance(error, Exception) else None
            end = (state_after(error), {"error": str(error)})
            raise
        finally:
            self.state = end[0]
            self._busy.release()
            self.events.add(end[0], **end[1])
        return self.result

    def _search_and_store_state(self, ledger: Ledger, bar: Bar) -> tuple[str, dict[str, Any]]:
        """Search, and return the last state and its reason; the ledger has the state too."""
        self._result = self._stored_result(ledger)
        try:
            end, reason = self._search(ledger, bar)
        except BaseException as error:
            ledger.state = state_after(error)
            raise
        finally:
            self._result = self._stored_result(ledger)
        ledger.state = end
        return end, {"reason": reason}

    def _search(self, ledger: Ledger, bar: Bar) -> tuple[str, str]:
        ledger.fail_unfinished()
        controller = make_controller(self.settings, self._network, self.reward)
        engine = Engine(self.settings, self._scorer, ledger, controller)
        # A request that was written while the search was not running is void.
        ledger.take_request()
        budget = self.settings.budget
        self._report(ledger, "started", spent=engine.spent, budget=budget)
        followed = told_rollouts(self._callbacks, self.result)
        with followed as tell, bar(engine.spent, budget) as shown:
            while not engine.ended:
                if self._requests.stopped(ledger, lambda kind: self._report(ledger, kind)):
                    return "stopped", "asked for"
                shown.begin()
                batch = engine.step(shown.moved)
                self._result = self._stored_result(ledger)
                if batch is not None:
                    self.events.add("batch", **batch)
                    shown.ended(batch)
                tell(self._result)
        return "finished", engine.ended

    def _report(self, ledger: Ledger, kind: str, **details: Any) -> None:
        """Set the state to running or paused, and add the event."""
        self.state = ledger.state = "paused" if kind == "paused" else "running"
        self.events.add(kind, **details)

    def _stored_result(self, ledger: Ledger) -> SearchResult:
        rollouts = tuple(ledger.rollouts())
        return SearchResult(rollouts, self.space, self.manifest, self.backbone, self.reward)
