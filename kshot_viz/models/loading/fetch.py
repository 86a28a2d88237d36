"""Trained weights of torchvision, fetched once into torch's cache, and checked."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kshot_viz.errors import KShotFileError, KShotValueError, unknown_name
from kshot_viz.models.loading.doors import door_of
from kshot_viz.models.loading.torchvision_records import torchvision_names, torchvision_weights
from kshot_viz.models.loading.weights import sha256_of

# torchvision ends the name of a file with the first digits of its SHA-256.
_DIGITS = re.compile(r"-([0-9a-f]{8,})\.")
# A server that says nothing for so long has gone.
SILENT_SECONDS = 60.0
_ONE_AT_A_TIME = threading.Lock()
_LICENCE = (
    "torchvision is BSD-3-Clause and states no licence of these weights; terms of the images that "
    "they were trained on (ImageNet: non-commercial research and education) may bind their use"
)


@dataclass(frozen=True)
class Source:
    """Where trained weights come from, and what is known of them.

    Attributes
    ----------
    network, weights : str
        torchvision's names.
    address : str
        Of the file.
    digits : str
        The first digits of the file's SHA-256.
    megabytes : float
        Size of the file.
    accuracy : float or None
        Top-1 accuracy on ImageNet in percent, where torchvision states one.
    licence, recipe : str
        What torchvision says about both; ``recipe`` is empty where it says nothing.
    """

    network: str
    weights: str
    address: str
    digits: str
    megabytes: float
    accuracy: float | None
    licence: str
    recipe: str

    @property
    def file(self) -> Path:
        """Where torch looks for it, and where it is fetched to."""
        import torch

        return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(self.address).path).name

    @property
    def cached(self) -> bool:
        """Whether the file is there and whole."""
        return self.file.is_file() and sha256_of(self.file).startswith(self.digits)


def source_of(name: str, weights: str = "DEFAULT") -> Source:
    """Return where the weights of a network of torchvision come from; fetches nothing.

    Raises
    ------
    KShotKeyError
        For a network that torchvision does not have, or weights that the network does not have.
    KShotValueError
        For a network of another library, which has a cache of its own.
    """
    if door_of(name) is not None:
        raise KShotValueError(
            f"`name` must be a network of torchvision; not {name!r}, whose library fetches the "
            f"weights itself at the first kv.load_backbone({name!r})."
        )
    lower = name.lower()
    if lower not in torchvision_names():
        raise unknown_name("name", name, torchvision_names())
    return _read(lower, torchvision_weights(lower, weights))


def all_sources() -> list[Source]:
    """Return the default weights of every network of torchvision, the smallest file first."""
    found = [_read(name, torchvision_weights(name, "DEFAULT")) for name in torchvision_names()]
    return sorted(found, key=lambda one: one.megabytes)


def fetch(source: Source, *, progress: bool = False) -> Path:
    """Bring the file into torch's cache unless it is there; return its path.

    A file that is there but cut off or changed is replaced. What was fetched is moved into the
    cache only once its hash is right.

    Raises
    ------
    KShotFileError
        If it cannot be fetched or written, or another file came.
    """
    import torch

    target = source.file
    if source.cached:
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _ends_silence():
            torch.hub.download_url_to_file(
                source.address, str(target), hash_prefix=source.digits, progress=progress
            )
    # torch raises a RuntimeError for another hash, and http.client its own errors.
    except Exception as error:
        raise KShotFileError(
            f"The weights {source.weights} of {source.network} could not be fetched ({error}). "
            f"Without the internet, fetch {source.address} on another machine and copy it to "
            f"{target}."
        ) from error
    return target


@contextmanager
def _ends_silence() -> Iterator[None]:
    """Let a connection fail whose server falls silent, unless the process has a limit already.

    torch's download waits for ever, and only the default of the process reaches its connection.
    """
    with _ONE_AT_A_TIME:
        if socket.getdefaulttimeout() is not None:
            yield
            return
        socket.setdefaulttimeout(SILENT_SECONDS)
        try:
            yield
        finally:
            socket.setdefaulttimeout(None)


def _read(name: str, weights: Any) -> Source:
    found = _DIGITS.search(weights.url)
    top = weights.meta.get("_metrics", {}).get("ImageNet-1K", {}).get("acc@1")
    return Source(
        network=name,
        weights=weights.name,
        address=weights.url,
        digits=found.group(1) if found else "",
        megabytes=float(weights.meta.get("_file_size", 0.0)),
        accuracy=top,
        licence=weights.meta.get("license", _LICENCE),
        recipe=weights.meta.get("recipe", ""),
    )
