"""Wrong input ends in one sentence that names what is wrong and what is allowed.

Every case spoils one thing of a request that works. It must raise the right :class:`KShotError`
with the words that help. The command line has its own in ``cli/test_bad_commands.py``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import make_weights, picture
from networks import toy_data
from spoilt import (
    World,
    cut,
    lost,
    nan_weights,
    rewritten,
    saved_comparison,
    saved_episodes,
    saved_grouping,
    scan,
    skipped_to_nothing,
    spoilt,
)

import kshot_viz as kv
from kshot_viz.data.folder import load_unlabelled
from kshot_viz.errors import KShotError, KShotFileError, KShotKeyError, KShotValueError
from kshot_viz.evaluate.row_store import RowStore

Case = tuple[Callable[[World], Any], type[KShotError], tuple[str, ...]]
VALUE, KEY, FILE = KShotValueError, KShotKeyError, KShotFileError
ONE_STEP = kv.FinetuneConfig(steps=1)

TOO_FEW: dict[str, Case] = {
    "class smaller than shot and query": (
        lambda w: w.sample(shot=20, val_share=0.0),
        VALUE,
        ("class 'c0' of 'toy' has 24 images", "20 shots + at least 5 queries need 25"),
    ),
    "class smaller once validation is kept apart": (
        lambda w: w.sample(shot=6),
        VALUE,
        ("'c0'", "14 in the test pool, 10 in the validation pool", "need 11", "`val_share`"),
    ),
    "one small class in a folder": (
        lambda w: spoilt(
            w.pictures / "bee",
            lambda p: [one.unlink() for one in sorted(p.iterdir())[3:]],
            lambda: kv.sample_episodes(w.load(), way=3, shot=1),
        ),
        VALUE,
        ("class 'bee' of 'zoo' has 3 images",),
    ),
    "only copies of one picture": (
        lambda w: kv.sample_episodes(
            kv.load_dataset("digits").take([*([0] * 20), *range(1, 400)]), way=10, shot=30
        ),
        VALUE,
        ("of them different", "30 shots"),
    ),
}

RANGES: dict[str, Case] = {
    "shot -1": (lambda w: w.sample(shot=-1), VALUE, ("`shot`", ">= 0", "not -1")),
    "shot as text": (lambda w: w.sample(shot="1"), VALUE, ("`shot`", "'1'")),
    "shot as float": (lambda w: w.sample(shot=1.0), VALUE, ("`shot`", "1.0")),
    "query 0": (lambda w: w.sample(query=0), VALUE, ("`query`", "not 0")),
    "n negative": (lambda w: w.sample(n=-3), VALUE, ("`n`", "not -3")),
    "way 1": (lambda w: w.sample(way=1), VALUE, ("`way` must be 2..3", "'toy'", "not 1")),
    "way too large": (lambda w: w.sample(way=9), VALUE, ("`way` must be 2..3", "not 9")),
    "val_share 1": (lambda w: w.sample(val_share=1.0), VALUE, ("`val_share`", "[0, 1)")),
    "val_share NaN": (lambda w: w.sample(val_share=np.nan), VALUE, ("`val_share`", "nan")),
    "val_share as text": (lambda w: w.sample(val_share="0.4"), VALUE, ("`val_share`", "'0.4'")),
    "seed negative": (lambda w: w.sample(seed=-1), VALUE, ("`seed`", ">= 0", "not -1")),
    "pool unknown": (lambda w: w.sample(pool="train"), VALUE, ("`pool`", "'test'", "'train'")),
    "no validation pool": (
        lambda w: kv.validation_episodes(w.data, w.sample(val_share=0.0)),
        VALUE,
        ("`val_share=0`", 'tune="source"'),
    ),
    "episodes of other data": (
        lambda w: w.episodes[0].split(toy_data(3, 24, seed=8)),
        VALUE,
        ("episode test/0 belongs to 'toy' with fingerprint",),
    ),
}

FOLDERS: dict[str, Case] = {
    "no such data": (
        lambda w: kv.load_dataset("digitz"),
        KEY,
        ("'digitz'", "Did you mean 'digits'?", "class folders"),
    ),
    "a file": (lambda w: kv.load_dataset(w.file), KEY, ("03.png", "class folders")),
    "one class": (
        lambda w: spoilt(
            w.pictures, lambda p: [shutil.rmtree(p / name) for name in ("ape", "bee")], w.load
        ),
        FILE,
        ("zoo", "at least two class folders", "only 'cat'"),
    ),
    "an empty class": (
        lambda w: spoilt(w.pictures / "dog", Path.mkdir, w.load),
        FILE,
        ("dog", "an image file"),
    ),
    "a picture cut off": (lambda w: spoilt(w.file, cut, w.load), FILE, ("03.png", "skip_bad")),
    "a picture of no bytes": (
        lambda w: spoilt(w.file, lambda p: p.write_bytes(b""), w.load),
        FILE,
        ("03.png", "--skip-bad"),
    ),
    "text called a picture": (
        lambda w: spoilt(w.file, lambda p: p.write_text("hello"), w.load),
        FILE,
        ("03.png", "--skip-bad"),
    ),
    "a folder called a picture's class only": (
        lambda w: skipped_to_nothing(w),
        FILE,
        ("bee", "a readable image"),
    ),
    "a picture deleted after loading": (lost, FILE, ("03.png",)),
    "unlabelled pictures cut off": (
        lambda w: spoilt(w.file, cut, lambda: load_unlabelled(w.pictures)),
        FILE,
        ("03.png", "--skip-bad"),
    ),
    "no unlabelled pictures": (
        lambda w: load_unlabelled(w.here / "nowhere"),
        FILE,
        ("nowhere", "readable images"),
    ),
    "an option of another loader": (
        lambda w: kv.load_dataset("digits", skip_bad=True),
        VALUE,
        ("'skip_bad'", "load_digits"),
    ),
}

BATCHES: dict[str, Case] = {
    "no image": (lambda w: w.net.prepare(np.zeros((0, 8, 8), np.uint8)), VALUE, ("empty",)),
    "NaN pixels": (
        lambda w: w.net.prepare(torch.full((1, 1, 8, 8), float("nan"))),
        VALUE,
        ("64 values", "NaN"),
    ),
    "floats up to 255": (
        lambda w: w.net.prepare(torch.full((1, 1, 8, 8), 255.0)),
        VALUE,
        ("[0, 1]", "divide by 255"),
    ),
    "normalised already": (
        lambda w: w.net.prepare(torch.full((1, 1, 8, 8), -1.5)),
        VALUE,
        ("[0, 1]", "preprocess is applied by the library"),
    ),
    "channels last": (
        lambda w: w.net.prepare(torch.zeros(2, 8, 8, 3)),
        VALUE,
        ("permute(0, 3, 1, 2)",),
    ),
    "whole numbers": (
        lambda w: w.net.prepare(np.zeros((2, 8, 8), np.int64)),
        VALUE,
        ("int64", "uint8"),
    ),
    "a file's name": (lambda w: w.net.prepare("cat.png"), VALUE, ("not str",)),
    "a file that is missing": (
        lambda w: w.net.prepare(["cat.png"]),
        FILE,
        ("cannot read", "cat.png"),
    ),
    "a scan out of range": (
        lambda w: w.glyphnet().prepare([scan(7.0)]),
        VALUE,
        ("7", "float pixels in [0, 1]"),
    ),
    "pictures of two sizes": (
        lambda w: w.glyphnet(size=None, preprocess=kv.Preprocess(channels="L")).prepare(
            [picture(0, 0, 20), picture(0, 1, 24)]
        ),
        VALUE,
        ("different sizes", "`size`"),
    ),
}


NETWORKS: dict[str, Case] = {
    "pictures smaller than the network takes": (
        lambda w: w.glyphnet(size=8),
        VALUE,
        ("8x8 px is too small", "16x16 px"),
    ),
    "a later batch smaller than the network takes": (
        lambda w: w.net.prepare(torch.zeros(1, 1, 2, 2)),
        VALUE,
        ("2x2 px is too small", "3x3 px"),
    ),
    "an unknown network": (
        lambda w: kv.load_backbone("resnet19"),
        KEY,
        ("'glyphnet'", "'resnet19'", "Did you mean 'resnet"),
    ),
    "an unknown layer": (
        lambda w: w.capture(layers=["dep"]),
        KEY,
        ("'conv', 'deep'", "'dep'", "Did you mean 'deep'?"),
    ),
    "layers as one text": (lambda w: w.capture(layers="deep"), VALUE, ("['deep']",)),
    "an unknown head": (
        lambda w: kv.Backbone(w.net.module, head="heed"),
        KEY,
        ("`head`", "'heed'", "'head'"),
    ),
    "a head in the middle": (
        lambda w: kv.Backbone(w.net.module, head="conv"),
        VALUE,
        ("'conv'", "'deep' is called after it"),
    ),
    "an unknown preprocess": (
        lambda w: w.glyphnet(preprocess="imagnet"),
        KEY,
        ("`preprocess`", "'imagenet'", "'imagnet'"),
    ),
    "weights without a preprocess": (
        lambda w: w.glyphnet(preprocess=None),
        VALUE,
        ("net.safetensors", "`preprocess=`", "'glyphs'"),
    ),
    "a broken preprocess file": (
        lambda w: w.glyphnet(preprocess=w.written("p.json", "{")),
        FILE,
        ("p.json", "JSON"),
    ),
    "a newer preprocess file": (
        lambda w: w.glyphnet(preprocess=w.written("p.json", '{"schema": 9}')),
        FILE,
        ("p.json", "schema 9"),
    ),
    "NaN in the weights": (
        lambda w: w.capture(nan_weights(w)),
        VALUE,
        ("'deep'", "NaN or infinite", "1 of 8 neurons"),
    ),
    "constant activations": (
        lambda w: kv.cluster_neurons(
            kv.capture_activations(w.net, np.zeros((3, 8, 8, 1), np.uint8), pool="mean")
        ),
        VALUE,
        ("No neuron of layer 'conv' responds", "the same"),
    ),
}

WEIGHTS: dict[str, Case] = {
    "no such file": (lambda w: w.glyphnet(w.here / "no.pth"), FILE, ("no.pth",)),
    "another ending": (lambda w: w.glyphnet(w.written("w.bin", "x")), FILE, (".safetensors",)),
    "cut-off safetensors": (
        lambda w: w.glyphnet(cut(make_weights(w.here / "w.safetensors"))),
        FILE,
        ("w.safetensors", "cannot be read"),
    ),
    "noise called pth": (
        lambda w: w.glyphnet(w.written("w.pth", bytes(range(256)))),
        FILE,
        ("w.pth", "cannot be read"),
    ),
    "noise called npz": (
        lambda w: w.glyphnet(w.written("w.npz", b"PK\x03\x04 nothing")),
        FILE,
        ("w.npz", "cannot be read"),
    ),
    "a missing key": (
        lambda w: w.glyphnet(w.change_weights(blocks__2__conv__weight=None)),
        VALUE,
        ("changed.safetensors", "1 missing: blocks.2.conv.weight"),
    ),
    "an unexpected key": (
        lambda w: w.glyphnet(w.change_weights(extra__weight=torch.zeros(2))),
        VALUE,
        ("1 unexpected: extra.weight",),
    ),
    "both": (
        lambda w: w.glyphnet(w.change_weights(blocks__0__norm__bias=None, other=torch.zeros(1))),
        VALUE,
        ("missing: blocks.0.norm.bias", "unexpected: other"),
    ),
    "another shape": (
        lambda w: w.glyphnet(w.change_weights(blocks__0__conv__weight=torch.zeros(32, 3, 3, 3))),
        VALUE,
        ("blocks.0.conv.weight (32, 3, 3, 3) for (32, 1, 3, 3)",),
    ),
}

GROUPINGS: dict[str, Case] = {
    "more groups than neurons": (
        lambda w: w.group(n_groups=7),
        VALUE,
        ("'conv' has 6 neurons", "1 to 6", "not 7"),
    ),
    "no groups": (lambda w: w.group(n_groups=0), VALUE, ("'conv'", "1 to 6", "not 0")),
    "a share above one": (lambda w: w.group(n_groups=1.5), VALUE, ("'conv'", "(0, 1]", "1.5")),
    "groups of an unknown layer": (
        lambda w: w.group(n_groups={"deap": 2}),
        KEY,
        ("'deap'", "Did you mean 'deep'?"),
    ),
    "an unknown clustering": (
        lambda w: w.group(method="k-means"),
        KEY,
        ("`method`", "'kmeans'", "'k-means'"),
    ),
    "a bound that is no quantile": (
        lambda w: w.group(max_within=2.0),
        VALUE,
        ("`max_within`", "[0, 1]", "2.0"),
    ),
    "made for another network": (
        lambda w: w.tune(method="grouped", grouping=kv.Grouping({"layer4": [0, 0]})),
        VALUE,
        ("another network", "'layer4'", "conv, deep"),
    ),
    "made for another width": (
        lambda w: w.tune(method="grouped", grouping=kv.Grouping({"conv": [0, 0]})),
        VALUE,
        ("another network", "'conv'", "has 6 neurons", "has 2"),
    ),
    "from a source that is not given": (
        lambda w: w.evaluate(kv.Candidate(kv.GroupingRule(groups_from="source"), ONE_STEP)),
        VALUE,
        ("'source'", "`source=`"),
    ),
    "from queries": (
        lambda w: w.evaluate(
            kv.Candidate(kv.GroupingRule(groups_from="source"), ONE_STEP), source=w.data
        ),
        VALUE,
        ("of the 72 `source` images are query images",),
    ),
    "from queries as an array": (
        lambda w: w.evaluate(
            kv.Candidate(kv.GroupingRule(groups_from="source"), ONE_STEP), source=w.data.images
        ),
        VALUE,
        ("of the 72 `source` images are query images",),
    ),
}

SETTINGS: dict[str, Case] = {
    "an unknown optimizer": (
        lambda w: kv.FinetuneConfig(optimizer="sdg"),
        KEY,
        ("`optimizer`", "'sgd'", "'sdg'"),
    ),
    "an optimizer that mixes neurons": (
        lambda w: kv.FinetuneConfig(optimizer="muon"),
        KEY,
        ("'muon'", "mixes", "'adamw'"),
    ),
    "lr NaN": (lambda w: kv.FinetuneConfig(lr=np.nan), VALUE, ("`lr`", "finite", "nan")),
    "lr as text": (lambda w: kv.FinetuneConfig(lr="0.1"), VALUE, ("`lr`", "'0.1'")),
    "momentum 1": (lambda w: kv.FinetuneConfig(momentum=1.0), VALUE, ("`momentum`", "1.0")),
    "half a step": (lambda w: kv.FinetuneConfig(steps=1.5), VALUE, ("`steps`", "1.5")),
    "an unknown setting": (
        lambda w: kv.FinetuneConfig().but(learning_rate=1),
        KEY,
        ("'learning_rate'", "'lr'"),
    ),
    "a multiplier of no layer": (
        lambda w: w.tune(config=ONE_STEP.but(layer_lr={"cnov": 0.0})),
        KEY,
        ("`layer_lr`", "'cnov'", "Did you mean 'conv'?"),
    ),
    "an unknown method": (
        lambda w: w.tune(method="fancy"),
        KEY,
        ("`method`", "'head_only'", "'fancy'"),
    ),
    "grouped without groups": (
        lambda w: w.tune(method="grouped"),
        VALUE,
        ("`grouping=`", "kv.cluster_neurons"),
    ),
    "plain with groups": (
        lambda w: w.tune(grouping=kv.Grouping.one_group(w.net)),
        VALUE,
        ("method='plain'", "leave out `grouping=`"),
    ),
    "a candidate of both": (
        lambda w: kv.Candidate(kv.Grouping.one_group(w.net), method="plain"),
        VALUE,
        ("method='plain' shares no gradients",),
    ),
    "one class": (
        lambda w: w.tune((w.data.images[:3], ["a", "a", "a"])),
        VALUE,
        ("two classes", "'a'"),
    ),
    "too few labels": (
        lambda w: w.tune((w.data.images[:3], ["a", "b"])),
        VALUE,
        ("3 images but 2 labels",),
    ),
    "no support": (lambda w: w.tune(42), VALUE, ("`support`", "(images, labels)", "int")),
    "no such device": (lambda w: w.tune(device="gpu"), VALUE, ("`device`", "'cpu'", "'gpu'")),
    "no such executor": (
        lambda w: w.evaluate(executor="threads"),
        KEY,
        ("`executor`", "'serial', 'processes'"),
    ),
    "no workers": (
        lambda w: w.evaluate(executor="processes", workers=0),
        VALUE,
        ("`workers`", "not 0"),
    ),
    "steps as one number": (
        lambda w: w.evaluate(at_steps=5),
        VALUE,
        ("`at_steps`", "a list", "Integral", "not 5"),
    ),
    "half a step count": (
        lambda w: w.evaluate(at_steps=[0.5]),
        VALUE,
        ("`at_steps`", "Integral", "not 0.5"),
    ),
    "a grouping that is no candidate": (
        lambda w: w.evaluate(kv.Grouping({"conv": [0, 0]})),
        VALUE,
        ("`candidates`", "Candidate", "Grouping"),
    ),
    "steps that never come": (
        lambda w: w.evaluate(at_steps=[5]),
        VALUE,
        ("`at_steps`", "0 to 1", "[5]"),
    ),
    "methods as one text": (lambda w: w.compare(methods="plain"), VALUE, ("`methods`", "a list")),
    "an unknown contender": (
        lambda w: w.compare(methods=["plane"]),
        KEY,
        ("`methods`", "Did you mean 'plain'?"),
    ),
    "tuning elsewhere": (lambda w: w.compare(tune="val"), KEY, ("`tune`", "'validation'")),
    "tuning on no source": (lambda w: w.compare(tune="source"), VALUE, ("`source=`", "labelled")),
    "a row that is not there": (
        lambda w: w.compare().replay(2),
        VALUE,
        ("`row` must be 0 to 1", "not 2"),
    ),
}

FILES: dict[str, Case] = {
    "cut-off episodes": (
        lambda w: kv.load_episodes(cut(saved_episodes(w))),
        FILE,
        ("episodes.json", "cannot be read"),
    ),
    "newer episodes": (
        lambda w: kv.load_episodes(rewritten(saved_episodes(w), schema=7)),
        FILE,
        ("episodes.json", "schema 7"),
    ),
    "episodes to nowhere": (
        lambda w: kv.save_episodes(w.episodes, w.here / "no" / "where.json"),
        FILE,
        ("where.json", "No such file"),
    ),
    "a cut-off grouping": (
        lambda w: kv.Grouping.load(cut(saved_grouping(w))),
        FILE,
        ("groups.json",),
    ),
    "a newer grouping": (
        lambda w: kv.Grouping.load(rewritten(saved_grouping(w), schema=7)),
        FILE,
        ("groups.json", "schema 7"),
    ),
    "cut-off rows": (
        lambda w: spoilt(
            saved_comparison(w) / "results.parquet",
            cut,
            lambda: kv.Comparison.load(w.here / "results"),
        ),
        FILE,
        ("results.parquet", "cut off"),
    ),
    "a newer comparison": (
        lambda w: spoilt(
            saved_comparison(w) / "comparison.json",
            lambda p: rewritten(p, schema=7),
            lambda: kv.Comparison.load(w.here / "results"),
        ),
        FILE,
        ("comparison.json", "schema 7", "newer"),
    ),
    "rows that are no rows": (
        lambda w: RowStore(w.written("rows.jsonl", "{}\n")),
        FILE,
        ("rows.jsonl, line 1", "Move the file away"),
    ),
    "results into a file": (
        lambda w: w.compare(out=w.written("out", "x")),
        FILE,
        ("out is a file", "folder"),
    ),
}

KINDS = {
    "few images": TOO_FEW,
    "range": RANGES,
    "folder": FOLDERS,
    "batch": BATCHES,
    "network": NETWORKS,
    "weights": WEIGHTS,
    "grouping": GROUPINGS,
    "setting": SETTINGS,
    "file": FILES,
}
LIBRARY = [
    pytest.param(*case, id=f"{kind}: {name}")
    for kind, cases in KINDS.items()
    for name, case in cases.items()
]


def test_there_are_enough_cases():
    assert len(LIBRARY) >= 60


@pytest.mark.parametrize(("spoil", "kind", "words"), LIBRARY)
def test_the_library_says_what_is_wrong(world, spoil, kind, words):
    with pytest.raises(KShotError) as caught:
        spoil(world)
    message = str(caught.value)
    assert caught.type is kind
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert "Traceback" not in message


def test_skipping_goes_on_and_says_what_was_skipped(world):
    cut(world.file)
    cut(world.pictures / "cat" / "07.png")
    data = world.load(skip_bad=True)
    assert len(data) == 3 * 16 - 2
    assert data.notes["skipped"] == "bee/03.png; cat/07.png"
    unlabelled = load_unlabelled(world.pictures, skip_bad=True)
    assert len(unlabelled) == 3 * 16 - 2
    assert unlabelled.notes["skipped"] == "bee/03.png; cat/07.png"
