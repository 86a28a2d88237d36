"""The columns of a grid's two tables."""

from __future__ import annotations

# Of a test episode of a cell.
ROWS = [
    "source", "target", "network", "start", "method", "seed", "shot", "episode", "accuracy",
    "way", "status", "steps", "tuned",
]  # fmt: skip
# Of a layer and what it is compared with.
LAYERS = [
    "source", "target", "network", "start", "shot", "seed", "compared", "layer", "measure", "value",
]  # fmt: skip
