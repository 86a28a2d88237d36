from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from kshot_viz.data.episodes import sample_episodes
from kshot_viz.data.glyphs.bank import glyph_bank
from kshot_viz.data.glyphs.fonts import find_faces
from kshot_viz.data.glyphs.load_glyphs import GlyphStream, is_held_out
from kshot_viz.data.load_dataset import load_digits
from kshot_viz.errors import KShotValueError
from kshot_viz.models.glyphnet import pretrain
from kshot_viz.models.glyphnet.pretrain import PretrainRecipe, pretrain_glyphnet, train_glyphnet
from kshot_viz.models.inputs.preprocess import RECIPES
from kshot_viz.models.loading.load_backbone import bundled_glyphnet, load_backbone
from kshot_viz.models.nearest_mean import nearest_mean_accuracy
from kshot_viz.seeds import child_seed

TINY = PretrainRecipe(steps=4, batch=8, width=4, average=0.5)
WEIGHTS = Path(pretrain.__file__).with_name("weights")


@pytest.fixture(autouse=True)
def few_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "_EPISODES", 40)


@pytest.mark.slow
def test_same_seed_same_bytes(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    state = torch.random.get_rng_state()
    first = pretrain_glyphnet(tmp_path / "a", recipe=TINY, progress=False)
    again = pretrain_glyphnet(tmp_path / "b", recipe=TINY, progress=False)
    assert first == again
    for name in ("glyphnet.safetensors", "glyphnet.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


def test_another_seed_gives_other_weights_and_letters() -> None:
    nets = [train_glyphnet(glyph_bank(), TINY, seed) for seed in (0, 1)]
    first, second = (net.state_dict()["blocks.0.conv.weight"] for net in nets)
    assert not torch.equal(first, second)


@pytest.mark.slow
def test_the_record_says_how_it_was_made(tmp_path: Path) -> None:
    record = pretrain_glyphnet(tmp_path, recipe=TINY, steps=3, homoglyphs="include", progress=False)
    document = json.loads((tmp_path / "glyphnet.json").read_text())
    assert document["schema"] == 1
    assert document["record"] == json.loads(json.dumps(record))
    assert document["preprocess"] == RECIPES["glyphs"].to_dict()
    assert record["recipe"]["steps"] == 3
    assert record["images_seen"] == 24
    assert record["homoglyphs"] == "include"
    assert record["fonts"] == {face.name: face.sha256 for face in find_faces()}
    trained = [p for p in glyph_bank("include").points if not is_held_out(p)]
    assert record["letters"] == len(trained)
    assert record["held_out"]["letters"] == len(glyph_bank("include").points) - len(trained)
    assert 0 < record["held_out"]["all_way_1_shot"]["mean"] < 1


@pytest.mark.slow
def test_the_files_load_as_a_bundled_network(tmp_path: Path) -> None:
    pretrain_glyphnet(tmp_path, recipe=TINY, progress=False)
    module, preprocess, record = bundled_glyphnet(tmp_path)
    assert preprocess == RECIPES["glyphs"]
    assert record["network"] == "GlyphNet(width=4)"
    net = train_glyphnet(glyph_bank(), TINY, seed=0)
    one, two = net.state_dict(), module.state_dict()
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)


def test_the_average_is_over_the_last_steps() -> None:
    net = torch.nn.Linear(1, 1)
    average = pretrain._Average(net, PretrainRecipe(steps=4, average=0.5))
    for step in range(4):
        net.weight.data.fill_(float(step))
        average.update(step)
    average.store()
    assert net.weight.item() == 2.5


@pytest.mark.parametrize("name", ["steps", "batch", "width"])
def test_bad_recipes(name: str) -> None:
    with pytest.raises(KShotValueError, match=f"`{name}`"):
        PretrainRecipe(**{name: 0})


def test_the_bundled_network_is_small_and_keeps_its_promise() -> None:
    assert (WEIGHTS / "glyphnet.safetensors").stat().st_size < 2_000_000
    backbone, digits = load_backbone("glyphnet"), load_digits()
    for shot, goal in ((1, 0.70), (5, 0.85)):
        episodes = sample_episodes(digits, way=10, shot=shot, n=200)
        assert nearest_mean_accuracy(backbone, digits, episodes).mean() >= goal


def test_the_bundled_record_belongs_to_the_default_recipe() -> None:
    record = json.loads((WEIGHTS / "glyphnet.json").read_text())["record"]
    assert record["homoglyphs"] == "exclude"
    stream = GlyphStream(glyph_bank(), PretrainRecipe().jitter, child_seed(0, "pretrain"))
    assert record["pixels"] == pretrain._pixels(stream)
    assert record["recipe"] == json.loads(json.dumps(pretrain.asdict(PretrainRecipe())))
