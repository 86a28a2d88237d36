"""Random weights for a module: its own initialisation, and a fixed rule for what that leaves out.

None of them depends on the values that are replaced, so random weights are the same whichever
network the architecture came from.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

# Modules of torch that join several tensors, such as nn.MultiheadAttention, have the second one.
_RESETS = ("reset_parameters", "_reset_parameters")
# Deviation of what no module initialises: usual for tables of positions.
DEVIATION = 0.02
# Vectors that are added begin at zero, and all others, which multiply, at one.
_ADDED = ("bias", "beta", "shift", "offset", "token", "embed", "embedding", "point")


def draw_anew(module: nn.Module) -> None:
    """Give a module random weights, in itself alone; draws from torch's global state.

    A module with ``reset_parameters`` or ``_reset_parameters`` initialises itself, as torch does
    (not as the constructor of a whole network may do afterwards). Parameters that this leaves out
    are normal with mean 0 and deviation 0.02. Vectors and single numbers, also such with further
    dimensions of length 1, are 0 where they are added (by their name: a bias, a token), else 1.

    Call it under :func:`torch.no_grad`, a module before those inside it.
    """
    own = {
        name: one for name, one in module.named_parameters(recurse=False) if one.is_floating_point()
    }
    # What is no number afterwards was not initialised; this draws nothing, so that the random
    # state serves the module alone.
    for parameter in own.values():
        parameter.fill_(math.nan)
    for name in _RESETS:
        reset = getattr(module, name, None)
        if callable(reset):
            reset()
            break
    for name, parameter in own.items():
        if torch.isnan(parameter).any():
            _fill(name, parameter)


def _fill(name: str, parameter: Tensor) -> None:
    if parameter.numel() == max(parameter.shape, default=1):
        parameter.fill_(0.0 if name.lower().endswith(_ADDED) else 1.0)
    else:
        parameter.normal_(0.0, DEVIATION)
