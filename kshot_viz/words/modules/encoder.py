"""The whole hyper-network: descriptions of the classes of a task -> prototypes and changes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from kshot_viz.words.modules.labels2adaptation import Labels2Adaptation, LayerChange
from kshot_viz.words.modules.labels2head import Labels2Head
from kshot_viz.words.modules.set_context import SetContext


class WordsEncoder(nn.Module):
    """Encoded texts to labels, SetContext and Labels2Head, with or without Labels2Adaptation.

    Parameters
    ----------
    tokens : nn.Module
        Maps encoded texts (N, T) to label embeddings (N, width): :class:`Tokens2Label` the
        numbers of their words, :class:`Text2Label` their vectors.
    features : int
        Number of features of the backbone.
    width : int
        Length of all embeddings.
    layers : mapping of str to (int, int)
        Channels and inputs of the backbone's layers, for their changes.
    adapt : str or None
        Kind of the changes; None makes none.
    rank : int
        See :class:`Labels2Adaptation`.

    Attributes
    ----------
    architecture : dict
        All this but ``tokens``, as plain JSON values.
    """

    def __init__(
        self,
        tokens: nn.Module,
        features: int,
        *,
        width: int,
        layers: Mapping[str, tuple[int, int]],
        adapt: str | None,
        rank: int,
    ) -> None:
        super().__init__()
        self.architecture = {
            "features": features,
            "width": width,
            "layers": {name: list(shape) for name, shape in layers.items()},
            "adapt": adapt,
            "rank": rank,
        }
        self.tokens = tokens
        self.context = SetContext(width)
        self.head = Labels2Head(width, features)
        self.adaptation = (
            None if adapt is None else Labels2Adaptation(layers, width, kind=adapt, rank=rank)
        )

    def labels(self, tokens: Tensor) -> Tensor:
        """Map tokens (tasks, classes, T) to label embeddings (tasks, classes, width)."""
        tasks, classes, _ = tokens.shape
        return self.context(self.tokens(tokens.flatten(0, 1)).view(tasks, classes, -1))

    def prototypes(self, tokens: Tensor) -> Tensor:
        """Map tokens (tasks, classes, T) to prototypes (tasks, classes, features)."""
        return self.head(self.labels(tokens))

    def changes(self, tokens: Tensor) -> dict[str, LayerChange]:
        """Map tokens (classes, T) of one task to the changes of the layers."""
        assert self.adaptation is not None
        return self.adaptation(self.labels(tokens[None])[0])
