"""What the library logs under its own name, for those who ask; nobody else sees any of it."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from networks import toy_backbone, toy_data
from small_search import small_search

import kshot_viz as kv

CONFIG = kv.FinetuneConfig(lr=0.02, steps=2)


@pytest.fixture
def said(caplog):
    """Return the messages of the library so far, of every level."""
    caplog.set_level(logging.DEBUG, logger="kshot_viz")
    return lambda level=0: [
        one.getMessage()
        for one in caplog.records
        if one.name.startswith("kshot_viz.") and one.levelno >= level
    ]


@pytest.fixture(scope="module")
def data():
    return toy_data(3, 12)


def tried(**changes):
    return [kv.Candidate(None, kv.FinetuneConfig(lr=0.02, steps=2, **changes), method="plain")]


def test_nothing_is_printed_where_nobody_asked():
    code = (
        "import logging, kshot_viz; log = logging.getLogger('kshot_viz.any');"
        "log.warning('unseen'); logging.basicConfig(); log.warning('seen')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "WARNING:kshot_viz.any:seen\n")


def test_rows_that_were_finished_before_are_told(said, data, tmp_path):
    backbone = toy_backbone()
    episodes = kv.sample_episodes(data, way=3, shot=1, query=3, n=3, seed=0)
    store = tmp_path / "rows.jsonl"
    kv.evaluate(backbone, data, episodes[:2], tried(), store=store)
    assert said(logging.INFO) == []
    kv.evaluate(backbone, data, episodes, tried(), store=store)
    assert said(logging.INFO) == [f"2 of 3 runs were finished before: taken from {store}"]


def test_the_path_of_candidates_and_their_chunks_are_told(said, data):
    backbone = toy_backbone()
    episodes = kv.sample_episodes(data, way=3, shot=1, query=3, n=2, seed=0)
    rows = kv.evaluate(backbone, data, episodes, tried() + tried(batch_size=2))
    loop = "'plain' is computed by the reference loop: it trains on mini-batches"
    assert said(logging.INFO) == [loop]
    path = rows["path"].iloc[0]
    (fast,) = [one for one in said() if "at once" in one]
    assert fast.startswith(f"'plain' is computed by the path {path!r}, ")


def test_layers_taken_from_a_cache_are_told(said, data, tmp_path):
    backbone = toy_backbone()
    for _ in range(2):
        kv.capture_activations(backbone, data.images, cache=tmp_path)
    layers = len(backbone.layers)
    assert said(logging.INFO) == [
        f"{n} of {layers} layers are taken from {tmp_path}" for n in (0, layers)
    ]


def test_a_search_tells_its_batches_and_that_it_goes_on(said, tmp_path):
    journal = tmp_path / "a.journal"
    first = small_search(journal, budget=4).run()
    assert said(logging.INFO)[0].startswith("batch 0: mean reward ")
    assert not any("goes on" in one for one in said())
    small_search(journal, budget=8).run()
    assert f"the search goes on from {len(first.rollouts)} stored rollouts" in said(logging.INFO)
