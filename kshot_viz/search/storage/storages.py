"""Where searches are kept: memory, Optuna's journal with locks of its own, or a database."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalStorage
from sqlalchemy.exc import SQLAlchemyError

from kshot_viz.errors import KShotFileError

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


# `in_use` of another process holds the owner's lock for a moment.
LOOK_SECONDS = 0.5
# A write takes less than a millisecond.
POLL_SECONDS = 0.001


class WriteLock(JournalFileOpenLock):
    """Lock of a journal for the time of one write.

    Optuna's own lock is a link that is created and deleted: if JupyterLab lists the folder at that
    moment, it reports that the folder is gone. It also outlives a process that is killed. A program
    that opens the journal with Optuna's lock does not wait for this one, so it may only read.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._lock = _lock_of(path.with_name(f".{path.name}.write"))
        # Threads that share this object wait here: a FileLock lets them all in.
        self._mine = threading.Lock()

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._mine.acquire()
        try:
            self._lock.acquire(poll_interval=POLL_SECONDS)
        except BaseException:
            self._mine.release()
            raise
        return True

    def release(self) -> None:
        """Release the lock."""
        if self._lock.is_locked:
            self._lock.release()
            self._mine.release()


def journal_backend(path: Path) -> JournalFileBackend:
    """Open a journal for reading and appending."""
    return JournalFileBackend(str(path), WriteLock(path))


class Owner:
    """Lock of a journal for as long as a search runs; one process at a time holds it."""

    def __init__(self, path: Path) -> None:
        self._lock = _lock_of(owner_of(path))
        try:
            self._lock.acquire(timeout=LOOK_SECONDS, poll_interval=POLL_SECONDS)
        except Timeout:
            raise KShotFileError(
                f"{path} is in use by another search. Follow that one with "
                f"kv.GroupSearch.attach({str(path)!r}), or give this one a file of its own."
            ) from None
        cut_torn_line(path)

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()


def in_use(path: Path) -> bool:
    """Return whether a running search owns this journal."""
    lock = _taken(owner_of(path)) if path.exists() else None
    if lock is not None:
        lock.release()
        return False
    return path.exists()


def cut_torn_line(path: Path) -> None:
    """Cut an incomplete last line off, after saving a copy of the file beside it.

    A line that was appended to an incomplete one is cut off with it.
    """
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    last = content.rfind(b"\n", 0, max(0, whole - 1)) + 1
    if not _is_json(content[last:whole]):
        whole = last
    if whole == len(content):
        return
    copy = next(p for n in range(1, 10**6) if not (p := Path(f"{path}.torn-{n}")).exists())
    copy.write_bytes(content)
    with path.open("r+b") as file:
        file.truncate(whole)
        os.fsync(file.fileno())


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line or b"0")
    except ValueError:
        return False
    return True


def owner_of(path: Path) -> Path:
    """Return the file whose lock the running search holds."""
    return Path(f"{path}.owner")


def _lock_of(path: Path) -> FileLock:
    """Return the operating system's lock on a file, not taken yet; it ends with its process.

    The thread that releases it may be another one than the one that took it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, thread_local=False)


def _taken(path: Path) -> FileLock | None:
    """Take the lock on a file, or return None where another has it."""
    lock = _lock_of(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock
