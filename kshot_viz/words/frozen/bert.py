"""BERT as far as sentence encoders need it: embeddings and post-norm transformer layers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

_HEADS, _EPS = 12, 1e-12
_ENDS = ("weight", "bias")
_PARTS = {
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}


class Bert(nn.Module):
    """Embeddings of tokens and positions, and transformer layers.

    Parameters
    ----------
    tokens, positions, layers : int
        How many there are.
    width, inner : int
        Length of the embeddings, and of the hidden layer of each feed-forward network.
    """

    def __init__(self, tokens: int, positions: int, layers: int, width: int, inner: int) -> None:
        super().__init__()
        self.width = width
        self.tokens = nn.Embedding(tokens, width)
        self.positions = nn.Embedding(positions, width)
        self.norm = nn.LayerNorm(width, eps=_EPS)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                *(width, _HEADS, inner),
                dropout=0.0,
                activation="gelu",
                layer_norm_eps=_EPS,
                batch_first=True,
            )
            for _ in range(layers)
        )

    @classmethod
    def of(cls, weights: Mapping[str, Tensor]) -> Bert:
        """Build from the weights of ``transformers.BertModel``, in eval mode, without gradients."""
        tokens, positions = (
            weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position")
        )
        numbers = {name.split(".")[2] for name in weights if name.startswith("encoder.layer.")}
        inner = len(weights["encoder.layer.0.intermediate.dense.bias"])
        with torch.device("meta"):
            made = cls(len(tokens), len(positions), len(numbers), tokens.shape[1], inner)
        # There is one sequence, so its type embedding is a constant.
        kind = weights["embeddings.token_type_embeddings.weight"][0]
        state = {"tokens.weight": tokens, "positions.weight": positions + kind}
        state |= {f"norm.{end}": weights[f"embeddings.LayerNorm.{end}"] for end in _ENDS}
        for number in range(len(numbers)):
            state |= _layer(weights, number)
        made.load_state_dict(state, assign=True)
        return made.eval().requires_grad_(False)

    def forward(self, tokens: Tensor, given: Tensor) -> Tensor:
        """Map tokens (N, T) to (N, T, width); where ``given`` (N, T) is False there is padding."""
        embedded = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        hidden = self.norm(embedded)
        for layer in self.layers:
            hidden = layer(hidden, src_key_padding_mask=~given)
        return hidden


def _layer(weights: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    own = f"encoder.layer.{number}"
    state = {
        f"layers.{number}.{ours}.{end}": weights[f"{own}.{theirs}.{end}"]
        for ours, theirs in _PARTS.items()
        for end in _ENDS
    }
    for end in _ENDS:
        parts = [weights[f"{own}.attention.self.{one}.{end}"] for one in ("query", "key", "value")]
        state[f"layers.{number}.self_attn.in_proj_{end}"] = torch.cat(parts)
    return state
