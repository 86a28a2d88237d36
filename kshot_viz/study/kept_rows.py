"""The finished rows of a comparison on disk: while it runs, and again from a saved one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kshot_viz.errors import KShotFileError
from kshot_viz.evaluate.row_store import COLUMNS, RowStore
from kshot_viz.evaluate.rows import Row
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
    store = RowStore(folder / STORE)
    for table in tables:
        for job, rows in table.groupby("job", sort=False):
            if _is_whole(rows):
                store.add(str(job), _plain(rows))
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


def _is_whole(rows: pd.DataFrame) -> bool:
    """Say whether the rows of a job are all there: its candidates, each at all of its steps."""
    steps = rows.groupby("run", sort=False)["steps"].agg(tuple)
    return len(steps) == rows["chunk"].iloc[0] and len(set(steps)) == 1


def _plain(rows: pd.DataFrame) -> list[Row]:
    """Return rows as they were written, without what a comparison adds to them."""
    return [
        {str(name): value for name, value in row.items()}
        for row in rows[[*COLUMNS]].to_dict("records")
    ]
