"""Episodes on disk: JSON with a schema number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kshot_viz.data.episodes.episode import Episode
from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.files import whole_file

SCHEMA = 1
_KIND = "kshot_viz.episodes"


def save_episodes(episodes: Sequence[Episode], path: str | Path) -> None:
    """Write episodes as JSON; one line per episode, so that files can be compared."""
    lines = ",\n".join(json.dumps(episode.to_dict()) for episode in episodes)
    head = f'{{"schema": {SCHEMA}, "kind": "{_KIND}", "episodes": [\n'
    with whole_file(Path(path), called=repr(str(path))) as part:
        part.write_text(f"{head}{lines}\n]}}\n", encoding="utf-8")


def load_episodes(path: str | Path) -> list[Episode]:
    """Read episodes written by :func:`save_episodes`.

    Raises
    ------
    KShotFileError
        If the file is missing, cut off, of another kind, or of a newer schema.
    """
    document = _read(path)
    if not isinstance(document, dict) or document.get("kind") != _KIND:
        raise KShotFileError(f"{str(path)!r} holds no episodes of kshot_viz.")
    schema = document.get("schema")
    if schema != SCHEMA:
        raise KShotFileError(
            f"{str(path)!r} has schema {schema!r}; this version reads {SCHEMA}. "
            "Update kshot_viz, or sample the episodes again."
        )
    try:
        return [Episode.from_dict(record) for record in document["episodes"]]
    except (KeyError, TypeError, KShotValueError) as error:
        raise KShotFileError(f"{str(path)!r} holds a broken episode: {error}") from error


def _read(path: str | Path) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KShotFileError(f"cannot read the episodes of {str(path)!r}: {error}") from error
