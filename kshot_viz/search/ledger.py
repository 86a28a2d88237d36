"""A search's trials in Optuna storage: the only truth about it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import TrialState, create_trial

from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.search.journal import Owner, in_use

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

MEMORY = "memory"
NAME = "kshot-viz group search"
MANIFEST, STATE, REQUEST = "search", "state", "request"
SCHEMA = 1


@dataclass(frozen=True)
class Rollout:
    """One finished trial.

    Attributes
    ----------
    number : int
    parameters : mapping
    reward : float
    record : mapping
        Everything else that is kept of it; plain JSON values.
    """

    number: int
    parameters: Mapping[str, Any]
    reward: float
    record: Mapping[str, Any]


class Ledger:
    """The study of one search.

    Parameters
    ----------
    storage : str, Path or BaseStorage
        ``"memory"``, the path of a journal file, an address such as ``"sqlite:///search.db"``, or
        Optuna's own storage object.
    own : bool
        Whether rollouts will be written: then no other search may use the same journal.
    """

    def __init__(self, storage: str | Path | BaseStorage, *, own: bool) -> None:
        self._owner: Owner | None = None
        self.path = journal_path(storage)
        if self.path is not None and own:
            self._owner = Owner(self.path)
        elif self.path is not None and not self.path.exists():
            raise KShotFileError(f"There is no search in {self.path}: the file does not exist.")
        try:
            with quiet():
                self._study = _study(storage, self.path, create=own)
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

    # -- what the search is ------------------------------------------------------------------

    def claim(self, manifest: Mapping[str, Any]) -> None:
        """Say what search this is, or check that it is the one stored."""
        stored = self.manifest
        if not stored:
            self._study.set_user_attr(MANIFEST, dict(manifest))
            return
        changed = sorted(
            name
            for name in {*stored, *manifest}
            if name not in ("versions", "budget") and stored.get(name) != manifest.get(name)
        )
        if changed:
            raise KShotValueError(
                f"The storage holds another search: {', '.join(changed)} differ. Give this search "
                f"a `storage` of its own, or the same settings to go on with that one."
            )

    @property
    def manifest(self) -> dict[str, Any]:
        """What the search was asked for; empty for a new one."""
        return dict(self._study.user_attrs.get(MANIFEST, {}))

    # -- its state ---------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """How far the search said it is."""
        return str(self._study.user_attrs.get(STATE, "new"))

    @state.setter
    def state(self, value: str) -> None:
        if value != self.state:
            self._study.set_user_attr(STATE, value)

    @property
    def request(self) -> str:
        """What another process asked for: ``""``, ``"pause"``, ``"resume"`` or ``"stop"``."""
        return str(self._study.user_attrs.get(REQUEST, ""))

    @request.setter
    def request(self, value: str) -> None:
        if value != self.request:
            self._study.set_user_attr(REQUEST, value)

    @property
    def running(self) -> bool:
        """Whether a process is at it, as far as that can be told."""
        if self.path is not None:
            return in_use(self.path)
        return self.state in ("running", "paused")

    # -- rollouts ----------------------------------------------------------------------------

    def rollouts(self) -> list[Rollout]:
        """Return all rollouts, in order."""
        trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        found = {one.number: one for one in map(_rollout, trials) if one is not None}
        return [found[number] for number in sorted(found)]

    def add(self, rollout: Rollout, distributions: Mapping[str, BaseDistribution]) -> None:
        """Keep a rollout: a single record, so that it is there as a whole or not at all."""
        names = [name for name in distributions if name in rollout.parameters]
        with quiet():
            self._study.add_trial(
                create_trial(
                    state=TrialState.COMPLETE,
                    value=rollout.reward,
                    params={name: rollout.parameters[name] for name in names},
                    distributions={name: distributions[name] for name in names},
                    user_attrs={"rollout": rollout.number, **rollout.record},
                )
            )

    def fail_unfinished(self) -> None:
        """Mark trials as failed that nobody will finish."""
        states = (TrialState.RUNNING, TrialState.WAITING)
        for trial in self._study.get_trials(deepcopy=False, states=states):
            self._study.tell(trial.number, state=TrialState.FAIL)


def journal_path(storage: str | Path | BaseStorage) -> Path | None:
    """Return the file of a journal; None for any other storage."""
    if isinstance(storage, Path):
        return storage
    if isinstance(storage, str) and storage != MEMORY and "://" not in storage:
        return Path(storage)
    return None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from announcing every trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _study(storage: str | Path | BaseStorage, path: Path | None, *, create: bool) -> optuna.Study:
    opened = _storage(storage, path)
    if create:
        return optuna.create_study(
            storage=opened, study_name=NAME, direction="maximize", load_if_exists=True
        )
    try:
        return optuna.load_study(storage=opened, study_name=NAME)
    except KeyError as error:
        raise KShotFileError(f"There is no search in {storage}.") from error


def _storage(storage: str | Path | BaseStorage, path: Path | None) -> BaseStorage:
    if isinstance(storage, BaseStorage):
        return storage
    if storage == MEMORY:
        return InMemoryStorage()
    if path is None:
        return RDBStorage(str(storage))
    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except (ValueError, KeyError, TypeError) as error:
        raise KShotFileError(f"{path} is not the journal of a search: {error}") from error


def _rollout(trial: FrozenTrial) -> Rollout | None:
    record = dict(trial.user_attrs)
    number = record.pop("rollout", None)
    if number is None or trial.value is None:
        return None
    return Rollout(int(number), dict(trial.params), float(trial.value), record)


def batches(rollouts: Sequence[Rollout], size: int) -> list[list[Rollout]]:
    """Cut rollouts into batches; the last one may be incomplete."""
    found: dict[int, list[Rollout]] = {}
    for one in rollouts:
        found.setdefault(one.number // size, []).append(one)
    return [found[number] for number in sorted(found)]
