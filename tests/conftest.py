from __future__ import annotations

import os

os.environ.setdefault("MPLBACKEND", "agg")

import torch
from hypothesis import settings

torch.set_num_threads(1)

# The same examples in every CI run; elsewhere hypothesis goes on looking.
settings.register_profile(
    "fast", max_examples=25, deadline=None, derandomize=bool(os.environ.get("CI"))
)
settings.register_profile("thorough", max_examples=400, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
