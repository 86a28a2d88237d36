"""Load trained words: those that come with the package, or a file."""

from __future__ import annotations

from pathlib import Path

from kshot_viz.checks import checked, instance, optional
from kshot_viz.errors import KShotFileError, KShotValueError, unknown_name
from kshot_viz.files import read_json
from kshot_viz.records import content_digest
from kshot_viz.words.frozen.encoder import TextFunction, encoder_rule
from kshot_viz.words.frozen.loading import needed_name
from kshot_viz.words.frozen.minilm import NAME
from kshot_viz.words.storage import WEIGHTS, read_parts
from kshot_viz.words.words import Words

BUNDLED_WORDS = "glyphnet-words"
_BUNDLED = Path(__file__).parent / "weights"


@checked(name_or_path=instance(str, Path), encoder=optional(encoder_rule))
def load_words(name_or_path: str | Path, encoder: str | TextFunction | None = None) -> Words:
    """Load trained words.

    Parameters
    ----------
    name_or_path : str or pathlib.Path
        ``"glyphnet-words"``, which come with the package and were trained for the bundled
        network, or a file that :meth:`Words.save` wrote.
    encoder : callable, optional
        The function that :func:`fit_words` was given, for words that were trained with one: it is
        not in the file. ``"minilm"`` is found by itself.

    Returns
    -------
    Words

    Raises
    ------
    KShotKeyError
        For an unknown name.
    KShotFileError
        For files that are missing, cut off, or do not fit each other.
    KShotValueError
        If the encoder is missing, has another dimension or gives other vectors.
    """
    return Words(*read_parts(_weights_file(name_or_path), encoder))


def words_digest(name_or_path: str | Path) -> str:
    """Return a digest of the files of trained words; raises what :func:`load_words` does."""
    path = _weights_file(name_or_path)
    try:
        parts = [path.with_suffix(".json").read_bytes(), path.read_bytes()]
    except OSError as error:
        raise KShotFileError(f"The words {path} cannot be read: {error}.") from error
    return content_digest(parts)[:16]


def check_found_alone(name_or_path: str | Path) -> None:
    """Raise a KShotValueError for words that need a function, which no file holds."""
    path = _weights_file(name_or_path)
    beside = path.with_suffix(".json")
    name = needed_name(read_json(beside, called=f"The record {beside}"), path)
    if name not in (None, NAME):
        raise KShotValueError(
            f"HeadFromWords finds words by their file, in every process, and the words {path} read "
            f"texts with the function {name!r}, which is not in it. It takes learned words and "
            f"those with the encoder {NAME!r}."
        )


def _weights_file(name_or_path: str | Path) -> Path:
    if str(name_or_path) == BUNDLED_WORDS:
        return _BUNDLED / f"{BUNDLED_WORDS}{WEIGHTS}"
    path = Path(name_or_path).expanduser()
    if path.suffix != WEIGHTS:
        raise unknown_name("name_or_path", name_or_path, [BUNDLED_WORDS, f"FILE{WEIGHTS}"])
    return path
