"""Save a tuned classifier to a folder, and load it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kshot_viz.checks import check, checked, instance, optional, text
from kshot_viz.data.images import image_digests
from kshot_viz.errors import KShotFileError, KShotValueError
from kshot_viz.finetune.result import FinetuneResult
from kshot_viz.grouping.grouping import Grouping
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.models.backbone import BACKBONE, Backbone
from kshot_viz.models.inputs.support import support_images
from kshot_viz.study.manifest import versions
from kshot_viz.study.recommendation.estimate import Estimate
from kshot_viz.study.recommendation.recommendation import Recommendation
from kshot_viz.study.saved.folder import ABOUT, read_folder, write_folder
from kshot_viz.study.saved.network_record import (
    network_record,
    rebuilt,
    savable,
    state_of,
)
from kshot_viz.study.saved.saved_classifier import SavedClassifier

_LABELS = (str, int, float, bool)


@checked(
    folder=instance(str, Path),
    recommendation=optional(instance(Recommendation)),
    command=text,
)
def save_classifier(
    classifier: Any,
    folder: str | Path,
    *,
    support: Any = None,
    recommendation: Recommendation | None = None,
    command: str = "",
) -> Path:
    """Save a tuned classifier: weights as safetensors, everything else as JSON.

    Parameters
    ----------
    classifier : FinetuneResult, fitted KShotClassifier or SavedClassifier
    folder : path
        A classifier that is there already is replaced, at once.
    support : optional
        The images it was trained on, as :func:`kshot_viz.finetune` took them; their digests are
        kept, so that an image can be recognised as one of them.
    recommendation : Recommendation, optional
        What was recommended, with its estimate of the accuracy; a KShotClassifier has its own.
    command : str
        What made it, kept as a note.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    KShotValueError
        For anything else, a run that diverged, classes that are neither texts nor numbers, and a
        network with modules that a method of your own added and has no ``rebuild`` for.
    KShotFileError
        If the folder cannot be written, or holds a ``classifier.json`` of another kind.
    """
    result = _result_of(classifier)
    network = savable(result)
    advice = recommendation or getattr(classifier, "recommendation_", None)
    record = {
        "classes": _plain_classes(result),
        "method": result.method,
        "config": result.config.to_dict(),
        "grouping": None if result.grouping is None else result.grouping.to_dict(),
        "seed": int(result.seed),
        "losses": [float(one) for one in result.losses],
        "accuracies": [float(one) for one in result.accuracies],
        "seconds": result.seconds,
        "network": network_record(network, len(result.classes), result.method),
        "recommendation": None if advice is None else advice.to_dict(),
        "training": {"digests": _digests(support), "command": command},
        "versions": versions(),
    }
    if isinstance(classifier, SavedClassifier):
        record |= _kept(classifier, record)
    write_folder(Path(folder), record, state_of(network))
    return Path(folder)


@checked(folder=instance(str, Path), backbone=optional(BACKBONE))
def load_classifier(folder: str | Path, *, backbone: Backbone | None = None) -> SavedClassifier:
    """Load a classifier that :func:`save_classifier` or ``kshot-viz fit`` wrote.

    Nothing in the folder is executed.

    Parameters
    ----------
    folder : path
    backbone : Backbone, optional
        The network before it was tuned, needed for one of a class of your own or with a function
        as preprocess.

    Raises
    ------
    KShotFileError
        For a folder that is missing, of another kind or version, damaged or changed.
    KShotValueError
        If the network must be given, or another one is.
    """
    record, state = read_folder(Path(folder))
    try:
        classes, estimate = np.asarray(record["classes"]), _estimate_in(record)
        tuned = rebuilt(record["network"], state, len(classes), record["method"], backbone)
        return SavedClassifier(_run(record, tuned, classes), estimate, record)
    except KShotValueError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KShotFileError(
            f"{Path(folder) / ABOUT} holds a damaged classifier: {error!r}."
        ) from error


def _kept(classifier: SavedClassifier, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a loaded classifier still says of its training, where nothing new is given."""
    then, now = classifier.record, record["training"]
    return {
        "recommendation": record["recommendation"] or then["recommendation"],
        "training": {name: now[name] or then["training"][name] for name in now},
        "versions": then["versions"],
    }


def _run(record: Mapping[str, Any], tuned: Backbone, classes: NDArray[Any]) -> FinetuneResult:
    """Return the run that a record tells of."""
    held = record["grouping"]
    return FinetuneResult(
        backbone=tuned,
        classes=classes,
        losses=tuple(record["losses"]),
        accuracies=tuple(record["accuracies"]),
        method=record["method"],
        grouping=None if held is None else Grouping.from_dict(held),
        config=FinetuneConfig.from_dict(record["config"]),
        seed=record["seed"],
        status="ok",
        seconds=record["seconds"],
    )


def _result_of(classifier: Any) -> FinetuneResult:
    """Return the tuned network of any kind of classifier."""
    held = classifier.result if isinstance(classifier, SavedClassifier) else classifier
    result = getattr(held, "result_", held)
    expected = "a FinetuneResult, a fitted KShotClassifier or a SavedClassifier"
    check("classifier", result, lambda one: "" if isinstance(one, FinetuneResult) else expected)
    if result.diverged:
        raise KShotValueError(
            f"The run {result.status}: there is no classifier to save. A smaller `lr` may help."
        )
    return result


def _plain_classes(result: FinetuneResult) -> list[Any]:
    classes = result.classes.tolist()
    if not all(isinstance(one, _LABELS) for one in classes):
        raise KShotValueError(
            f"The classes must be texts or numbers to be saved; not {classes[:3]!r}."
        )
    return classes


def _digests(support: Any) -> list[str]:
    return [] if support is None else list(image_digests(_images(support)))


def _images(support: Any) -> Any:
    """Return the images of a support; a data set has their digests already."""
    return support if hasattr(support, "digests") else support_images(support)


def _estimate_in(record: Mapping[str, Any]) -> Estimate | None:
    advice = record["recommendation"]
    held = None if advice is None else advice["estimate"]
    return None if held is None else Estimate.from_dict(held)
