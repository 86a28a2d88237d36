"""The commands: each reads its arguments, calls the library, and prints the result."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from kshot_viz.cli import options as opt
from kshot_viz.cli.classifier_commands import fetch, fit, predict
from kshot_viz.cli.image_commands import compare, dashboard, inside
from kshot_viz.cli.options import command_line
from kshot_viz.cli.signals import INTERRUPTED, interrupted_by_signals
from kshot_viz.errors import KShotError, KShotWarning

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="K-shot fine-tuning with grouped neurons: which may move, which together, did it help?",
)


def _version(*, wanted: bool) -> None:
    if wanted:
        from kshot_viz import __version__

        typer.echo(f"kshot-viz {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda wanted: _version(wanted=wanted),
            help="Print the version.",
        ),
    ] = False,
) -> None:
    """Take the options that belong to no command."""


@interrupted_by_signals()
def main() -> None:
    """Run a command; what a user caused is one line on stderr, never a traceback."""
    try:
        with _short_warnings():
            code = app(standalone_mode=False)
    except KShotError as error:
        _fail(str(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename or ''}", 1)
    except Exception as error:
        # typer brings its own usage errors, whose class moved between its releases.
        if not hasattr(error, "format_message"):
            raise
        _fail(" ".join([error.format_message(), *_repeated(error)]), 2)
    # Releases of typer differ in whether an interrupt is raised or returned.
    if code == INTERRUPTED:
        _fail("interrupted. Finished rows are kept; the same command goes on from them.", code)
    if code:
        sys.exit(code)


@app.command()
def demo(
    out: opt.Out = Path("runs/demo"),
    workers: opt.Workers = None,
    full: opt.Full = False,
    seed: opt.Seed = 0,
) -> None:
    """Compare six methods on handwritten digits at 1 and 5 shots, offline."""
    from kshot_viz.cli.compare import run_demo

    run_demo(out, workers=workers, full=full, seed=seed, command=command_line())


app.command()(fit)
app.command()(predict)
app.command()(fetch)
app.command()(compare)
app.command()(inside)


@app.command()
def search(
    source: Annotated[
        str, typer.Argument(help="Labelled images to make tasks of: glyphs, digits or a folder.")
    ] = "glyphs",
    backbone: opt.Network = "glyphnet",
    weights: opt.Weights = "DEFAULT",
    preprocess: opt.Recipe = None,
    size: opt.Size = None,
    invert: opt.Invert = False,
    shot: Annotated[int, typer.Option(min=1, help="k of the tasks.")] = 1,
    way: Annotated[
        int | None, typer.Option(min=2, help="Classes of a task; at most ten by default.")
    ] = None,
    query: opt.Query = 15,
    tasks: Annotated[int, typer.Option(min=1, help="Tasks that a candidate is tried on.")] = 8,
    sampler: Annotated[
        Literal["reinforce", "random", "tpe"], typer.Option(help="Who proposes candidates.")
    ] = "reinforce",
    budget: Annotated[float, typer.Option(min=1, help="Candidates, each on all tasks.")] = 100,
    prune: Annotated[bool, typer.Option("--prune", help="End weak candidates early.")] = False,
    budget_minutes: opt.BudgetMinutes = None,
    skip_bad: opt.SkipBad = False,
    max_pixels: opt.MaxPixels = None,
    device: opt.Device = "auto",
    workers: opt.Workers = None,
    out: opt.Out = Path("runs/search"),
    seed: opt.Seed = 0,
) -> None:
    """Search for the grouping on tasks that hold none of your labels."""
    from kshot_viz.cli.search import SearchRequest, run_search

    request = SearchRequest(
        source=source,
        backbone=backbone,
        weights=opt.weights_from_text(weights),
        preprocess=preprocess,
        size=size,
        invert=invert,
        shot=shot,
        way=way,
        query=query,
        tasks=tasks,
        sampler=sampler,
        budget=budget,
        prune=prune,
        budget_minutes=budget_minutes,
        skip_bad=skip_bad,
        max_pixels=max_pixels,
        device=device,
        seed=seed,
    )
    run_search(request, out, workers=workers)


@app.command()
def lab(
    notebooks: Annotated[
        Path, typer.Option(help="Where they are, or are copied to; nothing is overwritten.")
    ] = Path("notebooks"),
) -> None:
    """Copy the notebooks into a folder, and open JupyterLab on the first one."""
    from kshot_viz.cli.servers import run_lab

    raise typer.Exit(run_lab(notebooks))


app.command()(dashboard)


@app.command()
def study(
    file: Annotated[Path, typer.Argument(help="A study file (TOML): tasks, methods, regimes.")],
    out: opt.Out = Path("runs/study"),
    workers: opt.Workers = None,
    device: opt.Device = "auto",
    budget_minutes: opt.BudgetMinutes = None,
) -> None:
    """Compare methods on several tasks, with settings chosen from few labels or many."""
    from kshot_viz.cli.study.run import run_study

    run_study(
        file,
        out,
        workers=workers,
        device=device,
        budget_minutes=budget_minutes,
        command=command_line(),
    )


@app.command()
def replay(
    folder: Annotated[
        Path, typer.Argument(help="A results folder of demo, compare or a task of study.")
    ],
    row: Annotated[int, typer.Option(min=0, help="Number of the row in results.parquet.")],
) -> None:
    """Run one row of a results table again and say whether it is identical."""
    from kshot_viz.cli.replay import run_replay

    again = run_replay(folder, row)
    typer.echo(again)
    if not again.identical:
        raise typer.Exit(1)


@app.command()
def pretrain(
    out: Annotated[Path, typer.Option(help="Folder for weights and record.")] = Path(
        "runs/glyphnet"
    ),
    homoglyphs: Annotated[
        Literal["exclude", "include"], typer.Option(help="Letters that look like digits.")
    ] = "exclude",
    seed: opt.Seed = 0,
) -> None:
    """Train the bundled network again from nothing, on letters only."""
    from kshot_viz.models.glyphnet.pretrain import pretrain_glyphnet

    pretrain_glyphnet(out, seed=seed, homoglyphs=homoglyphs)
    typer.echo(f"Written: {out / 'glyphnet.safetensors'} and {out / 'glyphnet.json'}.")


@app.command("pretrain-words")
def pretrain_words(
    out: Annotated[Path, typer.Option(help="Folder for weights, record and checkpoints.")] = Path(
        "runs/glyphnet-words"
    ),
    seed: opt.Seed = 0,
) -> None:
    """Train the bundled words again: names of letters in, a classifier of these letters out."""
    from kshot_viz.words.training.pretrain import pretrain_words as train

    train(out, seed=seed)
    typer.echo(f"Written: {out / 'glyphnet-words.safetensors'} and {out / 'glyphnet-words.json'}.")


def _repeated(error: Exception) -> Iterator[str]:
    """Yield a hint where an option that may be repeated was given a list."""
    option: Any = getattr(error, "param", None)
    if not getattr(option, "multiple", False):
        return
    # The message itself does not always hold what was given.
    words = [part for word in sys.argv for part in word.split("=", 1)]
    for name, given in pairwise(words):
        if name in option.opts and "," in given:
            yield opt.repeat(name, given)


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Print a warning of this library as one line, without the line of code that it came from."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, *args: Any, **kwargs: Any) -> None:
            if isinstance(message, KShotWarning):
                typer.echo(f"kshot-viz: warning: {message.on_command_line}", err=True)
            else:
                usual(message, *args, **kwargs)

        warnings.showwarning = show
        yield


def _fail(message: str, code: int) -> NoReturn:
    # Without a command the help is shown, and there is nothing to add.
    if message:
        typer.echo(f"kshot-viz: {message}", err=True)
    sys.exit(code)
