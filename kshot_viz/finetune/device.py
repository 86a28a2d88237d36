"""The device a run was asked for, checked before any work is done."""

from __future__ import annotations

import torch

from kshot_viz.errors import KShotValueError


def check_device(device: str | torch.device | None) -> None:
    """Raise a KShotValueError unless torch can compute there; None is the network's own device."""
    if device is None:
        return
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise KShotValueError(
            f"`device` must be one that torch can use here, such as 'cpu'; not {str(device)!r}: "
            f"{str(error).splitlines()[0]}"
        ) from error
