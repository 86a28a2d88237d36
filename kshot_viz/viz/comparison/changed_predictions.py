"""The images to which two methods gave different answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import KShotValueError
from kshot_viz.stats import bootstrap_shares
from kshot_viz.text import counted
from kshot_viz.viz.comparison.confusion import shortened
from kshot_viz.viz.comparison.predictions import answers_frame, class_names
from kshot_viz.viz.comparison.tasks import records, task_name
from kshot_viz.viz.style.canvas import bare, entitle, ink, new_axes
from kshot_viz.viz.style.colours import method_label, rgb
from kshot_viz.viz.style.thumbnails import thumbnail

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kshot_viz.data.dataset import ImageDataset
    from kshot_viz.study.comparison import Comparison

NOW_RIGHT, NOW_WRONG, STILL_WRONG = "now right", "now wrong", "still wrong"
CHANGES = (NOW_RIGHT, NOW_WRONG, STILL_WRONG)
_COLOURS = {NOW_RIGHT: "#009E73", NOW_WRONG: "#D55E00", STILL_WRONG: "#8C8C8C"}
# Pixels: an image with its frame, and below it room for three lines of text.
_IMAGE, _FRAME, _TEXT, _GAP, _HEADING = 64, 4, 46, 10, 34
_CELL = _IMAGE + 2 * _FRAME + _GAP
_COLUMNS = 12


def changed_frame(
    comparison: Comparison,
    first: str = "plain",
    second: str = "grouped",
    *,
    way: int | None = None,
    shot: int | None = None,
) -> pd.DataFrame:
    """Return the queries of one task that two methods answered differently.

    Parameters
    ----------
    comparison : Comparison
    first, second : str
        Methods: answers before and after.
    way, shot : int, optional
        As in :func:`kshot_viz.viz.comparison.predictions.answers_frame`.

    Returns
    -------
    DataFrame
        ``change, episode, image, truth, before, after``: "now right", "now wrong" or "still
        wrong", the index of the image in the data set, and names of classes.
        ``.attrs["answers"]`` counts the answers that were compared; :func:`changes_frame` sums up.
    """
    names = np.asarray(class_names(comparison), dtype=object)
    both = _side_by_side(comparison, first, second, way, shot)
    frame = both[both["before"] != both["after"]].copy()
    frame["change"] = np.select(
        [frame["after"] == frame["truth"], frame["before"] == frame["truth"]],
        [NOW_RIGHT, NOW_WRONG],
        STILL_WRONG,
    )
    for column in ("truth", "before", "after"):
        frame[column] = names[frame[column].to_numpy()]
    frame = frame.sort_values("change", key=lambda c: c.map(CHANGES.index), kind="stable")
    frame = frame[["change", "episode", "image", "truth", "before", "after"]]
    frame = frame.reset_index(drop=True)
    frame.attrs |= {"answers": len(both), "task": both.attrs["task"]}
    return frame


def changes_frame(
    comparison: Comparison,
    first: str = "plain",
    second: str = "grouped",
    *,
    way: int | None = None,
    shot: int | None = None,
) -> pd.DataFrame:
    """Return how many answers changed, and how.

    Returns
    -------
    DataFrame
        ``change, count, share, low, high, n``: shares in percent of the ``n`` answers that both
        methods gave, with 95 % intervals from drawing whole episodes again.
    """
    import pandas as pd

    both = _side_by_side(comparison, first, second, way, shot)
    right_before, right_after = both["before"] == both["truth"], both["after"] == both["truth"]
    other = both["before"] != both["after"]
    kinds = {
        NOW_RIGHT: right_after & ~right_before,
        NOW_WRONG: right_before & ~right_after,
        STILL_WRONG: other & ~right_before & ~right_after,
    }
    flags = pd.DataFrame(kinds).groupby(both["episode"], sort=False)
    hits = flags.sum().to_numpy()
    totals = np.repeat(flags.size().to_numpy()[:, None], len(kinds), axis=1)
    low, high = bootstrap_shares(hits, totals)
    return pd.DataFrame(
        {
            "change": list(kinds),
            "count": hits.sum(axis=0),
            "share": 100 * hits.sum(axis=0) / totals.sum(axis=0),
            "low": 100 * low,
            "high": 100 * high,
            "n": totals.sum(axis=0),
        }
    )


def plot_changed(
    comparison: Comparison,
    first: str = "plain",
    second: str = "grouped",
    *,
    data: ImageDataset | None = None,
    way: int | None = None,
    shot: int | None = None,
    rows: int = 2,
    ax: Axes | None = None,
) -> Axes:
    """Draw the images that changed their answer, those that changed it most often first.

    Parameters
    ----------
    comparison, first, second, way, shot
        As in :func:`changed_frame`.
    data : ImageDataset, optional
        Needed where the comparison was loaded; must be the one compared.
    rows : int
        Rows of images of each kind of change, at most.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    KShotValueError
        If there is no data set, or another one.
    """
    known = _images(comparison, data)
    frame = changed_frame(comparison, first, second, way=way, shot=shot)
    summed = changes_frame(comparison, first, second, way=way, shot=shot)
    shown = {kind: _most_often(frame, kind)[: rows * _COLUMNS] for kind in CHANGES}
    picture, places = _mosaic(known, shown)
    ax = new_axes(ax, (picture.shape[1] / 100 + 0.2, picture.shape[0] / 100 + 0.55))
    ax.imshow(picture, interpolation="nearest")
    bare(ax)
    for row in records(summed):
        kind = frame[frame["change"] == row["change"]]
        left_out = kind["image"].nunique() - len(shown[row["change"]])
        _heading(ax, places[row["change"]][0], row, left_out)
        for one, (top, left) in zip(shown[row["change"]], places[row["change"]][1:], strict=True):
            _caption(ax, one, top, left)
    title = f"From {method_label(first)} to {method_label(second)}: answers that changed"
    note = (
        f"{task_name(*frame.attrs['task'])}; {counted(frame.attrs['answers'], 'answer')} compared"
    )
    entitle(ax, title, f"{note}; shares with 95 % intervals; x2: in two episodes")
    return ax


def _side_by_side(
    comparison: Comparison, first: str, second: str, way: int | None, shot: int | None
) -> pd.DataFrame:
    """Return ``episode, image, truth, before, after`` as indices, where both methods answered."""
    if first == second:
        raise KShotValueError(f"`first` and `second` must be two methods; both are {first!r}.")
    before = answers_frame(comparison, first, way=way, shot=shot)
    after = answers_frame(comparison, second, way=way, shot=shot)
    task = tuple(int(one) for one in before[["way", "shot"]].iloc[0])
    keys = ["episode", "image", "truth"]
    both = before[[*keys, "answer"]].merge(after[[*keys, "answer"]], on=keys)
    if not len(both):
        raise KShotValueError(f"{first!r} and {second!r} answered in no common episode.")
    both = both.rename(columns={"answer_x": "before", "answer_y": "after"})
    both.attrs["task"] = task
    return both


def _images(comparison: Comparison, data: ImageDataset | None) -> ImageDataset:
    known = data if data is not None else comparison.data
    if known is None:
        raise KShotValueError("A loaded comparison knows no images: give its data set as `data`.")
    about = comparison.manifest["data"]
    if known.fingerprint != about["fingerprint"]:
        raise KShotValueError(
            f"`data` is {known.name!r} with fingerprint {known.fingerprint[:12]}; the comparison "
            f"was made on {about['name']!r}, {about['fingerprint'][:12]}."
        )
    return known


def _most_often(frame: pd.DataFrame, kind: str) -> list[dict[str, Any]]:
    """Return the images of one kind of change with the answers they changed most often."""
    part = frame[frame["change"] == kind]
    by = ["image", "truth", "before", "after"]
    counts = part.groupby(by, sort=False).size().rename("times").reset_index()
    counts = counts.sort_values(["times", "image"], ascending=[False, True], kind="stable")
    return records(counts.drop_duplicates("image"))


def _mosaic(
    data: ImageDataset, shown: dict[str, list[dict[str, Any]]]
) -> tuple[Any, dict[str, list[tuple[int, int]]]]:
    """Return one picture with a transparent ground, and where headings and images stand."""
    places: dict[str, list[tuple[int, int]]] = {}
    top = 0
    for kind, images in shown.items():
        places[kind] = [(top, 0)]
        top += _HEADING
        for place in range(len(images)):
            row, column = divmod(place, _COLUMNS)
            places[kind].append((top + row * (_CELL + _TEXT), column * _CELL))
        top += -(-len(images) // _COLUMNS) * (_CELL + _TEXT)
    picture = np.zeros((top, _COLUMNS * _CELL, 4))
    for kind, images in shown.items():
        for one, (row, column) in zip(images, places[kind][1:], strict=True):
            cell = picture[row : row + _CELL - _GAP, column : column + _CELL - _GAP]
            cell[:] = (*rgb(_COLOURS[kind]), 1.0)
            inner = slice(_FRAME, _FRAME + _IMAGE)
            cell[inner, inner, :3] = thumbnail(data.images[int(one["image"])], _IMAGE)
    return picture, places


def _heading(ax: Axes, place: tuple[int, int], row: dict[str, Any], left_out: int) -> None:
    share = f"{row['share']:.1f} %"
    if row["low"] == row["low"]:
        share += f" [{row['low']:.1f}, {row['high']:.1f}]"
    words = {
        NOW_RIGHT: "Now right",
        NOW_WRONG: "Now wrong",
        STILL_WRONG: "Still wrong, another answer",
    }
    parts = [f"{words[row['change']]}: {counted(int(row['count']), 'answer')}, {share}"]
    if left_out:
        parts.append(f"{counted(left_out, 'image')} more than can be drawn")
    text = "; ".join(parts)
    top = place[0] + _HEADING - 14
    ax.text(0, top, text, fontsize=9.5, va="center", color=ink(ax), fontweight="bold")


def _caption(ax: Axes, one: dict[str, Any], top: int, left: int) -> None:
    times = f" x{one['times']}" if one["times"] > 1 else ""
    lines = [
        f"{shortened(one['truth'], 12 - len(times))}{times}",
        f"was {shortened(one['before'], 10)}",
        f"now {shortened(one['after'], 10)}",
    ]
    ax.text(
        left + _FRAME + _IMAGE / 2,
        top + _CELL - _GAP + 3,
        "\n".join(lines),
        ha="center",
        va="top",
        fontsize=7,
        linespacing=1.15,
        color=ink(ax),
        parse_math=False,
    )
