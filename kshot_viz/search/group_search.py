"""The search for a grouping, as an object that can be driven from another thread or process."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kshot_viz.activations import capture_activations
from kshot_viz.errors import KShotError, KShotValueError
from kshot_viz.search.choices import Space
from kshot_viz.search.describe import describe_layers
from kshot_viz.search.engine import Engine, Plan
from kshot_viz.search.events import Events
from kshot_viz.search.ledger import Ledger
from kshot_viz.search.manifest import describe_search, own_journal
from kshot_viz.search.reinforce import ReinforceConfig
from kshot_viz.search.result import SearchResult
from kshot_viz.search.reward import Reward
from kshot_viz.search.sampler import ReinforceSampler
from kshot_viz.search.score import Scorer
from kshot_viz.search.space import GroupSpace
from kshot_viz.search.view import SearchView

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
        The same call goes on from what is stored there.
    prune : {None, "halving"}
        Whether weak candidates end early; see :class:`~kshot_viz.search.score.Scorer`.
    first : sequence of mapping
        Points of the space that are tried before any other.
    learning : ReinforceConfig, optional
        How the controller learns; its ``batch_size`` holds for every sampler.
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
        What ended a search that runs in the background.
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
        if not budget > 0:
            raise KShotValueError(f"`budget` must be > 0 full evaluations; not {budget!r}.")
        self.backbone, self.objective = backbone, objective
        self.space: Space = space or GroupSpace.of(backbone, source=objective.source is not None)
        self._learning = learning or ReinforceConfig()
        self._sampler, self._prune, self._seed = sampler, prune, seed
        self._first = [self.space.complete(point) for point in first]
        self._options = {"executor": executor, "workers": workers, "device": device}
        self.budget = float(budget)
        self.storage: Any = storage if storage is not None else own_journal(self.manifest)
        self.events = Events()
        self.state = "new"
        self.error: Exception | None = None
        self._scorer = Scorer(backbone, objective, prune=prune, seed=seed, options=self._options)
        self._go, self._stop = threading.Event(), threading.Event()
        self._go.set()
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
        self._stop.clear()
        ledger = Ledger(self.storage, own=True)
        try:
            ledger.claim(self.manifest)
            ledger.fail_unfinished()
            self._search(ledger)
        except BaseException as error:
            self._ended(ledger, "failed" if isinstance(error, Exception) else "stopped", error)
            raise
        finally:
            self._result = self._found(ledger)
            ledger.close()
        return self._result

    def start(self) -> None:
        """Run in a thread of its own; an error is kept in ``error`` and told by an event."""
        if self._thread is not None and self._thread.is_alive():
            raise KShotError("This search is running already.")
        self.error = None
        self._thread = threading.Thread(
            target=self._in_background, name="group search", daemon=True
        )
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a search in the background; False if it is still running."""
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def pause(self) -> None:
        """Pause after the batch that runs now."""
        self._go.clear()

    def resume(self) -> None:
        """Go on after a pause."""
        self._go.set()

    def stop(self) -> None:
        """End after the batch that runs now; what was found stays, and the search can go on."""
        self._stop.set()
        self._go.set()

    @property
    def result(self) -> SearchResult:
        """What was found so far."""
        if self._result is not None:
            return self._result
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
    def attach(cls, storage: str | Path | BaseStorage) -> SearchView:
        """Look at a search that runs, or ran, in any process.

        Raises
        ------
        KShotFileError
            If there is no search in that storage.
        """
        return SearchView(storage)

    # -- inside ------------------------------------------------------------------------------

    def _search(self, ledger: Ledger) -> None:
        plan = Plan(
            self.space,
            self.budget,
            self._learning.batch_size,
            self._first,
            self._sampler,
            self._seed,
        )
        engine = Engine(plan, self._scorer, ledger, self._controller())
        self.state = ledger.state = "running"
        ledger.request = ""
        self.events.add("started", spent=engine.spent, budget=self.budget)
        while not engine.done:
            if self._interrupted(ledger):
                self._ended(ledger, "stopped", None)
                return
            told = engine.step()
            self._result = self._found(ledger)
            self.events.add("batch", **told)
        self._ended(ledger, "finished", None)

    def _interrupted(self, ledger: Ledger) -> bool:
        """Wait out a pause, and say whether to stop; read between batches."""
        request = ledger.request
        if request == "pause":
            self.pause()
        if request == "stop" or self._stop.is_set():
            ledger.request = ""
            return True
        if self._go.is_set():
            return False
        self.state = ledger.state = "paused"
        self.events.add("paused")
        while not self._go.wait(POLL_SECONDS):
            asked = ledger.request
            if asked in ("resume", "stop"):
                break
        stop = self._stop.is_set() or ledger.request == "stop"
        ledger.request = ""
        self._go.set()
        if not stop:
            self.state = ledger.state = "running"
            self.events.add("resumed")
        return stop

    def _ended(self, ledger: Ledger, state: str, error: BaseException | None) -> None:
        self.state = ledger.state = state
        self.events.add(state, **({} if error is None else {"error": str(error)}))

    def _in_background(self) -> None:
        try:
            self.run()
        except Exception as error:
            self.error = error
            if self.state != "failed":
                # Before the storage could be opened.
                self.state = "failed"
                self.events.add("failed", error=str(error))

    def _controller(self) -> ReinforceSampler:
        """Return the controller, told what is known of the layers."""
        images = self.objective.source or self.objective.data
        first = images.take(range(min(64, len(images))))
        known = describe_layers(self.backbone, capture_activations(self.backbone, first))
        return ReinforceSampler(
            seed=self._seed,
            config=self._learning,
            search_space=self.space.distributions(),
            steps=self.space.steps(known),
        )

    def _found(self, ledger: Ledger) -> SearchResult:
        rollouts = tuple(ledger.rollouts())
        return SearchResult(rollouts, self.space, self.manifest, self.backbone, self.objective)


def search_groups(
    backbone: Backbone, objective: Reward, *, progress: bool = False, **options: Any
) -> SearchResult:
    """Search for the grouping, and return what was found: ``GroupSearch(...).run()``.

    Parameters
    ----------
    backbone : Backbone
    objective : Reward
    progress : bool
        Show a progress bar.
    **options
        As in :class:`GroupSearch`.
    """
    search = GroupSearch(backbone, objective, **options)
    if not progress:
        return search.run()
    from kshot_viz.search.progress import following

    with following(search):
        return search.run()


# How often a paused search looks for requests of other processes.
POLL_SECONDS = 0.2
