"""Which words of a description speak for its class, and which against it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kshot_viz.checks import checked, instance, mapping
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.errors import KShotValueError, unknown_name
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.threads import one_thread
from kshot_viz.words.descriptions import matched
from kshot_viz.words.evidence.gradients import integrated_gradients
from kshot_viz.words.evidence.shapley import shapley_values
from kshot_viz.words.evidence.without import leave_one_out
from kshot_viz.words.files import BUNDLED_WORDS
from kshot_viz.words.network import as_words
from kshot_viz.words.reader import Reader
from kshot_viz.words.words import Words

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("shapley", "without", "gradient")


@checked(backbone=BACKBONE, data=instance(ImageDataset), descriptions=mapping)
def word_evidence(
    backbone: Backbone,
    data: ImageDataset,
    descriptions: Mapping[str, str],
    words: Words | str | Path = BUNDLED_WORDS,
) -> pd.DataFrame:
    """Measure what each word of each description does for its class.

    The score of a class is the mean log-probability that its images get of being in it, by the
    head that the descriptions give.

    Parameters
    ----------
    backbone : Backbone
        The network that ``words`` were trained for.
    data : ImageDataset
        Images of every class.
    descriptions : mapping of str to str
        Class -> text.
    words : Words, str or pathlib.Path
        Trained words, or what :func:`kshot_viz.words.load_words` takes.

    Returns
    -------
    pandas.DataFrame
        One row a word: ``class``, ``position`` (from 0), ``token``, ``shapley`` (what the word adds
        to the score, averaged over all orders of the words, see :func:`shapley_values`),
        ``without`` (by how much the score falls when the word alone is left out) and ``gradient``
        (gradient of the score times the word's embedding, see :func:`integrated_gradients`). Above
        zero the word speaks for the class. Where a frozen text encoder reads the texts there is
        ``without`` only: the text without the word is encoded.

    Raises
    ------
    KShotKeyError, KShotValueError
        As :func:`kshot_viz.network_from_words`; and for a class without images.
    """
    import pandas as pd

    trained = as_words(words)
    trained.check(backbone)
    given = matched(descriptions, data.classes)
    trained.tokens(given)
    bare = [name for name, count in data.counts().items() if not count]
    if bare:
        raise KShotValueError(f"every class needs images to be scored on; {bare[:8]} have none.")
    features = trained.encoder.head.standardise(penultimate_features(backbone, data.images))
    targets = torch.from_numpy(data.targets)
    measures = trained.vocabulary.evidence
    with one_thread():
        found = [measured(trained, given, features, targets, one) for one in measures]
    rows = [
        (name, position, token, *(float(values[c, position]) for values in found))
        for c, (name, text) in enumerate(given.items())
        for position, token in enumerate(trained.vocabulary.split(text))
    ]
    return pd.DataFrame(rows, columns=["class", "position", "token", *measures])


def measured(
    words: Words, descriptions: Mapping[str, str], features: Tensor, targets: Tensor, measure: str
) -> Tensor:
    """Return one measure of what each word does for its class, (classes, longest description).

    Parameters
    ----------
    words : Words
    descriptions : mapping of str to str
        Class -> text.
    features : Tensor
        (N, features), standardised.
    targets : Tensor
        (N,).
    measure : {"shapley", "without", "gradient"}
    """
    check_measure(measure, words.vocabulary)
    tokens = words.tokens(descriptions)
    if measure != "without":
        of_words = {"shapley": shapley_values, "gradient": integrated_gradients}[measure]
        return of_words(words.encoder, tokens, features, targets)
    shorter = words.vocabulary.shorter(list(descriptions.values()))
    return leave_one_out(words.encoder, tokens, features, targets, shorter)


def check_measure(measure: str, vocabulary: Reader) -> None:
    """Raise a KShotError for a measure that there is not, or not for texts read in this way."""
    if measure not in MEASURES:
        raise unknown_name("evidence", measure, MEASURES)
    if measure not in vocabulary.evidence:
        raise KShotValueError(
            f"`evidence` must be {' or '.join(map(repr, vocabulary.evidence))} for {vocabulary}: "
            f"{measure!r} is of words that have a learned embedding each, and they have none."
        )
