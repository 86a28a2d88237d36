"""SetContext: each label embedding takes the other classes of the task into account."""

from __future__ import annotations

from torch import Tensor, nn

from kshot_viz.words.modules.layers import transformer_layer


class SetContext(nn.Module):
    """One transformer layer over the labels of a task, without positions.

    Without positions the order of the classes cannot matter: permuted classes give permuted
    embeddings.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = transformer_layer(width)

    def forward(self, labels: Tensor) -> Tensor:
        """Map label embeddings (tasks, classes, width) to embeddings of the same shape."""
        return self.layer(labels)
