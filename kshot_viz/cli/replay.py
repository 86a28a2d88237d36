"""``kshot-viz replay``: load the same inputs again and run one row."""

from __future__ import annotations

from pathlib import Path

from kshot_viz.cli.compare import CompareRequest, load_inputs
from kshot_viz.cli.results import load_request
from kshot_viz.data.registry import load_dataset
from kshot_viz.models.registry import load_backbone
from kshot_viz.study.comparison import Comparison
from kshot_viz.study.replay import Replay


def run_replay(folder: Path, row: int) -> Replay:
    """Run row ``row`` of the comparison in ``folder`` again."""
    comparison = Comparison.load(folder)
    request = load_request(folder)
    if request["kind"] == "demo":
        data, backbone = load_dataset("digits"), load_backbone("glyphnet")
    else:
        data, backbone = load_inputs(CompareRequest.from_dict(request))
    return comparison.replay(row, backbone=backbone, data=data)
