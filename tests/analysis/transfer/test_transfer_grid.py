"""A grid of toy networks: its laws, its rows and its files."""

from __future__ import annotations

import numpy as np
import pytest
from command_line import make_pictures
from networks import ToyNet, toy_backbone
from PIL import Image
from toy_transfer import STARTS, grid_of, target

import kshot_viz as kv
from kshot_viz.analysis import TransferGrid
from kshot_viz.analysis.transfer.starts import random_start
from kshot_viz.errors import KShotKeyError
from kshot_viz.models.backbone import Backbone

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found():
    return grid_of()


def accuracies(grid, source, start, seed=0):
    rows = grid.frame().query("source == @source and start == @start and seed == @seed")
    assert len(rows) == 3
    return rows.set_index("episode")["accuracy"]


def test_every_cell_has_the_same_episodes(found):
    frame = found.frame()
    assert not frame.duplicated(["source", "target", "network", "start", "seed", "episode"]).any()
    assert frame.groupby(["source", "start", "seed"])["episode"].agg(list).map(tuple).nunique() == 1
    assert set(frame["network"]) == {"toy"}
    assert set(frame["target"]) == {"target"}
    assert set(frame["status"]) == {"ok"}
    # 3 starts of random weights, and 6 of each source, with 2 seeds and 3 episodes.
    assert len(frame) == (3 + 2 * 6) * 2 * 3


def test_random_weights_are_there_for_every_method(found):
    random = found.frame().query("source == 'random'")
    by_start = random[["start", "method"]].drop_duplicates().set_index("start")["method"]
    assert by_start.to_dict() == {
        "random": "plain", "frozen": "head_only", "last_block": "last_block",
    }  # fmt: skip


def test_frozen_random_weights_are_head_only_on_the_random_network(found):
    data = target()
    study = next(iter(found.studies.values()))
    comparison = found.comparison("random")
    tuning = [one for one in comparison.episodes.values() if one.pool == "val"]
    images = data.take(sorted({i for one in tuning for i in (*one.support, *one.query)}))
    network = random_start(toy_backbone(), seed=0, images=images)
    episodes = [one for one in comparison.episodes.values() if one.pool == "test"]
    rows = kv.evaluate(
        network,
        data,
        episodes,
        [kv.Candidate(None, kv.FinetuneConfig(lr=3e-3, head_lr=0.1, steps=4), "head_only")],
    )
    expected = rows.set_index("episode")["accuracy"]
    assert accuracies(found, "random", "frozen").equals(expected)
    assert study.comparisons


def test_a_hybrid_cut_after_the_last_layer_is_the_source(found):
    for source in ("data", "net"):
        for seed in (0, 1):
            pair = (accuracies(found, source, one, seed) for one in ("hybrid:deep", "all"))
            assert next(pair).equals(next(pair))


def test_a_network_that_was_given_is_the_same_for_all_seeds(found):
    one, other = (accuracies(found, "net", "all", seed) for seed in (0, 1))
    assert one.equals(other)
    learned = found.manifest["learned"]
    assert [(one["source"], one["seed"]) for one in learned] == [("data", 0), ("data", 1)]


def test_the_same_seeds_give_the_same_rows(found):
    again = grid_of()
    assert again.frame().equals(found.frame())
    assert again.representations().equals(found.representations())
    other = grid_of(seed=5)
    assert not other.frame()["accuracy"].equals(found.frame()["accuracy"])


def test_a_seed_alone_gives_its_rows(found):
    alone = grid_of(seeds=(1,)).frame()
    both = found.frame().query("seed == 1").reset_index(drop=True)
    by = ["source", "start", "episode"]
    assert alone.sort_values(by)["accuracy"].tolist() == both.sort_values(by)["accuracy"].tolist()


