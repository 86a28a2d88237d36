"""The stored record of a search: manifest, state, requests and rollouts in an Optuna study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from kshot_viz.errors import KShotError, KShotFileError, KShotValueError
from kshot_viz.records import record_digest
from kshot_viz.search.rollouts import Rollout
from kshot_viz.search.storage.storages import Owner, file_of, in_use, is_journal, open_study, quiet

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

MANIFEST, STATE, REQUEST = "search", "state", "request"
EARLIER = "earlier_versions"
# Entries of a manifest that may differ when a search goes on.
CHANGING = ("versions", EARLIER, "budget", "budget_minutes", "budget_asked", "left_out")
SCHEMA = 1
# Digest of what was stored, so that what comes back is that, or an error.
CHECK = "check"


class Ledger:
    """The study of one search.

    Parameters
    ----------
    storage : str, Path or BaseStorage
        ``"memory"``, the path of a journal file, an address such as ``"sqlite:///search.db"``, or
        Optuna's own storage object.
    own : bool
        Whether rollouts will be written: then no other search may use the same journal.
    key : str, optional
        Identifies a search in a database; a journal holds one.
    """

    def __init__(
        self, storage: str | Path | BaseStorage, *, own: bool, key: str | None = None
    ) -> None:
        self._owner: Owner | None = None
        self._storage = storage
        # Finished trials never change, so each is checked once.
        self._known: dict[int, Rollout | None] = {}
        file = file_of(storage)
        self.path = file if is_journal(storage) else None
        if self.path is not None and own:
            self._owner = Owner(self.path)
        elif file is not None and not file.exists() and not own:
            raise KShotFileError(f"There is no search in {file}: the file does not exist.")
        try:
            with quiet(), self._readable():
                self._study = open_study(storage, key, create=own)
                if self._study.direction != StudyDirection.MAXIMIZE:
                    raise ValueError("a search maximises its reward")
        except BaseException:
            self.close()
            raise

    @property
    def study(self) -> optuna.Study:
        """Optuna's own study, for its visualisations and dashboard."""
        return self._study

    def close(self) -> None:
        """Let another search use the journal."""
        if self._owner is not None:
            self._owner.release()

    # -- manifest ----------------------------------------------------------------------------

    def check(self, manifest: Mapping[str, Any]) -> None:
        """Raise a KShotValueError if the study holds another search."""
        stored = self.manifest
        changed = _changed(stored, manifest) if stored else []
        if changed:
            raise KShotValueError(
                f"The storage holds another search: {', '.join(changed)} differ. Give this search "
                f"a `storage` of its own, or the same settings to go on with that one."
            )

    def claim(self, manifest: Mapping[str, Any]) -> None:
        """Store the manifest, or check that it is the one stored.

        Raises
        ------
        KShotValueError
            If the study holds another search.
        """
        self.check(manifest)
        stored = self.manifest
        if not stored:
            self._store(manifest)
            return
        earlier = stored.get(EARLIER, [])
        if stored["versions"] != manifest["versions"]:
            earlier = [*earlier, stored["versions"]]
        renewed = {**manifest, **({EARLIER: earlier} if earlier else {})}
        if renewed != stored:
            self._store(renewed)

    def holds(self, manifest: Mapping[str, Any]) -> bool:
        """Return whether this search is the one stored."""
        return bool(self.manifest) and not _changed(self.manifest, manifest)

    @property
    def manifest(self) -> dict[str, Any]:
        """The stored manifest; empty for a new search."""
        with self._readable():
            stored = dict(self._study.user_attrs.get(MANIFEST, {}))
            if stored.pop(CHECK, None) not in (None, record_digest(stored)):
                raise KShotFileError(f"The settings of the search in {self._storage} are damaged.")
        return stored

    def _store(self, manifest: Mapping[str, Any]) -> None:
        record = {**manifest, CHECK: record_digest(dict(manifest))}
        self._study.set_user_attr(MANIFEST, record)

    # -- state and requests ------------------------------------------------------------------

    @property
    def state(self) -> str:
        """The state the search stored last."""
        with self._readable():
            return str(self._study.user_attrs.get(STATE, "new"))

    @state.setter
    def state(self, value: str) -> None:
        if value != self.state:
            self._study.set_user_attr(STATE, value)

    @property
    def request(self) -> str:
        """The request of another process: ``""``, ``"pause"``, ``"resume"`` or ``"stop"``."""
        with self._readable():
            return str(self._study.user_attrs.get(REQUEST, ""))

    @request.setter
    def request(self, value: str) -> None:
        if value != self.request:
            self._study.set_user_attr(REQUEST, value)

    @property
    def running(self) -> bool:
        """Whether a process runs the search; for storage without locks, by the stored state."""
        if self.path is not None:
            return in_use(self.path)
        return self.state in ("running", "paused")

    def take_request(self) -> str:
        """Return the request, and clear it."""
        taken, self.request = self.request, ""
        return taken

    # -- rollouts ----------------------------------------------------------------------------

    def rollouts(self) -> list[Rollout]:
        """Return all rollouts, in order."""
        with self._readable():
            trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            for trial in trials:
                if trial.number not in self._known:
                    self._known[trial.number] = _rollout(trial)
        found = {one.number: one for one in self._known.values() if one is not None}
        return [found[number] for number in sorted(found)]

    def add(self, rollout: Rollout, distributions: Mapping[str, BaseDistribution]) -> None:
        """Store a rollout, in a single record: atomically."""
        names = [name for name in distributions if name in rollout.parameters]
        with quiet():
            self._study.add_trial(
                create_trial(
                    state=TrialState.COMPLETE,
                    value=rollout.reward,
                    params={name: rollout.parameters[name] for name in names},
                    distributions={name: distributions[name] for name in names},
                    user_attrs={
                        "rollout": rollout.number,
                        CHECK: _digest(rollout, names),
                        **rollout.record,
                    },
                )
            )

    def fail_unfinished(self) -> None:
        """Mark the trials as failed that an ended process left unfinished."""
        states = (TrialState.RUNNING, TrialState.WAITING)
        for trial in self._study.get_trials(deepcopy=False, states=states):
            self._study.tell(trial.number, state=TrialState.FAIL)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Name the storage where it holds what cannot be read, however Optuna notices."""
        try:
            yield
        except KShotError:
            raise
        except Exception as error:
            raise KShotFileError(
                f"{self._storage} holds no readable search ({type(error).__name__}: {error})."
            ) from error


def _changed(stored: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """Return the entries that make two searches different ones."""
    names = {*stored, *manifest} - {*CHANGING}
    # It is not known of searches that were stored before it was recorded.
    names -= {"preprocess"} - {*stored}
    return sorted(name for name in names if stored.get(name) != manifest.get(name))


def _rollout(trial: FrozenTrial) -> Rollout | None:
    record = dict(trial.user_attrs)
    number, check = record.pop("rollout", None), record.pop(CHECK, None)
    if number is None or trial.value is None:
        return None
    found = Rollout(int(number), dict(trial.params), float(trial.value), record)
    if check not in (None, _digest(found, list(trial.params))):
        raise ValueError(f"trial {trial.number} is not what was stored")
    return found


def _digest(rollout: Rollout, names: Sequence[str]) -> str:
    """Name a rollout by all that is stored of it."""
    parameters = {name: rollout.parameters[name] for name in names}
    return record_digest([rollout.number, parameters, float(rollout.reward), dict(rollout.record)])
