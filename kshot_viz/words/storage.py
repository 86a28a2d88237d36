"""Words on disk: weights as safetensors, and a JSON record beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.files import read_json, whole_file, write_json
from kshot_viz.models.loading.weights import read_weights
from kshot_viz.models.modes import not_finite
from kshot_viz.words.frozen.encoder import TextEncoder, TextFunction
from kshot_viz.words.frozen.loading import check_same, needed_encoder
from kshot_viz.words.frozen.open_vocabulary import OpenVocabulary
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.reader import Reader
from kshot_viz.words.tokens import Vocabulary

SCHEMA = 1
WEIGHTS = ".safetensors"
# What a Words is made of.
Parts = tuple[Reader, WordsEncoder, dict[str, Any]]


def write_parts(parts: Parts, path: str | Path) -> Path:
    """Write the parts of words; return the file of the weights.

    Raises
    ------
    KShotValueError
        If the name does not end in ``.safetensors``.
    KShotFileError
        If a file cannot be written.
    """
    from safetensors.torch import save

    vocabulary, encoder, record = parts
    target = Path(path).expanduser()
    if target.suffix != WEIGHTS:
        raise KShotValueError(f"`path` must end in {WEIGHTS}; not {target.name!r}.")
    made_folder(target.parent)
    weights = {name: value.contiguous() for name, value in encoder.state_dict().items()}
    with whole_file(target) as part:
        part.write_bytes(save(weights))
    document = {
        "schema": SCHEMA,
        "architecture": encoder.architecture,
        "record": record,
        "vocabulary": list(vocabulary.words),
    }
    write_json(target.with_suffix(".json"), document, indent=1)
    return target


def made_folder(path: str | Path) -> Path:
    """Make a folder if it is missing; a KShotFileError says why it cannot be."""
    folder = Path(path).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise KShotFileError(f"The folder {str(path)!r} cannot be made: {error}.") from error
    return folder


def read_parts(path: Path, encoder: str | TextFunction | None = None) -> Parts:
    """Read the parts of words from the file of the weights and the record beside it.

    Parameters
    ----------
    path : pathlib.Path
        The file of the weights.
    encoder : str or callable, optional
        The text encoder, where the words need one.

    Raises
    ------
    KShotFileError
        For files that are missing, cut off, or do not fit each other.
    KShotValueError
        If the encoder is missing or another one.
    """
    beside = path.with_suffix(".json")
    document = read_json(beside, called=f"The record {beside}")
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise KShotFileError(f"The record {beside} must have schema {SCHEMA}.")
    weights = read_weights(path)
    reads = needed_encoder(document, encoder, path)
    try:
        parts = _built(document, weights, reads)
    # A record that was changed by hand may hold any value anywhere.
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError) as error:
        raise KShotFileError(
            f"The words {path} and their record {beside.name} do not fit: {error}."
        ) from error
    if broken := not_finite(weights, weights, lambda _: False):
        raise KShotFileError(f"The words {path} hold NaN or infinity: {', '.join(broken[:8])}.")
    check_same(parts[1].tokens, reads, path)
    return parts


def _built(
    document: Mapping[str, Any], weights: Mapping[str, Tensor], reads: TextEncoder | None
) -> Parts:
    words = tuple(_each(document["vocabulary"], str))
    vocabulary = Vocabulary(words) if reads is None else OpenVocabulary(words, reads)
    about, record = document["architecture"], document["record"]
    layers = {str(name): tuple(_each(shape, int)) for name, shape in about["layers"].items()}
    # On the meta device a record of a wrong size takes no memory.
    with torch.device("meta"):
        encoder = WordsEncoder(
            vocabulary.to_label(about["width"]),
            about["features"],
            width=about["width"],
            layers=layers,
            adapt=about["adapt"],
            rank=about["rank"],
        )
    # A copy lies in memory as trained weights do, which decides the last bits of products.
    encoder.load_state_dict({name: value.clone() for name, value in weights.items()}, assign=True)
    if not isinstance(record["backbone"]["fingerprint"], str):
        raise TypeError("the fingerprint of the backbone is no text")
    return vocabulary, encoder, dict(record)


def _each(values: Any, kind: type) -> list[Any]:
    if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
        raise TypeError(f"a list of {kind.__name__} is something else")
    return values