def test_the_masking_index_is_that_of_its_rows(found):
    wide = found.frame().groupby(["source", "start", "episode"])["accuracy"].mean()
    for row in found.masking().to_dict("records"):
        own, random = wide[row["source"]], wide["random"]
        index = (own["frozen"] - random["frozen"]) - (own["all"] - random["random"])
        assert row["index"] == pytest.approx(index.mean(), abs=1e-12)


def test_layers_are_compared_where_the_body_is_trained(found):
    frame = found.representations()
    assert set(frame["start"]) == {*STARTS} - {"frozen"}
    assert set(frame["layer"]) == {"conv", "deep"}
    assert frame["value"].dropna().between(0, 1 + 1e-9).all()
    # Below the last block nothing moves.
    still = frame.query("start == 'last_block' and compared == 'before and after'")
    assert np.allclose(still.query("layer == 'conv'")["value"], 1)
    assert set(frame.query("source == 'random'")["compared"]) == {"before and after"}
    # After a cut behind all layers the network is the source itself.
    by = ["source", "seed", "compared", "layer", "measure"]
    hybrid, whole = (
        frame.query("start == @one and source != 'random'").set_index(by)["value"]
        for one in ("hybrid:deep", "all")
    )
    assert hybrid.equals(whole)


def test_it_is_saved_and_loaded(found, tmp_path):
    found.save(tmp_path / "grid")
    again = TransferGrid.load(tmp_path / "grid")
    assert again.frame().equals(found.frame())
    assert again.effects().equals(found.effects())
    assert again.masking().equals(found.masking())
    assert again.representations().equals(found.representations())
    assert again.findings() == found.findings()
    assert again.comparison("net").summary().equals(found.comparison("net").summary())


def test_finished_rows_are_kept(tmp_path):
    small = {"starts": ["frozen"], "seeds": 0, "out": tmp_path / "out", "cache": tmp_path / "kept"}
    first = grid_of(**small)
    stored = {path: path.read_bytes() for path in (tmp_path / "out").rglob("rows.jsonl")}
    assert stored
    assert grid_of(**small).frame().equals(first.frame())
    assert all(path.read_bytes() == content for path, content in stored.items())
    assert TransferGrid.load(tmp_path / "out").frame().equals(first.frame())


def test_several_targets_networks_and_shots():
    found = grid_of(
        {"data": target(seed=7)},
        [target(), target(seed=1, name="other")],
        networks=[toy_backbone(), Backbone(ToyNet(4), head="head", name="narrow")],
        starts=["frozen", "hybrid"],
        shots=(1, 2),
        seeds=[0],
    )
    effects = found.effects()
    assert len(effects) == 2 * 2 * 2 * 2
    assert set(effects["network"]) == {"ToyNet", "narrow"}
    assert any("other with narrow, 1 shot" in line for line in found.findings())
    # The middle of two layers is the first one.
    cells = found.manifest["cells"]
    assert {one["weights"] for one in cells} == {"source", "random", "hybrid"}
    assert found.comparison("data", target="other", network="narrow")


def test_files_are_sources_and_targets(tmp_path):
    network = Backbone(ToyNet(), head="head", preprocess=kv.Preprocess(size=8, channels="L"))
    folders = [make_pictures(tmp_path / name) for name in ("source", "target")]
    for path in folders[0].rglob("*.png"):
        Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path)
    source, onto = (kv.load_dataset(one) for one in folders)
    found = grid_of({"files": source}, {"others": onto}, networks=network, starts=["all"], seeds=0)
    assert found.effects()["source"].tolist() == ["files"]


def test_groups_of_neurons_are_a_start():
    found = grid_of({"net": toy_backbone(seed=3)}, starts=["grouped"], seeds=0, n_groups=2)
    assert found.effects()["method"].tolist() == ["grouped"]
    (line,) = found.findings()
    assert line.startswith("target, 2 shots, fine-tuned in groups: 3 test episodes are too few")


def test_an_unknown_cell_is_refused(found):
    with pytest.raises(KShotKeyError, match="Did you mean 'data'"):
        found.comparison("dat")
    assert found.comparison("net", weights="hybrid:conv")
