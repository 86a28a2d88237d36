"""Persistent homology of a point cloud, by ripser where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from kshot_viz.analysis.topology.points import canonical_order, checked_points
from kshot_viz.checks import checked, whole
from kshot_viz.errors import KShotError
from kshot_viz.seeds import numpy_rng
from kshot_viz.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd


@checked(max_dimension=whole(0, 2), most_points=whole(2), seed=whole(0))
@one_thread()
def persistence(
    points: ArrayLike, *, max_dimension: int = 1, most_points: int = 500, seed: int = 0
) -> pd.DataFrame:
    """Return births and deaths of components and loops as balls around the points grow.

    Unlike the loops of a Mapper graph, these do not depend on a lens, a cover or a clusterer.

    Parameters
    ----------
    points : array_like, shape (rows, features)
    max_dimension : int
        1: components (0) and loops (1); 2: also voids.
    most_points : int
        Of more rows, so many are drawn; the work grows with their cube.
    seed : int

    Returns
    -------
    DataFrame
        ``dimension, birth, death, length``, the longest first; the death of what never ends is
        infinite.

    Raises
    ------
    KShotError
        Where ripser is not installed.
    KShotValueError
        For points that ``mapper_graph`` refuses too.
    """
    import pandas as pd

    cloud = checked_points(points)
    try:
        from ripser import ripser
    except ImportError as error:
        raise KShotError("`persistence` needs ripser: pip install ripser.") from error
    cloud = cloud[canonical_order(cloud)]
    if len(cloud) > most_points:
        drawn = numpy_rng(seed, "persistence").choice(len(cloud), most_points, replace=False)
        cloud = cloud[np.sort(drawn)]
    diagrams = ripser(cloud, maxdim=max_dimension)["dgms"]
    rows = [(k, *one) for k, diagram in enumerate(diagrams) for one in diagram.tolist()]
    frame = pd.DataFrame(rows, columns=["dimension", "birth", "death"])
    frame["length"] = frame["death"] - frame["birth"]
    return frame.sort_values("length", ascending=False, kind="stable", ignore_index=True)
