"""A network for described classes: from descriptions alone, or with a few images of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from kshot_viz.checks import check, checked, flag, instance, mapping, number, optional
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.models.head_init import fill_head
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.words.blend import blend
from kshot_viz.words.descriptions import matched
from kshot_viz.words.files import BUNDLED_WORDS, load_words
from kshot_viz.words.folding import fold
from kshot_viz.words.words import Words


@checked(backbone=BACKBONE, descriptions=mapping, adapt=flag)
def network_from_words(
    backbone: Backbone,
    descriptions: Mapping[str, str],
    words: Words | str | Path = BUNDLED_WORDS,
    *,
    adapt: bool = False,
) -> Backbone:
    """Make a classifier for described classes, without any image of them.

    Parameters
    ----------
    backbone : Backbone
        The network that ``words`` were trained for.
    descriptions : mapping of str to str
        Class -> text, for example ``{"a": "latin small a", "b": "latin small a with grave"}``.
    words : Words, str or pathlib.Path
        Trained words, or what :func:`kshot_viz.words.load_words` takes.
    adapt : bool, default False
        Also change the layers as the descriptions say; needs words that were trained for it.

    Returns
    -------
    Backbone
        An ordinary backbone with its head; row ``i`` of the logits is class ``i`` of
        ``descriptions``. Its ``notes["classes"]`` lists them.

    Raises
    ------
    KShotKeyError
        For words that are unknown, with the nearest known.
    KShotValueError
        For fewer than two classes, empty or equal descriptions, or another backbone.

    Examples
    --------
    >>> import kshot_viz as kv
    >>> names = {"a": "latin small a", "b": "greek small omega with tonos"}
    >>> network = kv.network_from_words(kv.load_backbone("glyphnet"), names)
    >>> network.notes["classes"]
    ['a', 'b']
    """
    trained = as_words(words)
    network = _body(backbone, descriptions, trained, adapt=adapt)
    return with_prototypes(network, descriptions, trained, trained.prototypes(descriptions))


@checked(
    backbone=BACKBONE,
    descriptions=mapping,
    support=instance(ImageDataset),
    adapt=flag,
    prior_count=optional(number(0, above=True)),
)
def network_from_words_and_images(
    backbone: Backbone,
    descriptions: Mapping[str, str],
    support: ImageDataset,
    words: Words | str | Path = BUNDLED_WORDS,
    *,
    adapt: bool = False,
    prior_count: float | None = None,
) -> Backbone:
    """Make a classifier for classes with a description and k images each.

    The prototype of a class is ``(n0 p + sum of features) / (n0 + k)``: its description counts as
    much as ``n0`` images.

    Parameters
    ----------
    backbone, descriptions, words, adapt
        As in :func:`network_from_words`.
    support : ImageDataset
        Images of the same classes; each may have a number of its own, also none.
    prior_count : float, optional
        n0; by default :attr:`Words.prior_count`, which the training chose.

    Returns
    -------
    Backbone
        As in :func:`network_from_words`.

    Raises
    ------
    KShotKeyError, KShotValueError
        As in :func:`network_from_words`; and for classes without a description or descriptions
        without a class.
    """
    trained = as_words(words)
    given = matched(descriptions, support.classes)
    network = _body(backbone, descriptions, trained, adapt=adapt)
    features = trained.encoder.head.standardise(penultimate_features(network, support.images))
    targets = torch.from_numpy(support.targets)
    order = [list(given).index(name) for name in descriptions]
    sums = torch.stack([features[targets == c].sum(dim=0) for c in order])
    counts = torch.stack([(targets == c).sum() for c in order])
    blended = blend(
        trained.prototypes(descriptions), sums, counts, prior_count or trained.prior_count
    )
    return with_prototypes(network, descriptions, trained, blended)


def as_words(words: Words | str | Path) -> Words:
    """Return words, loaded where a name or a file is given."""
    check("words", words, instance(Words, str, Path))
    return words if isinstance(words, Words) else load_words(words)


def _body(
    backbone: Backbone, descriptions: Mapping[str, str], words: Words, *, adapt: bool
) -> Backbone:
    words.check(backbone)
    return fold(backbone, words.changes(descriptions)) if adapt else backbone


def with_prototypes(
    body: Backbone, descriptions: Mapping[str, str], words: Words, prototypes: Tensor
) -> Backbone:
    """Return a copy of a backbone with the head of these prototypes, (classes, features)."""
    network = body.with_new_head(len(descriptions))
    fill_head(network, *words.encoder.head.linear(prototypes))
    network.notes = {**body.notes, "classes": list(descriptions), "words": repr(words)}
    return network
