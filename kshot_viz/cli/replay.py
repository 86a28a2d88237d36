"""``kshot-viz replay``: load the same inputs again and run one row."""

from __future__ import annotations

from pathlib import Path

from kshot_viz.cli.compare import CompareRequest, load_images, load_network, load_source
from kshot_viz.cli.results import REQUEST, load_request
from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.load_dataset import load_dataset
from kshot_viz.errors import KShotFileError
from kshot_viz.models.backbone import Backbone
from kshot_viz.models.loading.load_backbone import load_backbone
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.replay import Replay


def run_replay(folder: Path, row: int) -> Replay:
    """Run row ``row`` of the comparison in ``folder`` again."""
    comparison = Comparison.load(folder)
    tuning = comparison.frame["pool"].get(row) == "val"
    backbone, data = _inputs(folder, tuning)
    return comparison.replay(row, backbone=backbone, data=data)


def _inputs(folder: Path, tuning: bool) -> tuple[Backbone, ImageDataset | None]:
    """Load the network and the images of a row; those of a tuning row may be the source."""
    record = load_request(folder)
    if record.get("kind") == "demo":
        return load_backbone("glyphnet"), load_dataset("digits")
    try:
        request = CompareRequest.from_dict(record)
    except (KeyError, TypeError) as error:
        raise KShotFileError(f"{folder / REQUEST} holds no request: {error!r}.") from error
    from_source = tuning and request.tune == "source"
    return load_network(request), load_source(request) if from_source else load_images(request)
