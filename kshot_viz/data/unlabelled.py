"""Images without classes: source images that groups are formed from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kshot_viz.data.dataset import ImageDataset
from kshot_viz.data.folder import check_files, files_dataset, image_files
from kshot_viz.errors import KShotFileError

UNLABELLED = "unlabelled"


def load_loose_images(path: str | Path, *, skip_bad: bool = False) -> ImageDataset:
    """Load every image below a folder as one class, ``"unlabelled"``.

    Parameters
    ----------
    path : str or pathlib.Path
        A folder of images; folders inside it are searched too.
    skip_bad : bool
        Go on without images that cannot be read.

    Raises
    ------
    KShotFileError
        If the folder is missing or holds no readable image, or an image cannot be read.
    """
    root = Path(path).absolute()
    files = list(image_files(root)) if root.is_dir() else []
    checked = check_files(files)
    bad = [file for file, state in zip(files, checked, strict=True) if state.problem]
    if bad and not skip_bad:
        problem = next(state.problem for state in checked if state.problem)
        raise KShotFileError(f"{problem} (`skip_bad=True` or `--skip-bad` goes on without it)")
    kept = [(f, s) for f, s in zip(files, checked, strict=True) if not s.problem]
    if not kept:
        raise KShotFileError(f"{str(root)!r} is no folder with readable images.")
    return files_dataset(
        [file for file, _ in kept],
        np.zeros(len(kept), dtype=np.int64),
        [UNLABELLED],
        [state for _, state in kept],
        name=root.name,
        notes={"source": "folder of images"}
        | ({"skipped": "; ".join(f.relative_to(root).as_posix() for f in bad)} if bad else {}),
    )
