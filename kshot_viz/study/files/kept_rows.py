"""The finished rows of a comparison on disk: while it runs, and again from a saved one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kshot_viz.errors import KShotFileError
from kshot_viz.evaluate.planning import job_key
from kshot_viz.evaluate.row_store import COLUMNS, RowStore
from kshot_viz.evaluate.rows import Row
from kshot_viz.study.files.comparison_files import ROWS, read_both
from kshot_viz.study.plan import ComparisonPlan

if TYPE_CHECKING:
    import pandas as pd

STORE = "rows.jsonl"


@contextmanager
def rows_kept(
    plan: ComparisonPlan, out: str | Path | None, *, more: Sequence[pd.DataFrame] = ()
) -> Iterator[ComparisonPlan]:
    """Keep finished rows in a folder, for the time of the call where none is given.

    What a saved comparison in the folder holds is finished too, though there be no store, as in a
    folder from a repository; and so are the tables of rows in ``more``.
    """
    with ExitStack() as stack:
        folder = Path(out or stack.enter_context(TemporaryDirectory(prefix="kshot_viz_")))
        _restore(folder, more)
        yield replace(plan, options=plan.options | {"store": folder / STORE})


def _restore(folder: Path, more: Sequence[pd.DataFrame]) -> None:
    """Add to the store of a folder the jobs that its saved comparison has beyond it."""
    if not (folder / ROWS).exists():
        return
    try:
        _, frame = read_both(folder)
    except KShotFileError as error:
        if (folder / STORE).exists():
            # The runs are there, and the comparison is written again in the end.
            return
        raise KShotFileError(f"{error} Move the folder away to start anew.") from error
    store = RowStore(folder / STORE)
    for job, rows in _whole_jobs([frame, *more]).items():
        if job not in store:
            store.add(job, rows)
    store.sync()


def _whole_jobs(tables: Sequence[pd.DataFrame]) -> dict[str, list[Row]]:
    """Return the rows of the jobs that are all there, by the columns of a store."""
    # Tables of older versions lack some, and the rows of a store have none beside them.
    known = [table[[*COLUMNS]] for table in tables if set(COLUMNS) <= set(table.columns)]
    jobs: dict[str, list[Row]] = {}
    for table in known:
        # Two test episodes with one support have the same folds.
        for row in table.drop_duplicates(["run", "steps"]).to_dict("records"):
            jobs.setdefault(row["job"], []).append({str(name): row[name] for name in row})
    return {job: rows for job, rows in jobs.items() if _is_whole(job, rows)}


def _is_whole(job: str, rows: Sequence[Row]) -> bool:
    """Say whether the rows are those of all runs of a job, each at the same steps."""
    steps: dict[str, list[int]] = {}
    for row in rows:
        steps.setdefault(row["run"], []).append(row["steps"])
    first, *others = steps.values()
    loop = rows[0]["path"] == "loop"
    return job_key([*steps], loop=loop) == job and all(one == first for one in others)
