"""Images for which two methods predicted different classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kshot_viz.errors import KShotValueError
from kshot_viz.text import counted
from kshot_viz.viz.comparison.predictions import class_names, predictions_frame, share_columns
from kshot_viz.viz.comparison.selection import only_task, records, task_name
from kshot_viz.viz.style.canvas import bare, entitle, new_axes, text_colour
from kshot_viz.viz.style.colours import method_label, rgb
from kshot_viz.viz.style.intervals import interval_text, shortened
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
    """Return the queries of one task for which two methods predicted different classes.

    Parameters
    ----------
    comparison : Comparison
    first, second : str
        Methods: predictions before and after.
    way, shot : int, optional
        As in :func:`kshot_viz.viz.comparison.predictions.predictions_frame`.

    Returns
    -------
    DataFrame
        ``change, episode, image, truth, before, after``: "now right", "now wrong" or "still
        wrong", the index of the image in the data set, and names of classes.
        ``.attrs["predictions"]`` counts all that were compared; :func:`changes_frame` sums up.
    """
    names = np.asarray(class_names(comparison), dtype=object)
    both = _side_by_side(comparison, first, second, way, shot)
    frame = both[both["change"] != ""].copy()
    for column in ("truth", "before", "after"):
        frame[column] = names[frame[column].to_numpy()]
    frame = frame.sort_values("change", key=lambda c: c.map(CHANGES.index), kind="stable")
    frame = frame[["change", "episode", "image", "truth", "before", "after"]]
    frame = frame.reset_index(drop=True)
    frame.attrs |= {"predictions": len(both), "task": both.attrs["task"]}
    return frame


def changes_frame(
    comparison: Comparison,
    first: str = "plain",
    second: str = "grouped",
    *,
    way: int | None = None,
    shot: int | None = None,
) -> pd.DataFrame:
    """Return how many predictions changed, and how.

    Returns
    -------
    DataFrame
        ``change, share, low, high, count, n``: shares in percent of the ``n``
        predictions that both methods made, with 95 % intervals from resampling whole episodes.
    """
    import pandas as pd

    both = _side_by_side(comparison, first, second, way, shot)
    flags = pd.DataFrame({kind: both["change"] == kind for kind in CHANGES})
    grouped = flags.groupby(both["episode"], sort=False)
    totals = np.repeat(grouped.size().to_numpy()[:, None], len(CHANGES), axis=1)
    return pd.DataFrame({"change": CHANGES, **share_columns(grouped.sum().to_numpy(), totals)})


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
    """Draw the images whose prediction changed, those that changed most often first.

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
    picture, corners = _mosaic(known, shown)
    ax = new_axes(ax, (picture.shape[1] / 100 + 0.2, picture.shape[0] / 100 + 0.55))
    ax.imshow(picture, interpolation="nearest")
    bare(ax)
    for row in records(summed):
        kind = frame[frame["change"] == row["change"]]
        left_out = kind["image"].nunique() - len(shown[row["change"]])
        heading, *cells = corners[row["change"]]
        _heading(ax, heading, row, left_out)
        for one, (top, left) in zip(shown[row["change"]], cells, strict=True):
            _caption(ax, one, top, left)
    title = f"From {method_label(first)} to {method_label(second)}: predictions that changed"
    compared = counted(frame.attrs["predictions"], "prediction")
    task = task_name(frame.attrs["task"])
    note = f"{task}; {compared} compared; shares with 95 % intervals; x2: in two episodes"
    entitle(ax, title, note)
    return ax


def _side_by_side(
    comparison: Comparison, first: str, second: str, way: int | None, shot: int | None
) -> pd.DataFrame:
    """Return ``episode, image, truth, before, after`` as indices, where both methods have runs.

    ``change`` is one of ``CHANGES``, or empty where both predicted the same.
    """
    if first == second:
        raise KShotValueError(f"`first` and `second` must be two methods; both are {first!r}.")
    before = predictions_frame(comparison, first, way=way, shot=shot)
    after = predictions_frame(comparison, second, way=way, shot=shot)
    keys = ["episode", "image", "truth"]
    both = before[[*keys, "predicted"]].merge(after[[*keys, "predicted"]], on=keys)
    if not len(both):
        raise KShotValueError(
            f"{first!r} and {second!r} have no common episode without divergence."
        )
    both = both.rename(columns={"predicted_x": "before", "predicted_y": "after"})
    both["change"] = np.select(
        [
            both["before"] == both["after"],
            both["after"] == both["truth"],
            both["before"] == both["truth"],
        ],
        ["", NOW_RIGHT, NOW_WRONG],
        STILL_WRONG,
    )
    both.attrs["task"] = only_task(before)
    return both


def _images(comparison: Comparison, data: ImageDataset | None) -> ImageDataset:
    known = data if data is not None else comparison.data
    if known is None:
        raise KShotValueError("A loaded comparison has no images: give its data set as `data`.")
    about = comparison.manifest["data"]
    if known.fingerprint != about["fingerprint"]:
        raise KShotValueError(
            f"`data` is {known.name!r} with fingerprint {known.fingerprint[:12]}; the comparison "
            f"was made on {about['name']!r}, {about['fingerprint'][:12]}."
        )
    return known


def _most_often(frame: pd.DataFrame, kind: str) -> list[dict[str, Any]]:
    """Return the images of one kind of change, each with its most frequent predictions."""
    part = frame[frame["change"] == kind]
    by = ["image", "truth", "before", "after"]
    counts = part.groupby(by, sort=False).size().rename("times").reset_index()
    counts = counts.sort_values(["times", "image"], ascending=[False, True], kind="stable")
    return records(counts.drop_duplicates("image"))


def _mosaic(
    data: ImageDataset, shown: dict[str, list[dict[str, Any]]]
) -> tuple[Any, dict[str, list[tuple[int, int]]]]:
    """Return one picture with a transparent ground, and the corners of headings and images."""
    corners: dict[str, list[tuple[int, int]]] = {}
    top = 0
    for kind, images in shown.items():
        corners[kind] = [(top, 0)]
        top += _HEADING
        for index in range(len(images)):
            row, column = divmod(index, _COLUMNS)
            corners[kind].append((top + row * (_CELL + _TEXT), column * _CELL))
        top += -(-len(images) // _COLUMNS) * (_CELL + _TEXT)
    picture = np.zeros((top, _COLUMNS * _CELL, 4))
    for kind, images in shown.items():
        for one, (row, column) in zip(images, corners[kind][1:], strict=True):
            cell = picture[row : row + _CELL - _GAP, column : column + _CELL - _GAP]
            cell[:] = (*rgb(_COLOURS[kind]), 1.0)
            inner = slice(_FRAME, _FRAME + _IMAGE)
            cell[inner, inner, :3] = thumbnail(data.images[int(one["image"])], _IMAGE)
    return picture, corners


def _heading(ax: Axes, corner: tuple[int, int], row: dict[str, Any], left_out: int) -> None:
    share = interval_text(row["share"], row["low"], row["high"], ".1f", " %")
    words = {
        NOW_RIGHT: "Now right",
        NOW_WRONG: "Now wrong",
        STILL_WRONG: "Still wrong, another class",
    }
    parts = [f"{words[row['change']]}: {counted(int(row['count']), 'prediction')}, {share}"]
    if left_out:
        parts.append(f"{counted(left_out, 'image')} more than can be drawn")
    text = "; ".join(parts)
    top = corner[0] + _HEADING - 14
    ax.text(0, top, text, fontsize=9.5, va="center", color=text_colour(ax), fontweight="bold")


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
        color=text_colour(ax),
        parse_math=False,
    )
