"""Load trained words: those that come with the package, or a file."""

from __future__ import annotations

from pathlib import Path

from kshot_viz.checks import checked, instance
from kshot_viz.errors import unknown_name
from kshot_viz.words.storage import WEIGHTS, read_parts
from kshot_viz.words.words import Words

BUNDLED_WORDS = "glyphnet-words"
_BUNDLED = Path(__file__).parent / "weights"


@checked(name_or_path=instance(str, Path))
def load_words(name_or_path: str | Path) -> Words:
    """Load trained words.

    Parameters
    ----------
    name_or_path : str or pathlib.Path
        ``"glyphnet-words"``, which come with the package and were trained for the bundled
        network, or a file that :meth:`Words.save` wrote.

    Returns
    -------
    Words

    Raises
    ------
    KShotKeyError
        For an unknown name.
    KShotFileError
        For files that are missing, cut off, or do not fit each other.
    """
    if str(name_or_path) == BUNDLED_WORDS:
        return Words(*read_parts(_BUNDLED / f"{BUNDLED_WORDS}{WEIGHTS}"))
    path = Path(name_or_path).expanduser()
    if path.suffix != WEIGHTS:
        raise unknown_name("name_or_path", name_or_path, [BUNDLED_WORDS, f"FILE{WEIGHTS}"])
    return Words(*read_parts(path))
