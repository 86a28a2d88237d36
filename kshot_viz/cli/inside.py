"""The command ``inside``: one fine-tune on a folder of images, looked at from all sides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from kshot_viz.analysis.whole.finetune_analysis import FRAMES, FinetuneAnalysis, analyse_finetune
from kshot_viz.cli.requests import ImagesRequest
from kshot_viz.data.folder import load_folder
from kshot_viz.files import made_folder, read_json, refuse_foreign, write_json
from kshot_viz.methods.config import FinetuneConfig
from kshot_viz.viz.report.inside_report import write_inside_report
from kshot_viz.viz.style.canvas import write_file

REPORT = "report.html"
RECORD = "inside.json"


@dataclass(frozen=True, kw_only=True)
class InsideRequest(ImagesRequest):
    """The arguments of the command ``inside``."""

    folder: str
    way: int | None
    shot: int
    query: int
    methods: tuple[str, ...]
    lr: float
    steps: int
    graph_layer: str | None
    episodes: int
    seed: int


def run_inside(request: InsideRequest, out: Path, *, command: str) -> None:
    """Analyse, print what was found, and leave the report and its numbers in ``out``."""
    refuse_foreign(out, (RECORD,), "report of `kshot-viz inside`")
    # The images first: a network may have to be downloaded.
    data = load_folder(request.folder, **request.reading)
    typer.echo(f"{data}")
    backbone = request.network()
    typer.echo(f"{backbone}")
    found = analyse_finetune(
        backbone,
        data,
        methods=request.methods,
        config=FinetuneConfig(lr=request.lr, steps=request.steps),
        way=request.way,
        shot=request.shot,
        query=request.query,
        graph_layer=request.graph_layer,
        episodes=request.episodes,
        seed=request.seed,
        progress=lambda what: typer.echo(f"  {what}"),
    )
    # The record first: a folder without one is refused when the command is given again.
    _write_numbers(found, made_folder(out), command)
    report = write_inside_report(found, out / REPORT, command=command)
    typer.echo(f"\n{found}\n\nWritten: {report}, and its numbers as CSV beside it.")


def _write_numbers(found: FinetuneAnalysis, out: Path, command: str) -> None:
    """Write every table as CSV, and list them, so that a later report removes these alone."""
    tables = {f"{name}.csv": frame for name, frame in found.frames().items()}
    for name in _written(out) - tables.keys():
        # Numbers of an earlier run would stand beside a report without them.
        (out / name).unlink(missing_ok=True)
    write_json(out / RECORD, {"command": command, "tables": sorted(tables)})
    for name, frame in tables.items():
        write_file(out / name, frame.to_csv(index=False).encode("utf-8"))


def _written(out: Path) -> set[str]:
    """Return the tables that an earlier report wrote; the record may name no other file."""
    if not (out / RECORD).exists():
        return set()
    record = read_json(out / RECORD)
    listed = record.get("tables") if isinstance(record, dict) else None
    return {f"{name}.csv" for name in FRAMES} & set(listed if isinstance(listed, list) else [])
