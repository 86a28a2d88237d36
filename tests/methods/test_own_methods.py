"""Two methods of a user's own, defined as in a notebook cell, through everything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
from dataclasses import dataclass

import torch
from torch import nn

import kshot_viz as kv
from kshot_viz.methods.slots import Slot
from kshot_viz.testing import check_method
from kshot_viz.viz import plot_accuracy, plot_step_size, write_report


class Scaled(nn.Module):
    def __init__(self, head, features):
        super().__init__()
        self.head, self.scale = head, nn.Parameter(torch.ones(features))

    def forward(self, features):
        return self.head(features * self.scale.view(-1, *[1] * (features.ndim - 2)))


@kv.register_method
@dataclass(frozen=True)
class FeatureScale(kv.Method):
    '''A scale for every feature that the head reads, and a penalty on its distance to one.'''

    name = "feature_scale"
    label = "feature scale"
    penalty: float = 0.1

    def attach(self, network, setup):
        name = network.head_name
        head = network.module.get_submodule(name)
        wrapped = Scaled(head, network.feature_dim).to(next(head.parameters()))
        network.module.set_submodule(name, wrapped)
        rates = {"scale": setup.config.lr}
        return [
            Slot(f"{name}.{inner}", parameter, rates.get(inner, setup.config.head_lr))
            for inner, parameter in wrapped.named_parameters()
        ]

    def loss(self, network, batch):
        scale = network.module.get_submodule(network.head_name).scale
        return super().loss(network, batch) + self.penalty * (scale - 1).square().sum()


@kv.register_method
@dataclass(frozen=True)
class FirstLayer(kv.Method):
    '''The first layer trains, and the head.'''

    name = "first_layer"
    label = "first layer"

    def trained(self, network, layers, config):
        return network.tied_parameters(next(iter(network.layers)))


data = kv.load_dataset("digits")
backbone = kv.load_backbone("glyphnet")
episodes = kv.sample_episodes(data, way=3, shot=1, query=5, n=2, seed=0)
grid = kv.TuningGrid(lrs=(0.001, 0.01), head_lrs=(0.1,), head_only_lrs=(0.1,), steps=(2, 4))
methods = ["plain", "feature_scale", FirstLayer]
table = kv.compare_methods(
    backbone, data, episodes, methods=methods, grid=grid, n_val=1, executor="processes", workers=2
)
rows = table.frame
assert list(dict.fromkeys(rows.method)) == ["plain", "feature_scale", "first_layer"]
paths = rows.groupby("method").path.unique().map(set).to_dict()
assert paths["feature_scale"] == {"loop"} and "loop" not in paths["first_layer"], paths
for name in ("feature_scale", "first_layer"):
    row = int(rows.index[(rows.method == name) & (rows.pool == "test")][0])
    assert table.replay(row).identical
table.save(FOLDER)
again = kv.Comparison.load(FOLDER)
assert again.summary().equals(table.summary())
assert again.replay(row, backbone=backbone, data=data).identical
drawn = {"Accuracy": plot_accuracy(table).figure, "Step size": plot_step_size(table).figure}
page = write_report(table, FOLDER + "/report.html", figures=drawn, title="Own methods")
page = page.read_text("utf-8")
assert "feature scale" in page and "first layer" in page
shown = kv.KShotComparison(table).frame()
assert {"feature_scale", "first_layer"} <= set(shown.method)
for name in ("feature_scale", "first_layer"):
    check_method(name)
print(sorted(kv.list_methods()))
"""


def piped(script: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    command = [sys.executable, "-W", "ignore", "-"]
    return subprocess.run(
        command, input=script, capture_output=True, text=True, env=env, timeout=240, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """Where the script saved its comparison."""
    found = str(tmp_path_factory.mktemp("own") / "results")
    done = piped(SCRIPT.replace("FOLDER", repr(found)))
    assert done.returncode == 0, done.stderr
    assert "'feature_scale', 'first_layer'" in done.stdout
    return found


@pytest.mark.slow
def test_methods_of_a_notebook_go_through_everything(folder):
    assert (Path(folder) / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_results_of_a_method_that_is_not_registered_can_be_read(folder):
    reader = f"""
import kshot_viz as kv
table = kv.Comparison.load({folder!r})
rows = table.frame
assert "feature_scale" in set(table.summary().method)
row = int(rows.index[(rows.method == "feature_scale") & (rows.pool == "test")][0])
try:
    table.replay(row, backbone=kv.load_backbone("glyphnet"), data=kv.load_dataset("digits"))
except kv.KShotError as error:
    print(error)
"""
    done = piped(reader)
    assert done.returncode == 0, done.stderr
    assert "'feature_scale' is not registered here: run the code that defines it" in done.stdout


@pytest.mark.slow
def test_the_example_in_the_docs_runs():
    page = (ROOT / "docs" / "own_method.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks[0].split("name =")[1].splitlines()) <= 20
    done = piped("\n".join(blocks))
    assert done.returncode == 0, done.stderr
    assert "anchored_first_layer" in done.stdout
