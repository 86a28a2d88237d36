"""Options that several commands share, and the conversion of their texts."""

from __future__ import annotations

import math
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from kshot_viz.errors import KShotValueError


def with_images(shots: list[int]) -> list[int]:
    """Check k: methods that train need images, and what needs none is no command."""
    if min(shots) < 1:
        raise typer.BadParameter(
            "k must be at least 1. Without images a network is made of descriptions: "
            "kv.network_from_words(backbone, {class: text, ...})."
        )
    return shots


Out = Annotated[Path, typer.Option(help="Folder for results; the same command goes on from it.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes; the cores at hand by default.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Full = Annotated[bool, typer.Option("--full", help="Run the whole grid on the test episodes too.")]
Network = Annotated[
    str,
    typer.Option(help="glyphnet, a torchvision name, timm/NAME, hf/NAME, open_clip/NAME:TAG."),
]
Weights = Annotated[str, typer.Option(help="A file, the name of online weights, or none (random).")]
Recipe = Annotated[
    str | None, typer.Option(help="Recipe or JSON file that belongs to the weights.")
]
Size = Annotated[int | None, typer.Option(min=1, help="Image side in pixels.")]
Shots = Annotated[
    list[int],
    typer.Option(callback=with_images, help="k, at least 1; may be given several times."),
]
Way = Annotated[int | None, typer.Option(min=2, help="Classes per episode; all by default.")]
Query = Annotated[int, typer.Option(min=1, help="Queries per class, at most.")]
MinQuery = Annotated[
    int, typer.Option(min=1, help="Fewer queries of any class than this are refused.")
]
Episodes = Annotated[int, typer.Option(min=1, help="Test episodes per k.")]
Source = Annotated[
    Path | None, typer.Option(help="Images that form the groups; else the support does.")
]
Groups = Annotated[str, typer.Option(help="Groups: a share (0.1) or a count (10).")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Skip unreadable images.")]
MaxPixels = Annotated[
    int | None,
    typer.Option(min=1, help="Pixels of the largest image that is read; 89,478,485 by default."),
]
Invert = Annotated[
    bool, typer.Option("--invert", help="Swap black and white, as dark strokes on paper need.")
]
BudgetMinutes = Annotated[
    float | None, typer.Option(min=0.1, help="Run less of everything, to fit into this time.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]


def command_line() -> str:
    """Return the command as it was typed."""
    return shlex.join(["kshot-viz", *sys.argv[1:]])


def groups_from_text(text: str) -> float | int:
    """Return a share as float or a count as int: ``"0.1"``, ``"1.0"``, ``"10"``, ``"1"``."""
    try:
        return _checked(int(text) if text.strip().isdecimal() else float(text))
    except ValueError as error:
        raise KShotValueError(
            f"`--groups` must be a share in (0, 1], such as 0.1, or a count, such as 10; "
            f"not {text!r}."
        ) from error


def weights_from_text(text: str) -> str | None:
    """Return the weights, or None for ``"none"``: random ones."""
    return None if text.lower() == "none" else text


def one_value(option: str, text: str) -> str:
    """Return the value of an option that may be repeated; several in one are a KShotValueError."""
    if "," in text:
        raise KShotValueError(f"`{option}` takes one value, not {text!r}. {repeat(option, text)}")
    return text


def repeat(option: str, text: str) -> str:
    """Say how to give several values: ``"1,5"`` as ``--shots 1 --shots 5``."""
    values = [one.strip() for one in text.split(",") if one.strip()]
    return f"For several values repeat it: {' '.join(f'{option} {one}' for one in values)}"


def absolute_file(text: str | None) -> str | None:
    """Return the whole path where this is a file; a name, of weights or a recipe, as it is.

    For commands whose request is read by a process in another folder.
    """
    path = Path(text or "").expanduser()
    return str(path.absolute()) if path.suffix and path.is_file() else text


def resolve_device(name: str) -> str | None:
    """Return a torch device, or None for the CPU with one process a core."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise KShotValueError(f"`--device` must be auto, cpu or cuda; not {name!r}.")
    if name == "cuda" and not torch.cuda.is_available():
        raise KShotValueError("`--device cuda` was asked for, but torch sees no CUDA device.")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else None


def _checked(groups: float | int) -> float | int:
    most = math.inf if isinstance(groups, int) else 1.0
    if not 0 < groups <= most:
        raise ValueError(groups)
    return groups
