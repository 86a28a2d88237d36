"""The command ``replay``: a row of a comparison on disk, run again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kshot_viz.cli.compare import CompareRequest, load_images, load_network, load_source
from kshot_viz.cli.results import REQUEST, load_request
from kshot_viz.cli.study.request import study_inputs
from kshot_viz.data.load_dataset import load_dataset
from kshot_viz.errors import KShotFileError
from kshot_viz.models.loading.load_backbone import load_backbone
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.regimes.files import ABOUT as STUDY
from kshot_viz.study.regimes.study import Study
from kshot_viz.text import listed

if TYPE_CHECKING:
    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.models.backbone import Backbone
    from kshot_viz.study.replay import Replay


def run_replay(folder: Path, row: int) -> Replay:
    """Run row ``row`` of the comparison in ``folder`` again."""
    if (folder / STUDY).is_file():
        tasks = [str(folder / one) for one in Study.load(folder).manifest["folders"].values()]
        raise KShotFileError(f"{folder} holds a study; name one of its tasks: {listed(tasks)}.")
    comparison = Comparison.load(folder)
    if not (folder / REQUEST).exists():
        raise KShotFileError(
            f"{folder} was made in Python: nothing in it says how to load its images and network. "
            f"There it is kv.Comparison.load(folder).replay({row}, backbone=..., data=...)."
        )
    tuning = comparison.frame["pool"].get(row) == "val"
    backbone, data = _inputs(folder, tuning)
    return comparison.replay(row, backbone=backbone, data=data)


def _inputs(folder: Path, tuning: bool) -> tuple[Backbone, ImageDataset | None]:
    """Load the network and the images of a row; those of a tuning row may be the source."""
    record = load_request(folder)
    if record.get("kind") == "demo":
        return load_backbone("glyphnet"), load_dataset("digits")
    if record.get("kind") == "study":
        return study_inputs(record)
    try:
        request = CompareRequest.from_dict(record)
    except (KeyError, TypeError) as error:
        raise KShotFileError(f"{folder / REQUEST} holds no request: {error!r}.") from error
    from_source = tuning and request.tune == "source"
    return load_network(request), load_source(request) if from_source else load_images(request)
