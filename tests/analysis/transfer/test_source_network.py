"""A source learns its data from random weights, and its weights are kept whole."""

from __future__ import annotations

import pytest
import torch
from networks import toy_backbone, toy_data

from kshot_viz.analysis import source_network
from kshot_viz.analysis.transfer.source_network import TRAINING
from kshot_viz.errors import KShotFileError, KShotValueError

SHORT = TRAINING.but(steps=30, batch_size=12, lr=0.02, head_lr=0.02)


def learned(data=None, **options):
    options = {"architecture": toy_backbone(), "config": SHORT} | options
    return source_network(toy_data() if data is None else data, **options)


def body(backbone):
    state = backbone.module.state_dict().items()
    return {name: one.tolist() for name, one in state if not name.startswith("head.")}


def test_it_learns_its_data_and_says_how_well():
    found = learned(toy_data(per_class=40), held_out=0.25, name="toys")
    assert found.name == "toys"
    assert found.notes["accuracy"] > 0.8
    assert found.notes["images"] == 90
    assert found.notes["weights"] == "trained on toy"


def test_the_body_is_trained_and_the_head_is_the_architectures():
    given = toy_backbone()
    found = learned(architecture=given)
    assert found.head_name == "head"
    assert found.module.head.out_features == 4
    assert list(found.layers) == list(given.layers)
    # Batch norms learned their statistics as well.
    assert not torch.equal(found.module.norm.running_mean, torch.zeros(6))


def test_its_weights_depend_on_seed_and_data_alone():
    given = body(learned(seed=1))
    assert body(learned(seed=1, architecture=toy_backbone(seed=9))) == given
    assert given not in (body(learned(seed=2)), body(learned(toy_data(seed=4), seed=1)))


def test_kept_weights_are_those_that_were_learned(tmp_path):
    given = learned()
    for _ in range(2):
        found = learned(cache=tmp_path / "kept")
        assert found.fingerprint == given.fingerprint
        assert found.notes == given.notes
    (file,) = (tmp_path / "kept").iterdir()
    assert file.suffix == ".safetensors"
    learned(cache=tmp_path / "kept", seed=1)
    assert len([*(tmp_path / "kept").iterdir()]) == 2


@pytest.mark.parametrize(
    "content", [b"", b"no weights", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "]
)
def test_a_damaged_file_is_made_anew(tmp_path, content):
    given = learned(cache=tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(content or whole[: len(whole) // 2])
    assert learned(cache=tmp_path).fingerprint == given.fingerprint
    assert file.read_bytes() == whole


def test_without_images_held_out_there_is_no_accuracy():
    assert learned(held_out=0).notes["accuracy"] is None


def test_refusals(tmp_path):
    with pytest.raises(KShotValueError, match="at least two classes; 'toy' has 1"):
        learned(toy_data().take(range(12)))
    with pytest.raises(KShotValueError, match="held_out"):
        learned(held_out=1)
    with pytest.raises(KShotValueError, match=r"diverged at step.*smaller step sizes"):
        learned(config=SHORT.but(lr=1e30, head_lr=1e30, optimizer="sgd"))
    (tmp_path / "file").write_text("")
    with pytest.raises(KShotFileError, match="is not a folder"):
        learned(cache=tmp_path / "file")


@pytest.mark.slow
def test_the_bundled_architecture_learns_digits():
    import kshot_viz as kv

    digits = kv.load_dataset("digits")
    found = source_network(digits, config=TRAINING.but(steps=60))
    assert found.notes["accuracy"] > 0.8
