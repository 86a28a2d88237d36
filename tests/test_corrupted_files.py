"""Every kind of file that is written here, damaged: an error that names it, or a right answer."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import make_pictures
from mutate import mutated
from networks import ToyNet, toy_backbone, toy_data
from small_search import small_search

import kshot_viz as kv
from kshot_viz.analysis import MapperGraph, mapper_graph
from kshot_viz.cli.replay import run_replay
from kshot_viz.cli.servers import open_dashboard
from kshot_viz.errors import KShotError
from kshot_viz.models.inputs.example import read_preprocess
from kshot_viz.models.loading.weights import load_weights
from kshot_viz.viz import summary_text

pytestmark = pytest.mark.slow

# Damaged files of each kind; 16 kinds in all.
EACH = 14
# Seconds of the processor that reading one may take.
MOST = 5.0
DATA = toy_data(3, 24)
EPISODES = kv.sample_episodes(DATA, way=3, shot=1, query=5, n=2, val_share=0, seed=0)
PLAIN = [kv.Candidate(None, kv.FinetuneConfig(steps=1))]


@dataclass(frozen=True)
class Kind:
    """A file, how it is made in an empty folder, and how it is read from there.

    Where ``sure`` is set, what comes back is compared with what the whole file gives; elsewhere a
    changed digit is simply another file.
    """

    file: str
    make: Callable[[Path], object]
    read: Callable[[Path], Any]
    text: bool = True
    sure: bool = False


def compared(folder: Path) -> Path:
    return kv.compare_methods(
        toy_backbone(), DATA, EPISODES, methods=["plain"], tune=None, config=PLAIN[0].config
    ).save(folder)


def comparison(folder: Path) -> Any:
    loaded = kv.Comparison.load(folder)
    return loaded.frame.to_json(), loaded.settings.to_json(), summary_text(loaded), loaded.manifest


def rows(folder: Path) -> Any:
    store = folder / "rows.jsonl"
    table = kv.evaluate(toy_backbone(), DATA, EPISODES, PLAIN, path="loop", store=store)
    return table.drop(columns="seconds").to_json()


def searched(folder: Path) -> Any:
    small_search(folder / "search.journal", budget=4).run()


def view(folder: Path) -> Any:
    attached = kv.GroupSearch.attach(folder / "search.journal")
    found = attached.result
    return attached.state, attached.history.to_json(), str(found), found.best, found.policy


def goes_on(folder: Path) -> Any:
    return small_search(folder / "search.journal", budget=8).run().history.to_json()


def captured(folder: Path) -> Any:
    found = kv.capture_activations(toy_backbone(), DATA, layers=["deep"], cache=folder)
    return found["deep"].tolist()


def captured_once(folder: Path) -> None:
    captured(folder)
    (made,) = folder.iterdir()
    made.rename(folder / "layer.safetensors")


def captured_again(folder: Path) -> Any:
    """Read the cache under the name that the layer has there."""
    empty = folder / "empty"
    captured(empty)
    (made,) = empty.iterdir()
    shutil.copy(folder / "layer.safetensors", made)
    return captured(empty)


def loaded_weights(name: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        load_weights(ToyNet(), folder / name)

    return read


def save_safetensors(folder: Path) -> None:
    from safetensors.torch import save_file

    save_file(ToyNet().state_dict(), folder / "net.safetensors")


def save_arrays(folder: Path) -> None:
    arrays = {name: value.numpy() for name, value in ToyNet().state_dict().items()}
    np.savez(folder / "net.npz", **arrays)


def save_recipe(folder: Path) -> None:
    (folder / "mine.json").write_text(kv.Preprocess(size=8, channels="L").to_json())


def save_graph(folder: Path) -> None:
    points = np.random.default_rng(0).normal(size=(40, 2))
    graph = mapper_graph(points, labels=["a", "b"] * 20, intervals=3, epsilon=1.0)
    graph.save(folder / "graph.json")


def load_graph(folder: Path) -> Any:
    graph = MapperGraph.load(folder / "graph.json")
    json.dumps(graph.to_topoact())
    return repr(graph), graph._repr_html_(), graph.frame().to_json(), graph.edges_frame().to_json()


def one_picture(folder: Path) -> Any:
    return kv.load_dataset(folder / "zoo").images[0].shape


def replayed(folder: Path) -> Any:
    return run_replay(folder, 0).identical


def dashboard(folder: Path) -> Any:
    return open_dashboard(folder)


KINDS = {
    "comparison": Kind("comparison.json", compared, comparison, sure=True),
    "table": Kind("results.parquet", compared, comparison, text=False, sure=True),
    "rows": Kind("rows.jsonl", rows, rows, sure=True),
    "journal, followed": Kind("search.journal", searched, view),
    "journal, continued": Kind("search.journal", searched, goes_on),
    "groups": Kind(
        "groups.json",
        lambda folder: kv.Grouping.one_group(toy_backbone()).save(folder / "groups.json"),
        lambda folder: str(kv.Grouping.load(folder / "groups.json").check(toy_backbone())),
    ),
    "candidate": Kind(
        "best.json",
        lambda folder: kv.Candidate(kv.Grouping.one_group(toy_backbone()), PLAIN[0].config).save(
            folder / "best.json"
        ),
        lambda folder: kv.Candidate.load(folder / "best.json").at(lr=0.1).key,
    ),
    "episodes": Kind(
        "episodes.json",
        lambda folder: kv.save_episodes(EPISODES, folder / "episodes.json"),
        lambda folder: [one.split(DATA) for one in kv.load_episodes(folder / "episodes.json")],
    ),
    "activations": Kind("layer.safetensors", captured_once, captured_again, text=False),
    "weights": Kind(
        "net.safetensors", save_safetensors, loaded_weights("net.safetensors"), text=False
    ),
    "torch weights": Kind(
        "net.pth",
        lambda folder: torch.save(ToyNet().state_dict(), folder / "net.pth"),
        loaded_weights("net.pth"),
        text=False,
    ),
    "numpy weights": Kind("net.npz", save_arrays, loaded_weights("net.npz"), text=False),
    "preprocess": Kind(
        "mine.json", save_recipe, lambda folder: read_preprocess(folder / "mine.json")
    ),
    "mapper graph": Kind("graph.json", save_graph, load_graph),
    "picture": Kind(
        "zoo/ape/00.png", lambda folder: make_pictures(folder / "zoo"), one_picture, text=False
    ),
}


def wrong(kind: Kind, folder: Path, expected: Any) -> str:
    """Read a damaged file; say what is wrong with what comes of it."""
    begin = time.process_time()
    try:
        found = kind.read(folder)
        problem = "another answer" if kind.sure and found != expected else ""
    except KShotError:
        problem = ""
    except Exception as error:
        problem = repr(error)
    spent = time.process_time() - begin
    return problem or (f"{spent:.1f} s" if spent > MOST else "")


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_file_is_an_error_or_read_rightly(name, tmp_path):
    kind = KINDS[name]
    whole = tmp_path / "whole"
    whole.mkdir()
    kind.make(whole)
    expected = kind.read(shutil.copytree(whole, tmp_path / "first"))
    content = (whole / kind.file).read_bytes()
    problems = []
    for seed in range(EACH):
        folder = shutil.copytree(whole, tmp_path / str(seed))
        (folder / kind.file).write_bytes(mutated(content, seed, text=kind.text))
        if problem := wrong(kind, folder, expected):
            problems.append((seed, problem))
        shutil.rmtree(folder)
    assert problems == []


@pytest.mark.parametrize("seed", range(EACH))
def test_a_damaged_request_is_an_error_or_the_row_again(world, seed):
    folder = world.finished()
    path = folder / "request.json"
    path.write_bytes(mutated(path.read_bytes(), seed, text=True))
    assert wrong(Kind("request.json", folder, replayed), folder, None) == ""
