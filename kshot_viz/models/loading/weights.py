"""Read weights files: safetensors, PyTorch's own (tensors only), and numpy's archives."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kshot_viz.errors import KShotFileError, KShotValueError

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.")  # left by DataParallel and torch.compile
_COUNTER = "num_batches_tracked"
_LISTED = 8
_UNREADABLE = (
    OSError,
    RuntimeError,
    ValueError,
    AttributeError,
    TypeError,
    EOFError,
    KeyError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class KnownFile:
    """A weights file with a known input convention: the recipe for its images, and what it is."""

    recipe: str
    about: str


# By the SHA-256 of their bytes.
KNOWN_FILES: dict[str, KnownFile] = {
    "9f3231e164c5676302385320ba2d87f6074841f0be2096f4c33a3465e9940da5": KnownFile(
        recipe="caffe_bgr",
        about=(
            "SqueezeNet 1.1 trained on ImageNet, float32, for torchvision's squeezenet1_1. Only "
            "the features: the file has no classifier. Images are BGR, 0 to 255, minus "
            "(103.939, 116.779, 123.68). MIT licence, Jesper Wohlert, 2016."
        ),
    ),
}


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal text."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a weights file; nothing in it is ever executed.

    Parameters
    ----------
    path : str or Path
        ``.safetensors``; ``.pth`` or ``.pt``, read with ``weights_only=True``; or ``.npz`` whose
        keys are the names of the parameters.

    Returns
    -------
    dict of str to Tensor
        On the CPU. A dictionary found under "state_dict" or "model" is unwrapped, and the prefix
        "module." is taken off when every name has it.

    Raises
    ------
    KShotFileError
        For a file that is missing, cut off, of another type, or holds more than tensors.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise KShotFileError(
            f"The weights file {path.name} must end in one of {', '.join(READERS)}."
        )
    if not path.is_file():
        raise KShotFileError(f"There is no weights file {path}.")
    try:
        found = reader(path)
    except _UNREADABLE as error:
        raise KShotFileError(_unreadable(path, error)) from error
    return _strip(_only_tensors(path, _unwrap(found)))


def load_weights(module: nn.Module, path: str | Path, head: str | None = None) -> None:
    """Copy the weights of a file into ``module``, which is changed.

    Parameters
    ----------
    module : nn.Module
    path : str or Path
        See :func:`read_weights`.
    head : str, optional
        Keys under this module may be missing, superfluous or of another shape, since the head is
        replaced anyway.

    Raises
    ------
    KShotValueError
        Lists missing and unexpected keys and those of another shape.
    """
    given, wanted = read_weights(path), module.state_dict()
    fitting = {k: v for k, v in given.items() if k in wanted and v.shape == wanted[k].shape}
    missing = [k for k in wanted if k not in given and not k.endswith(_COUNTER)]
    unexpected = [k for k in given if k not in wanted]
    misshaped = [k for k in given if k in wanted and k not in fitting]
    body = [[k for k in keys if not _under(k, head)] for keys in (missing, unexpected, misshaped)]
    if any(body):
        shapes = [f"{k} {_shape(given[k])} for {_shape(wanted[k])}" for k in body[2]]
        raise KShotValueError(_misfit(Path(path).name, body[0], body[1], shapes))
    module.load_state_dict(fitting, strict=False)


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # The class of this error lives in a module that this library does not import.
        if type(error).__name__ != "UnpicklingError":
            raise
        raise ValueError(
            "it is cut off, or holds more than tensors, which is never loaded "
            "(weights_only=True); save `module.state_dict()` instead"
        ) from error


def _read_numpy(path: Path) -> Any:
    # Opened here, since numpy leaves the file open when it turns out to be cut off.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: torch.from_numpy(archive[name]) for name in archive.files}


READERS: dict[str, Callable[[Path], Any]] = {
    ".safetensors": _read_safetensors,
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".npz": _read_numpy,
}


def _unwrap(found: Any) -> Any:
    for key in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            return _unwrap(found[key])
    return found


def _only_tensors(path: Path, found: Any) -> dict[str, Tensor]:
    if not isinstance(found, Mapping) or not found:
        raise KShotFileError(f"{path.name} holds no dictionary of tensors but {_kind(found)}.")
    odd = [str(key) for key, value in found.items() if not isinstance(value, Tensor)]
    if odd:
        raise KShotFileError(
            f"{path.name} must hold only tensors; these keys hold something else: {_some(odd)}."
        )
    return {str(key): value for key, value in found.items()}


def _strip(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in weights):
            return _strip({key.removeprefix(prefix): value for key, value in weights.items()})
    return weights


def _under(key: str, head: str | None) -> bool:
    return head is not None and key.startswith(f"{head}.")


def _misfit(name: str, missing: list[str], unexpected: list[str], misshaped: list[str]) -> str:
    parts = {"missing": missing, "unexpected": unexpected, "of another shape": misshaped}
    listed = [f"{len(keys)} {what}: {_some(keys)}" for what, keys in parts.items() if keys]
    return f"The weights file {name} does not fit the network. {'; '.join(listed)}."


def _some(keys: Iterable[str]) -> str:
    names = list(keys)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


def _kind(found: object) -> str:
    return "an empty one" if isinstance(found, Mapping) else f"a {type(found).__name__}"


def _unreadable(path: Path, error: BaseException) -> str:
    first = "".join(str(error).strip().splitlines()[:1])
    return f"The weights file {path} cannot be read: {type(error).__name__}: {first}"
