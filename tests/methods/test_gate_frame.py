"""Gates by layer and class, beside counts over all pairs of images."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from fast_networks import Stack, Task, lively
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.methods.adafilter.gates import COLUMNS, gate_frame, gates_by_layer
from kshot_viz.methods.adafilter.method import AdaFilter
from kshot_viz.methods.adafilter.twins import gates_of

DATA = toy_data(4, 20)
EPISODES = kv.sample_episodes(DATA, way=4, shot=2, query=6, n=1, seed=0)
SUPPORT, QUERY = EPISODES[0].split(DATA)
CONFIG = kv.FinetuneConfig(lr=0.05, head_lr=0.1, steps=8)


def tuned(**options):
    return kv.finetune(toy_backbone(), SUPPORT, method=AdaFilter(**options), config=CONFIG)


@pytest.fixture(scope="module")
def result():
    return tuned()


def test_rates_and_agreement_are_those_of_all_pairs(result):
    labels = result.classes[QUERY.targets]
    table = gate_frame(result, QUERY.images, labels)
    assert tuple(table.columns) == COLUMNS
    assert list(zip(table["layer"], table["class"], strict=True)) == [
        (layer, name) for layer in ("conv", "deep") for name in sorted(set(labels))
    ]
    chosen = gates_by_layer(result, gates_of(result.backbone), QUERY.images, batch_size=7)
    for row in table.itertuples(index=False):
        gates, own = chosen[row.layer], np.flatnonzero(labels == row[1])
        others = np.flatnonzero(labels != row[1])
        within = [np.mean(gates[i] == gates[j]) for i, j in itertools.combinations(own, 2)]
        between = [np.mean(gates[i] == gates[j]) for i in own for j in others]
        assert (row.images, row.channels) == (len(own), gates.shape[1])
        assert row.rate == pytest.approx(gates[own].mean())
        assert row.within == pytest.approx(np.mean(within))
        assert row.between == pytest.approx(np.mean(between))
    assert 0 < table["between"].min() < 1


def test_static_gates_agree_for_all_images():
    table = gate_frame(tuned(gate="static", rate=0.25), QUERY.images, QUERY.targets)
    assert table["within"].eq(1).all()
    assert table["between"].eq(1).all()
    # A quarter of 6 and of 8 channels, as whole channels.
    assert table.groupby("layer")["rate"].unique().map(list).to_dict() == {
        "conv": [2 / 6],
        "deep": [2 / 8],
    }


def test_where_there_is_no_pair_there_is_no_agreement(result):
    table = gate_frame(result, QUERY.images[:1], ["c0"])
    assert table["within"].isna().all()
    assert table["between"].isna().all()
    assert table["rate"].notna().all()


def test_wrong_arguments_are_refused(result):
    with pytest.raises(kv.KShotError, match="labels"):
        gate_frame(result, QUERY.images, QUERY.targets[:-1])
    plain = kv.finetune(toy_backbone(), SUPPORT, method="plain", config=CONFIG)
    with pytest.raises(kv.KShotError, match="no gates"):
        gate_frame(plain, QUERY.images, QUERY.targets)


class Loop(Stack):
    """A block that is passed through twice."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks[0](x)
        x = self.blocks[1](x)
        return self.head((x + self.blocks[1](x[:, :5])).mean(dim=(2, 3)))


def test_a_layer_that_is_called_twice_has_twice_its_channels():
    task, backbone = Task.draw(), lively(Loop)
    result = kv.finetune(backbone, task.support, method="adafilter", config=CONFIG)
    with gates_of(result.backbone).recorded() as seen, torch.no_grad():
        result.backbone.module(task.others.clone())
    assert [one.layer for one in seen] == [0, 1, 1]
    table = gate_frame(result, task.others, [0, 0, 1, 1])
    assert table.groupby("layer")["channels"].first().to_dict() == {
        "blocks.0.conv": 5,
        "blocks.1.conv": 12,
    }
