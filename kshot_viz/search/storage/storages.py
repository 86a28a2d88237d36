"""Open the Optuna study of a search: in memory, a journal, a database, or a storage object."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.storages.journal import JournalStorage
from sqlalchemy.exc import SQLAlchemyError

from kshot_viz.errors import KShotFileError
from kshot_viz.search.storage.journal import journal_backend

MEMORY = "memory"
NAME = "kshot-viz group search"
_SQLITE = "sqlite:///"

Storage = str | Path | BaseStorage


def is_journal(storage: Storage) -> bool:
    """Return whether this is the path of a journal."""
    if isinstance(storage, str):
        return storage != MEMORY and "://" not in storage
    return isinstance(storage, Path)


def file_of(storage: Storage) -> Path | None:
    """Return the file of a journal or an SQLite database; None for any other storage."""
    if is_journal(storage):
        return Path(str(storage))
    if isinstance(storage, str) and len(storage) > len(_SQLITE) and storage.startswith(_SQLITE):
        return Path(storage.removeprefix(_SQLITE))
    return None


def open_study(storage: Storage, key: str | None, *, create: bool) -> optuna.Study:
    """Open the study of a search.

    Parameters
    ----------
    storage : str, Path or BaseStorage
    key : str or None
        Identifies a search in a database; a journal, or memory, holds one.
    create : bool
        Create it if there is none.

    Raises
    ------
    KShotFileError
        If the storage cannot be opened, or there is no such search, or more than one.
    """
    opened = _open(storage)
    if is_journal(storage) or isinstance(opened, InMemoryStorage):
        key = None
    if create:
        return optuna.create_study(
            storage=opened, study_name=_name(key), direction="maximize", load_if_exists=True
        )
    names = [name for name in optuna.get_all_study_names(opened) if name.startswith(NAME)]
    found = names if key is None else [name for name in names if name == _name(key)]
    if not found:
        raise KShotFileError(f"There is no search{f' {key!r}' if key else ''} in {storage}.")
    if len(found) > 1:
        keys = ", ".join(name.removeprefix(NAME).strip() for name in found)
        raise KShotFileError(f"{storage} holds {len(found)} searches; choose by `key=`: {keys}.")
    return optuna.load_study(storage=opened, study_name=found[0])


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress Optuna's log message for every trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _name(key: str | None) -> str:
    return NAME if key is None else f"{NAME} {key}"


def _open(storage: Storage) -> BaseStorage:
    if isinstance(storage, BaseStorage):
        return storage
    if storage == MEMORY:
        return InMemoryStorage()
    try:
        if is_journal(storage):
            return JournalStorage(journal_backend(Path(str(storage))))
        return RDBStorage(str(storage))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise KShotFileError(f"{storage} is not the journal of a search: {error}") from error
    except (ImportError, SQLAlchemyError) as error:
        raise KShotFileError(f"The storage {storage} cannot be opened: {error}") from error
