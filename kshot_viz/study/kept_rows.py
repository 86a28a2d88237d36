"""The finished rows of a comparison on disk: while it runs, and again from a saved one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kshot_viz.errors import KShotFileError
from kshot_viz.evaluate.row_store import COLUMNS, RowStore
from kshot_viz.evaluate.rows import Row
from kshot_viz.files import whole_file
from kshot_viz.study.manifest import ROWS, read_both, read_rows
from kshot_viz.study.plan import ComparisonPlan

if TYPE_CHECKING:
    import pandas as pd

STORE = "rows.jsonl"
# Beside the rows of a comparison, those that a study's regime "own" chose from.
FOLDS = "folds.parquet"


@contextmanager
def rows_kept(plan: ComparisonPlan, out: str | Path | None) -> Iterator[ComparisonPlan]:
    """Keep finished rows in a folder, for the time of the call where none is given.

    In a folder that holds a saved comparison alone, as a repository does, its rows are the finished
    ones: the runs that they name are not run again.
    """
    with ExitStack() as stack:
        folder = Path(out or stack.enter_context(TemporaryDirectory(prefix="kshot_viz_")))
        restore(folder)
        yield replace(plan, options=plan.options | {"store": folder / STORE})


def restore(folder: Path) -> None:
    """Write the store of a saved comparison again, where the folder has none."""
    if not (folder / ROWS).exists() or (folder / STORE).exists():
        return
    tables = _saved(folder)
    # Whole or not at all: half a store would hide the rest of the rows from the next call.
    with whole_file(folder / STORE) as part:
        store = RowStore(part)
        for job, rows in _whole_jobs(tables).items():
            store.add(job, rows)
        store.sync()


def _saved(folder: Path) -> list[pd.DataFrame]:
    """Return the rows of a comparison and of its folds, without those of older versions."""
    try:
        tables = [read_both(folder)[1]]
        if (folder / FOLDS).exists():
            tables.append(read_rows(folder / FOLDS))
    except KShotFileError as error:
        raise KShotFileError(
            f"{error} Without {STORE} beside it nothing can go on from there: move the folder away "
            f"to start anew."
        ) from error
    return [one for one in tables if one.columns.isin(COLUMNS).sum() == len(COLUMNS)]


def _whole_jobs(tables: Sequence[pd.DataFrame]) -> dict[str, list[Row]]:
    """Return the rows of jobs that are all there, without what a comparison adds to them."""
    jobs: dict[str, list[Row]] = {}
    for table in tables:
        # All candidates that were computed together, each at all of its steps.
        by_job = table.groupby("job")
        runs, steps = by_job["run"].transform("nunique"), by_job["steps"].transform("nunique")
        whole = (runs == table["chunk"]) & (by_job["run"].transform("size") == runs * steps)
        for row in table.loc[whole, [*COLUMNS]].to_dict("records"):
            jobs.setdefault(row["job"], []).append({str(name): row[name] for name in row})
    return jobs
