"""The recurrent controller: one step a layer, one categorical choice a parameter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from kshot_viz.activations import Activations, LayerActivations

if TYPE_CHECKING:
    from kshot_viz.models.backbone import Backbone


HIDDEN = 32
EMBEDDING = 16


@dataclass(frozen=True)
class ControllerStep:
    """One step of the controller: the choices of a layer.

    Attributes
    ----------
    name : str
        The layer, or the parameter where there are no layers.
    choices : mapping of str to int
        Parameter -> number of values it may take.
    description : tuple of float
        Input features of the layer; all steps of a controller have as many.
    """

    name: str
    choices: Mapping[str, int]
    description: tuple[float, ...] = field(default=())


class Controller(nn.Module):
    """An LSTM over the steps (Zoph & Le, ICLR 2017) with a bias and a skip connection per choice.

    The input of a step is the layer's description and the values chosen in the step before. The
    logits of a choice are the sum of three terms that start at zero, so the first policy is
    uniform: a projection of the recurrent state; a bias, which learns the values that are good in a
    layer whatever the others do, as fast as a table would; and a projection of the values chosen
    just before, so that pairs of values are learned without the recurrent state.

    Parameters
    ----------
    steps : sequence of ControllerStep
    generator : torch.Generator
        Draws the recurrent weights.
    """

    def __init__(self, steps: Sequence[ControllerStep], generator: torch.Generator) -> None:
        super().__init__()
        self.steps = tuple(steps)
        described = len(self.steps[0].description)
        self.bias = nn.ParameterList(torch.zeros(n) for n in self.sizes)
        self.heads = nn.ParameterList(torch.zeros(HIDDEN, n) for n in self.sizes)
        self.skips = nn.ParameterList(torch.zeros(EMBEDDING, n) for n in self.sizes)
        self.embeddings = nn.ParameterList(_normal(n, EMBEDDING, generator) for n in self.sizes)
        self.starts = _normal(len(self.steps), EMBEDDING, generator)
        self.lstm = nn.LSTMCell(EMBEDDING + described, HIDDEN)
        with torch.no_grad():
            for parameter in self.lstm.parameters():
                parameter.uniform_(-(HIDDEN**-0.5), HIDDEN**-0.5, generator=generator)

    @property
    def names(self) -> list[str]:
        """Names of all choices, in the order of the columns of rollouts."""
        return [name for step in self.steps for name in step.choices]

    @property
    def sizes(self) -> list[int]:
        """Number of values of every choice."""
        return [n for step in self.steps for n in step.choices.values()]

    def split_parameters(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Return the biases, and everything else."""
        biases = list(self.bias.parameters())
        known = {id(one) for one in biases}
        return biases, [one for one in self.parameters() if id(one) not in known]

    def sample(self, uniforms: Tensor) -> Tensor:
        """Draw rollouts.

        Parameters
        ----------
        uniforms : Tensor, shape (rollouts, choices)
            Uniform numbers in [0, 1), one a choice; they determine the rollout.

        Returns
        -------
        Tensor of int64, shape (rollouts, choices)
        """
        chosen = torch.zeros(uniforms.shape, dtype=torch.int64)
        with torch.no_grad():
            for column, logits in self._walk(chosen):
                shares = torch.softmax(logits, dim=1).cumsum(dim=1)
                beyond = uniforms[:, column, None] >= shares[:, :-1]
                chosen[:, column] = beyond.sum(dim=1)
        return chosen

    def log_probabilities(self, chosen: Tensor) -> list[Tensor]:
        """Return, for every choice, the log-probability of each value, shape (rollouts, values).

        Parameters
        ----------
        chosen : Tensor of int64, shape (rollouts, choices)
            The chosen values; later choices are conditioned on them.
        """
        return [torch.log_softmax(logits, dim=1) for _, logits in self._walk(chosen)]

    def _walk(self, chosen: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield (column, logits) of every choice; ``chosen`` may be filled in meanwhile."""
        rollouts, column = len(chosen), 0
        state, own = None, self.starts.new_zeros(rollouts, EMBEDDING)
        for index, step in enumerate(self.steps):
            # Embeddings of the values chosen in the step before, later also of those in this one.
            seen, own = own, self.starts.new_zeros(rollouts, EMBEDDING)
            given = seen + self.starts[index]
            if step.description:
                known = torch.tensor(step.description).expand(rollouts, -1)
                given = torch.cat([given, known], dim=1)
            state = self.lstm(given, state)
            for _ in step.choices:
                recurrent, direct = state[0] @ self.heads[column], seen @ self.skips[column]
                yield column, self.bias[column] + recurrent + direct
                chosen_here = self.embeddings[column][chosen[:, column]]
                own, seen = own + chosen_here, seen + chosen_here
                column += 1


def _normal(rows: int, columns: int, generator: torch.Generator) -> nn.Parameter:
    return nn.Parameter(torch.randn(rows, columns, generator=generator))


FEATURES = (
    "convolution",
    "kernel",
    "stride",
    "padding",
    "log inputs",
    "log neurons",
    "depth",
    "share of dead neurons",
    "correlation of neurons",
    "spread of activity",
)


def layer_features(backbone: Backbone, activations: Activations) -> dict[str, tuple[float, ...]]:
    """Return numbers of about 0 to 1 for each layer, named by ``FEATURES``.

    Parameters
    ----------
    backbone : Backbone
    activations : Activations
        Of source images, or of any other images that may be seen.
    """
    last = max(1, len(backbone.layers) - 1)
    return {
        name: (*_shape(backbone, name), index / last, *_activity(activations.layer(name)))
        for index, name in enumerate(backbone.layers)
    }


def _shape(backbone: Backbone, name: str) -> tuple[float, ...]:
    layer, info = backbone.module.get_submodule(name), backbone.layer(name)
    inputs, kernel = info.weight_shape[1], info.weight_shape[2:]
    padding = getattr(layer, "padding", 0)
    return (
        float(bool(kernel)),
        (kernel[0] if kernel else 1) / 7,
        _first(getattr(layer, "stride", 1)) / 4,
        0.5 if isinstance(padding, str) else _first(padding) / 4,
        math.log2(inputs) / 12,
        math.log2(info.width) / 12,
    )


def _first(value: int | tuple[int, ...]) -> float:
    return float(value[0] if isinstance(value, tuple) else value)


def _activity(layer: LayerActivations) -> tuple[float, ...]:
    live = ~layer.dead
    if live.sum() < 2:
        return (1.0 - float(live.mean()), 0.0, 0.0)
    correlation = np.abs(layer.correlation()[np.ix_(live, live)])
    above = correlation[np.triu_indices(len(correlation), 1)]
    spread = layer.std[live]
    return (
        1.0 - float(live.mean()),
        float(above.mean()),
        float(np.clip(spread.std() / spread.mean(), 0, 2) / 2),
    )
