"""Which words of a description speak for its class, and which against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from kshot_viz.words.files import BUNDLED_WORDS
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.modules.tokens2label import Tokens2Label
from kshot_viz.words.network import as_words
from kshot_viz.words.reader import Reader
from kshot_viz.words.tokens import PADDING, fewer_tokens
from kshot_viz.words.words import Words

if TYPE_CHECKING:
    import pandas as pd

# Points of the path that gradients are taken at.
_PATH = 32
MEASURES = ("without", "gradient")


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
        One row a word: ``class``, ``position`` (from 0), ``token``, ``gradient`` (gradient of the
        score times the word's embedding, see :func:`integrated_gradients`) and ``without`` (by how
        much the score falls when the word is left out of this description). Above zero the word
        speaks for the class. Only learned words have an embedding: where a frozen text encoder
        reads the texts there is no ``gradient``, and the text without the word is encoded.

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
    measures = sorted(trained.vocabulary.evidence)
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
    measure : {"without", "gradient"}
    """
    check_measure(measure, words.vocabulary)
    tokens = words.tokens(descriptions)
    if measure == "gradient":
        return integrated_gradients(words.encoder, tokens, features, targets)
    shorter = words.vocabulary.shorter(list(descriptions.values()))
    return leave_one_out(words.encoder, tokens, features, targets, shorter)


def check_measure(measure: str, vocabulary: Reader) -> None:
    """Raise a KShotError for a measure that there is not, or not for texts read in this way."""
    if measure not in MEASURES:
        raise unknown_name("evidence", measure, MEASURES)
    if measure not in vocabulary.evidence:
        raise KShotValueError(
            f"`evidence` must be {' or '.join(map(repr, vocabulary.evidence))} for {vocabulary}: "
            f"a {measure} is of the learned embedding of each word, and they have none."
        )


def integrated_gradients(
    encoder: WordsEncoder, tokens: Tensor, features: Tensor, targets: Tensor
) -> Tensor:
    """Return gradient times embedding of each word for the score of its class, (classes, T).

    The gradient is the mean along the straight path from the average embedding of all words to the
    word's own (Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017): what
    the words of a class get sums up, as far as the points of the path lie close enough, to what its
    description adds to one of average words. The gradient at the embedding alone says next to
    nothing: the layer norm takes away most of its component along the embedding.

    Parameters
    ----------
    encoder : WordsEncoder
    tokens : Tensor
        (classes, T).
    features : Tensor
        (N, features), standardised.
    targets : Tensor
        (N,).
    """
    reading = encoder.tokens
    assert isinstance(reading, Tokens2Label)
    embedding = reading.embedding
    embedded, padding = embedding(tokens).detach(), tokens == PADDING
    labels = reading.pool(embedded, padding).detach()
    average = embedding.weight.detach()[1:].mean(dim=0)
    shares = (torch.arange(_PATH, dtype=average.dtype) + 0.5) / _PATH
    parts = []
    for c, own in enumerate(embedded):
        path = (average + shares[:, None, None] * (own - average)).requires_grad_(True)
        moved = reading.pool(path, padding[c].expand(_PATH, -1))
        score = scores_of_one(encoder, labels, c, moved, features[targets == c]).sum()
        (gradient,) = torch.autograd.grad(score, path)
        parts.append((gradient.mean(dim=0) * (own - average)).sum(dim=-1))
    return torch.stack(parts)


def leave_one_out(
    encoder: WordsEncoder,
    tokens: Tensor,
    features: Tensor,
    targets: Tensor,
    shorter: Sequence[Tensor] | None = None,
) -> Tensor:
    """Return by how much the score of a class falls without each of its words.

    Parameters
    ----------
    encoder : WordsEncoder
    tokens : Tensor
        (classes, ...): encoded descriptions.
    features : Tensor
        (N, features), standardised.
    targets : Tensor
        (N,).
    shorter : sequence of Tensor, optional
        For each class (words, ...): its description without each of its words. By default those
        of the numbers of learned words.

    Returns
    -------
    Tensor
        (classes, most words), at least one column.
    """
    fewer = [fewer_tokens(row) for row in tokens] if shorter is None else shorter
    falls = torch.zeros(len(tokens), max([1, *map(len, fewer)]))
    with torch.no_grad():
        labels = encoder.tokens(tokens)
        whole = class_scores(encoder, tokens, features, targets)
        for c, rows in enumerate(fewer):
            moved = encoder.tokens(rows)
            scores = scores_of_one(encoder, labels, c, moved, features[targets == c])
            falls[c, : len(rows)] = whole[c] - scores
    return falls


def scores_of_one(
    encoder: WordsEncoder, labels: Tensor, c: int, moved: Tensor, images: Tensor
) -> Tensor:
    """Return the mean log-probability of class ``c`` on its images for other labels of it, (M,).

    Parameters
    ----------
    encoder : WordsEncoder
    labels : Tensor
        (classes, width), of all classes as they are.
    c : int
    moved : Tensor
        (M, width): other labels of class ``c``.
    images : Tensor
        (N, features), standardised, of class ``c``.
    """
    whole = labels.expand(len(moved), *labels.shape)
    task = torch.cat([whole[:, :c], moved[:, None], whole[:, c + 1 :]], dim=1)
    prototypes = encoder.head(encoder.context(task))
    logits = encoder.head.logits(prototypes, images.expand(len(moved), -1, -1))
    return logits.log_softmax(dim=-1)[..., c].mean(dim=1)


def class_scores(
    encoder: WordsEncoder, tokens: Tensor, features: Tensor, targets: Tensor
) -> Tensor:
    """Return the mean log-probability of each class on its own images, (classes,)."""
    with torch.no_grad():
        prototypes = encoder.prototypes(tokens[None])[0]
        logs = encoder.head.logits(prototypes, features).log_softmax(dim=-1)
    own = logs[torch.arange(len(targets)), targets]
    return torch.stack([own[targets == c].mean() for c in range(len(tokens))])
