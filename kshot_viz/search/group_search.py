"""The search for a grouping, as an object that can be driven from another thread or process."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.storages import InMemoryStorage

from kshot_viz.activations import capture_activations
from kshot_viz.errors import KShotError, KShotFileError, KShotValueError
from kshot_viz.search.controller.layer_features import describe_layers
from kshot_viz.search.controller.reinforce import ReinforceConfig
from kshot_viz.search.controller.sampler import ReinforceSampler
from kshot_viz.search.controls import Controls
from kshot_viz.search.engine import Engine, Plan
from kshot_viz.search.events import Events
from kshot_viz.search.proposals import learning_of
from kshot_viz.search.result import SearchResult
from kshot_viz.search.rewards.reward import Reward
from kshot_viz.search.rewards.score import Scorer
from kshot_viz.search.spaces.base import Space
from kshot_viz.search.spaces.groups import GroupSpace
from kshot_viz.search.storage.ledger import Ledger
from kshot_viz.search.storage.manifest import describe_search, own_journal, search_key
from kshot_viz.search.storage.storages import MEMORY
from kshot_viz.search.view import SearchView
from kshot_viz.threads import begin_thread

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

    from kshot_viz.models.backbone import Backbone


class GroupSearch:
    """A search over groupings, rewarded by small tasks.

    Parameters
    ----------
    backbone : Backbone
    objective : Reward
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
        to one search and is mended after a kill; a database holds any number of searches, and
        Optuna's own object is used as it is.
    prune : {None, "halving"}
        Whether weak candidates end early; see :class:`~kshot_viz.search.rewards.score.Scorer`.
    first : sequence of mapping
        Points of the space that are tried before any other.
    learning : ReinforceConfig, optional
        How the controller learns; its ``batch_size`` holds for every sampler. By default that of
        ``sampler``, where it is a :class:`ReinforceSampler`.
    executor, workers, device
        As in :func:`kshot_viz.evaluate`; they do not change the history.
    seed : int

    Attributes
    ----------
    events : Events
        What happened so far; may be read from any thread.
    state : str
        ``"new"``, ``"running"``, ``"paused"``, ``"stopped"``, ``"finished"`` or ``"failed"``.
    error : Exception or None
        What ended the last run, where an error did.
    """

    def __init__(
        self,
        backbone: Backbone,
        objective: Reward,
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
        seed: int = 0,
    ) -> None:
        if not isinstance(objective, Reward):
            raise KShotValueError(
                f"`objective` must be a reward, made by kv.pseudo_episode_reward(...), say; not "
                f"{objective!r}."
            )
        self.backbone, self.objective = backbone, objective
        self.space: Space = space or GroupSpace.of(backbone, source=objective.source is not None)
        self._sampler, self._learning = sampler, learning_of(sampler, learning)
        self._prune, self._seed = prune, seed
        self._first = [self.space.complete(point) for point in first]
        self.budget = float(budget)
        options = {"executor": executor, "workers": workers, "device": device}
        # A copy, because a thread may run it: hooks that somebody sets on the network meanwhile, to
        # capture activations say, must not see our images.
        self._network = copy.deepcopy(backbone)
        self._scorer = Scorer(self._network, objective, prune=prune, seed=seed, options=options)
        self._scorer.check(self.budget, self._learning.batch_size)
        self.storage: Any = storage if storage is not None else own_journal(self.manifest)
        # What is in memory must outlive a run that is stopped.
        self._opened = InMemoryStorage() if self.storage == MEMORY else self.storage
        self.events = Events()
        self.state = "new"
        self.error: Exception | None = None
        self._controls, self._busy = Controls(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._result: SearchResult | None = None

    # -- driving it --------------------------------------------------------------------------

    def run(self) -> SearchResult:
        """Search until the budget is spent or the search is stopped, and return what was found.

        Raises
        ------
        KShotValueError
            If the storage holds another search.
        KShotFileError
            If another process is searching there.
        """
        self._begin()
        return self._run()

    def start(self) -> None:
        """Run in a thread of its own; an error is kept in ``error`` and told by an event."""
        self._begin()
        self._thread = begin_thread(self._in_background, "group search")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a search in the background; False if it is still running."""
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def pause(self) -> None:
        """Pause after the batch that runs now."""
        self._controls.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        self._controls.resume()

    def stop(self) -> None:
        """End after the batch that runs now; what was found stays, and the search can go on."""
        self._controls.stop()

    @property
    def result(self) -> SearchResult:
        """What was found so far, by an earlier run of the same search too."""
        if self._result is not None:
            return self._result
        with suppress(KShotFileError):
            ledger = Ledger(self._opened, own=False, key=search_key(self.manifest))
            if ledger.holds(self.manifest):
                return self._found(ledger)
        return SearchResult((), self.space, self.manifest, self.backbone, self.objective)

    @property
    def manifest(self) -> dict[str, Any]:
        """What is searched, how, and by which reward; plain JSON values."""
        return describe_search(
            self.backbone,
            self.objective,
            self.space,
            sampler=self._sampler,
            learning=self._learning,
            prune=self._prune,
            first=self._first,
            budget=self.budget,
            seed=self._seed,
        )

    @classmethod
    def attach(cls, storage: str | Path | BaseStorage, *, key: str | None = None) -> SearchView:
        """Look at a search that runs, or ran, in any process.

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

    def _begin(self) -> None:
        if not self._busy.acquire(blocking=False):
            raise KShotError("This search is running already.")
        self.error = None
        self._controls.begin()

    def _run(self) -> SearchResult:
        """Search; the end is told last, when the storage is free again."""
        end: tuple[str, dict[str, Any]] = ("failed", {})
        try:
            with closing(Ledger(self._opened, own=True, key=search_key(self.manifest))) as ledger:
                ledger.claim(self.manifest)
                end = self._work(ledger)
        except BaseException as error:
            self.error = error if isinstance(error, Exception) else None
            end = (_state_after(error), {"error": str(error)})
            raise
        finally:
            self.state = end[0]
            self._busy.release()
            self.events.add(end[0], **end[1])
        return self.result

    def _work(self, ledger: Ledger) -> tuple[str, dict[str, Any]]:
        """Search, and return the state it ends in, and why; both stand in the ledger too."""
        self._result = self._found(ledger)
        try:
            end, why = self._search(ledger)
        except BaseException as error:
            ledger.state = _state_after(error)
            raise
        finally:
            self._result = self._found(ledger)
        ledger.state = end
        return end, {"reason": why}

    def _search(self, ledger: Ledger) -> tuple[str, str]:
        ledger.fail_unfinished()
        plan = Plan(
            self.space,
            self.budget,
            self._learning.batch_size,
            self._first,
            self._sampler,
            self._seed,
        )
        engine = Engine(plan, self._scorer, ledger, self._controller())
        # What was asked of a search that was not running is void.
        ledger.take_request()
        self._tell(ledger, "started", spent=engine.spent, budget=self.budget)
        while not engine.ended:
            if self._controls.stopped(ledger, lambda kind: self._tell(ledger, kind)):
                return "stopped", "asked for"
            told = engine.step()
            self._result = self._found(ledger)
            if told is not None:
                self.events.add("batch", **told)
        return "finished", engine.ended

    def _tell(self, ledger: Ledger, kind: str, **details: Any) -> None:
        """Tell that the search runs, or waits, from now on."""
        self.state = ledger.state = "paused" if kind == "paused" else "running"
        self.events.add(kind, **details)

    def _in_background(self) -> None:
        # The error is kept, and told by an event.
        with suppress(Exception):
            self._run()

    def _controller(self) -> ReinforceSampler | None:
        """Return the controller, told what is known of the layers; None for other samplers."""
        if self._sampler != "reinforce":
            return None
        images = self.objective.source or self.objective.data
        first = images.take(range(min(64, len(images))))
        known = describe_layers(self._network, capture_activations(self._network, first))
        return ReinforceSampler(
            seed=self._seed,
            config=self._learning,
            search_space=self.space.distributions(),
            steps=self.space.steps(known),
        )

    def _found(self, ledger: Ledger) -> SearchResult:
        rollouts = tuple(ledger.rollouts())
        return SearchResult(rollouts, self.space, self.manifest, self.backbone, self.objective)


def _state_after(error: BaseException) -> str:
    """Return the state an error leaves a search in; Ctrl-C is no failure."""
    return "failed" if isinstance(error, Exception) else "stopped"
