"""Files of a network from descriptions: its texts, and a classifier that loads without them."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kshot_viz.files import write_json
from kshot_viz.finetune.result import FinetuneResult
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.methods.rivals.from_words import FromWords
from kshot_viz.study.saved.save_load import save_classifier
from kshot_viz.widgets.base.background import Failed
from kshot_viz.widgets.comparison.download import Download, File
from kshot_viz.words.descriptions import IN_ONE_FILE
from kshot_viz.words.preview import Outcome

_ZIP = "network.zip"


def downloads(outcome: Callable[[], Outcome], failed: Failed) -> list[Download]:
    """Return a button for the descriptions and one for the network."""
    return [
        Download(
            "Descriptions",
            "The descriptions as JSON, as kv.describe reads them from a folder of images",
            lambda: descriptions_file(outcome()),
            failed,
        ),
        Download(
            "Network",
            "The network as a zipped folder for kv.load_classifier and kshot-viz predict",
            lambda: network_file(outcome()),
            failed,
        ),
    ]


def descriptions_file(outcome: Outcome) -> File:
    """Return the descriptions as JSON."""
    content = json.dumps(outcome.descriptions, indent=1, ensure_ascii=False)
    return IN_ONE_FILE, "application/json", content.encode()


def network_file(outcome: Outcome) -> File:
    """Return the saved classifier with its descriptions as one zip file."""
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory() as made, zipfile.ZipFile(buffer, "w") as packed:
        for path in sorted(save_network(outcome, made).iterdir()):
            packed.write(path, path.name)
    return _ZIP, "application/zip", buffer.getvalue()


def save_network(outcome: Outcome, folder: str | Path) -> Path:
    """Write a classifier and its descriptions to a folder.

    Raises
    ------
    KShotFileError
        If the folder cannot be written, or holds a ``classifier.json`` of another kind.
    """
    result = FinetuneResult(
        backbone=outcome.network(),
        classes=np.asarray(outcome.classes),
        losses=(),
        accuracies=(),
        method=FromWords.name,
        grouping=None,
        config=FinetuneConfig(steps=0),
        seed=0,
        status="ok",
        seconds=0.0,
    )
    saved = save_classifier(result, folder)
    write_json(saved / IN_ONE_FILE, outcome.descriptions, indent=1)
    return saved
