"""Which rows of a layer's input belong to which image."""

from __future__ import annotations

import torch
from torch import Tensor

# A change of one image may change rows of others by rounding, and by no more than this share.
_OTHERS = 1e-3


def groupings(leading: tuple[int, ...], n: int) -> list[int]:
    """Return how rows may be ordered: for each way, the rows between two of the same image.

    Parameters
    ----------
    leading : tuple of int
        The axes of rows: all but the last one of a linear layer's input, the first one of a
        convolution's.
    n : int
        Images.

    Returns
    -------
    list of int
        1 where an image's rows follow each other, as in (N, T) and in (N*T,); T where images
        alternate, as in (T, N) and in (T*N,). See :func:`by_image`.
    """
    if not leading:
        return []
    found = [1] if leading[0] % n == 0 else []
    if len(leading) > 1 and leading[1] == n:
        found.append(leading[0])
    if leading[0] % n == 0 and leading[0] > n:
        found.append(leading[0] // n)
    return list(dict.fromkeys(found))


def is_plain(leading: tuple[int, ...], n: int) -> bool:
    """Return whether the first axis can be nothing but the images."""
    return leading[:1] == (n,) and (n == 1 or leading[1:2] != (n,))


def by_image(rows: Tensor, n: int, turns: int) -> Tensor:
    """Return rows as (N, positions, features).

    Parameters
    ----------
    rows : Tensor, shape (..., features)
    n : int
        Images.
    turns : int
        Of :func:`groupings`.
    """
    features = rows.shape[-1]
    return rows.reshape(turns, n, -1, features).transpose(0, 1).reshape(n, -1, features)


def fitting(before: Tensor, after: Tensor, leading: tuple[int, ...], n: int) -> int | None:
    """Return the order in which only rows of the first image changed; None where there is none.

    Parameters
    ----------
    before, after : Tensor, shape (..., features)
        A layer's input, and that where the first image is another one.
    leading : tuple of int
    n : int
    """
    if before.shape != after.shape:
        return None
    changed = torch.square(after - before).flatten(len(leading)).sum(dim=-1, keepdim=True)
    total = float(changed.sum())
    for turns in groupings(leading, n):
        own = float(by_image(changed, n, turns)[0].sum())
        if total > 0 and total - own <= _OTHERS * total:
            return turns
    return None
