"""Trained words: descriptions of classes in, a head or changes of the layers out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kshot_viz.checks import check, instance, mapping
from kshot_viz.errors import KShotValueError
from kshot_viz.models.backbone import Backbone
from kshot_viz.threads import one_thread
from kshot_viz.words.blend import PRIOR_COUNT
from kshot_viz.words.descriptions import matched
from kshot_viz.words.identity import body_fingerprint
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.modules.labels2adaptation import LayerChange
from kshot_viz.words.reader import Reader
from kshot_viz.words.storage import write_parts
from kshot_viz.words.tokens import split_words

# Every word is compared with every other one of its description.
MOST_WORDS = 200


@dataclass(frozen=True, eq=False, repr=False)
class Words:
    """A trained encoder of descriptions, for one backbone.

    Attributes
    ----------
    vocabulary : Vocabulary or OpenVocabulary
        The words it knows, or the frozen text encoder that it reads texts with.
    encoder : WordsEncoder
        In eval mode, without gradients.
    record : mapping
        How it was trained: backbone, data, recipe, seed, versions, accuracy on validation classes;
        ``encoder`` (name, digest, dimension) where a frozen text encoder reads the texts.

    Notes
    -----
    ``descriptions`` are a mapping, class -> text, of at least two classes. All methods raise a
    :class:`KShotKeyError` for unknown words, and a :class:`KShotValueError` for one class, an
    empty description, or two classes with the same words.
    """

    vocabulary: Reader
    encoder: WordsEncoder
    record: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.encoder.eval().requires_grad_(False)

    @property
    def prior_count(self) -> float:
        """As how many images of its class a description counts.

        The training chose it on its validation classes; 4 where there were none.
        """
        return float(self.record.get("prior_count") or PRIOR_COUNT)

    def prototypes(self, descriptions: Mapping[str, str]) -> Tensor:
        """Return a prototype of each class, (classes, features), of standardised features."""
        tokens = self.tokens(descriptions)
        with torch.no_grad(), one_thread():
            return self.encoder.prototypes(tokens[None])[0]

    def head(self, descriptions: Mapping[str, str]) -> tuple[Tensor, Tensor]:
        """Return weight (classes, features) and bias (classes,) of a linear head.

        It reads the backbone's features as they are: the standardisation is folded in.
        """
        return self.encoder.head.linear(self.prototypes(descriptions))

    def changes(self, descriptions: Mapping[str, str]) -> dict[str, LayerChange]:
        """Return the change of each layer of the backbone.

        Raises
        ------
        KShotValueError
            Besides the errors of all methods: where none were trained.
        """
        if self.encoder.adaptation is None:
            raise KShotValueError(
                "these words were trained without changes of layers, so `adapt` must be False; "
                "fit_words(recipe=WordsRecipe(adapt='scale_shift')) trains them."
            )
        tokens = self.tokens(descriptions)
        with torch.no_grad(), one_thread():
            return self.encoder.changes(tokens)

    def tokens(self, descriptions: Mapping[str, str]) -> Tensor:
        """Check descriptions, and encode them, (classes, longest or dimension)."""
        order = self.vocabulary.sees_order
        return self.vocabulary.encode(checked_descriptions(descriptions, order_counts=order))

    def check(self, backbone: Backbone) -> None:
        """Raise a KShotValueError for a backbone that these words were not trained for."""
        if body_fingerprint(backbone) != self.record["backbone"]["fingerprint"]:
            raise KShotValueError(
                f"`words` were trained for {self.record['backbone']['name']!r} with other weights "
                f"or another preprocess than those of {backbone.name!r}; "
                f"fit_words(backbone, data) trains words for it."
            )

    def save(self, path: str | Path) -> Path:
        """Write the weights (``.safetensors``) and, beside them, the record (``.json``).

        Returns
        -------
        pathlib.Path
            The file of the weights, which :func:`kshot_viz.words.load_words` reads.
        """
        check("path", path, instance(str, Path))
        return write_parts((self.vocabulary, self.encoder, dict(self.record)), path)

    def __repr__(self) -> str:
        numbers = sum(p.numel() for p in self.encoder.parameters())
        return (
            f"Words({self.vocabulary}, {numbers:,} parameters, "
            f"for {self.record['backbone']['name']!r})"
        )


def checked_descriptions(
    descriptions: Mapping[str, str], *, order_counts: bool = False
) -> dict[str, str]:
    """Check that descriptions tell at least two classes from each other.

    Parameters
    ----------
    descriptions : mapping of str to str
    order_counts : bool
        Whether the same words in another order are another description. Learned words have no
        order; to train on, there may be a few such pairs.

    Raises
    ------
    KShotValueError
        For one class, an empty description, one of more than :data:`MOST_WORDS` words, or equal
        words for two classes; names them.
    """
    check("descriptions", descriptions, mapping)
    found = matched(descriptions, descriptions)
    if len(found) < 2:
        raise KShotValueError(
            f"`descriptions` must have at least two classes to tell from each other; "
            f"not {len(found)}."
        )
    seen: dict[tuple[str, ...], str] = {}
    for name, text in found.items():
        given = split_words(text)
        if len(given) > MOST_WORDS:
            raise KShotValueError(
                f"The description of {name!r} has {len(given):,} words; at most {MOST_WORDS} are "
                f"read. Keep the sentences that say what the class looks like."
            )
        words = tuple(given if order_counts else sorted(given))
        if words in seen:
            raise KShotValueError(
                f"`descriptions` of {seen[words]!r} and {name!r} have the same words: {text!r}. "
                f"Nothing tells the two classes from each other"
                f"{'.' if order_counts else '; word order is not seen.'}"
            )
        seen[words] = name
    return found
