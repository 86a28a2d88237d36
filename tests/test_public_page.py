"""The block that outside code relies on, run as written, and the README's own example."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from torch import nn

ROOT = Path(__file__).parents[1]

BLOCK = """
import kshot_viz as kv

data      = kv.load_dataset("digits")                    # or "glyphs", a folder of class folders, a torchvision name
episodes  = kv.sample_episodes(data, way=10, shot=1, query=15, n=8, val_share=0.4, seed=0)    # list[Episode]; indices only, JSON round trip
support, query = episodes[0].split(data)                 # each with .images and .labels
backbone  = kv.load_backbone("glyphnet")                 # bundled; or torchvision "resnet18" (weights=...), or
# backbone = kv.Backbone(module, head="classifier", preprocess=fn)               # any nn.Module
acts      = kv.capture_activations(backbone, support.images, layers=None, pool="grid")   # Activations
grouping  = kv.cluster_neurons(acts, n_groups=0.1, method="kmeans", seed=0)      # Grouping; float = share of width, int = count, dict = per layer
config    = kv.FinetuneConfig(optimizer="sgd", lr=3e-3, head_lr=0.1, steps=40, momentum=0.9, weight_decay=0.0, layer_lr={})
result    = kv.finetune(backbone, support, method="grouped", grouping=grouping, config=config, seed=0)   # .predict(images), .history, .backbone
rows      = kv.evaluate(backbone, data, episodes, [kv.Candidate(grouping, config)], executor="processes")   # one row per candidate x episode
table     = kv.compare_methods(backbone, data, episodes, methods=["head_only", "plain", "grouped"], groups_from="support", n_groups=0.1)
table.frame, table.summary(), table.replay(row=0)        # also .save(), .load()
found     = kv.search_groups(backbone, kv.pseudo_episode_reward(kv.load_dataset("glyphs"), way=5, shot=1, n=2), sampler="reinforce", budget=12, storage=JOURNAL, seed=0)
clf       = kv.KShotClassifier(backbone, method="grouped")   # scikit-learn estimator
kv.ReinforceSampler(seed=0)                              # an Optuna sampler, usable on anybody's study
kv.GroupExplorer                                         # widgets
"""  # noqa: E501


@pytest.mark.slow
def test_the_public_block_runs_as_written(tmp_path):
    names: dict = {"JOURNAL": str(tmp_path / "search.journal")}
    exec(compile(BLOCK, "<public page>", "exec"), names)
    assert (names["result"].predict(names["query"].images) == names["query"].labels).mean() > 0.4
    assert len(names["rows"]) == 8
    table = names["table"]
    expected = {"method", "way", "shot", "episode", "accuracy", "lr", "steps", "seed", "status"}
    assert expected | {"seconds"} <= set(table.frame.columns)
    assert table.replay(row=0).identical
    table.save(tmp_path)
    assert names["kv"].Comparison.load(tmp_path).summary().equals(table.summary())
    assert len(names["found"].history) >= 12
    assert names["grouping"]["blocks.0.conv"].shape == (32,)


def test_any_module_with_any_preprocess():
    import kshot_viz as kv

    module = nn.Sequential()
    module.add_module("features", nn.Conv2d(1, 4, 3))
    module.add_module("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    module.add_module("classifier", nn.Linear(4, 7))
    seen = []

    def fn(images):
        seen.append(images.shape)
        return images - 0.5

    backbone = kv.Backbone(module, head="classifier", preprocess=fn)
    data = kv.load_dataset("digits").take(range(8))
    seen.clear()
    result = kv.finetune(backbone, data, method="plain", config=kv.FinetuneConfig(steps=1))
    assert len(seen) == 1, "preprocessing is applied exactly once"
    assert len(result.predict(data)) == 8


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/classifier.md",
        "docs/methods.md",
        "docs/studies.md",
        "docs/inside.md",
        "docs/topology.md",
        "docs/transfer.md",
        "docs/words.md",
    ],
)
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    assert blocks
    # One of them writes a picture beside itself.
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks:
        exec(compile(textwrap.dedent(block), page, "exec"), names)


def test_the_page_of_methods_names_each_of_them():
    import kshot_viz as kv

    page = (ROOT / "docs" / "methods.md").read_text("utf-8")
    table = [line for line in page.splitlines() if line.startswith("| `")]
    first = {name for line in table for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert first - {"gate", "rate", "gate_lr", "diversity", "gate_seed"} == set(kv.list_methods())
