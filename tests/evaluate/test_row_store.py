"""The file of finished jobs: mended after a crash, and no number taken that no job has written."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest
from networks import toy_backbone

from kshot_viz.errors import KShotFileError
from kshot_viz.evaluate import row_store
from kshot_viz.evaluate.evaluate import evaluate
from kshot_viz.evaluate.row_store import COLUMNS, RowStore
from kshot_viz.finetune.candidate import Candidate
from kshot_viz.methods.config import FinetuneConfig

CANDIDATES = [
    Candidate(None, FinetuneConfig(steps=1)),
    Candidate(None, FinetuneConfig(steps=2, lr=1e12), name="diverges"),
]


@pytest.fixture
def store(tmp_path, data, episodes):
    path = tmp_path / "rows.jsonl"
    evaluate(toy_backbone(), data, episodes, CANDIDATES, path="loop", store=path)
    return path


@pytest.fixture
def again(store, data, episodes):
    """Evaluate once more; return the rows and how many jobs the store did not have."""

    def call():
        kept = len(RowStore(store)._rows)
        rows = evaluate(toy_backbone(), data, episodes, CANDIDATES, path="loop", store=store)
        assert len(RowStore(store)._rows) == 6
        return rows.drop(columns="seconds"), 6 - kept

    return call


def changed(store, number, **values):
    """Rewrite a line with other values in its first row, as versions without a check did."""
    lines = store.read_text().splitlines()
    record = json.loads(lines[number - 1])
    record["rows"][0] |= values
    del record["check"]
    lines[number - 1] = json.dumps(record)
    store.write_text("\n".join(lines) + "\n")


def test_the_columns_are_those_of_a_row(store):
    for rows in RowStore(store)._rows.values():
        assert list(rows[0]) == list(COLUMNS)


def test_zeros_that_a_power_loss_left_are_cut(store, again):
    rows, missing = again()
    assert missing == 0
    whole = store.read_bytes()
    lines = whole.splitlines(keepends=True)
    tails = {
        b"\0" * 4096: 0,
        b"\0" * 100 + b"\n": 0,
        b'{"job": "ab' + b"\0" * 100: 0,
        b"\0" * 512 + lines[0]: 0,
    }
    for tail in tails:
        store.write_bytes(whole + tail)
        found, missing = again()
        assert found.equals(rows)
        assert missing == 0
        assert store.read_bytes() == whole
    # Zeros in the middle: what stands after them is computed again.
    start = len(b"".join(lines[:2]))
    store.write_bytes(whole[:start] + b"\0" * 700 + whole[start + 700 :])
    found, missing = again()
    assert found.equals(rows)
    assert 1 <= missing <= 4


def test_a_file_of_zeros_alone_is_an_empty_store(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\0" * 4096)
    assert RowStore(path)._rows == {}
    assert path.read_bytes() == b""


@pytest.mark.parametrize("content", [b"\0\0PNG", b"text\0\0", b'{"mine": 1}', b'notes\n{"job": "a'])
def test_another_file_is_left_alone(tmp_path, content):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(KShotFileError, match=r"rows\.jsonl"):
        RowStore(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "values",
    [
        {"accuracy": 7.0},
        {"accuracy": -0.1},
        {"accuracy": 1e300},
        {"accuracy": float("nan")},
        {"accuracy": float("inf")},
        {"accuracy": "0.5"},
        {"accuracy": None},
        {"accuracy": True},
        {"steps": 1.5},
        {"lr": "fast"},
        {"way": None},
        {"method": 3},
        {"predicted": [0, "one"]},
        {"predicted": None},
        {"job": "another"},
    ],
)
def test_what_no_job_has_written_is_refused_by_its_line(store, values):
    changed(store, 4, **values)
    with pytest.raises(KShotFileError, match=r"rows\.jsonl, line 4, is not a finished job"):
        RowStore(store)


def test_a_number_that_was_changed_is_noticed(store):
    lines = store.read_text().splitlines()
    record = json.loads(lines[2])
    record["rows"][0]["accuracy"] = 0.25
    store.write_text("\n".join([*lines[:2], json.dumps(record), *lines[3:]]) + "\n")
    with pytest.raises(KShotFileError, match=r"line 3, .* .not what was written"):
        RowStore(store)


@pytest.mark.parametrize("line", ["[]", "{}", "12", '{"job": 1, "rows": []}', '{"job": "a"}', "["])
def test_a_line_that_is_no_job_is_refused(store, line):
    store.write_text(store.read_text() + line + "\n")
    with pytest.raises(KShotFileError, match=r"line 7, is not a finished job"):
        RowStore(store)


def test_rows_with_other_columns_are_computed_again(store, again):
    rows, _ = again()
    changed(store, 2, shots=1)
    lines = store.read_text().splitlines()
    record = json.loads(lines[4])
    del record["rows"][0]["spent"], record["check"]
    store.write_text("\n".join([*lines[:4], json.dumps(record), lines[5]]) + "\n")
    found, missing = again()
    assert found.equals(rows)
    assert missing == 2


def test_rows_reach_the_disk_once_a_second_and_at_the_end(tmp_path, monkeypatch):
    clock, synced = [100.0], []
    monkeypatch.setattr(row_store, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(clock[0]))
    store = RowStore(tmp_path / "rows.jsonl")
    for moment in (100.1, 100.5, 101.2, 101.3, 102.5):
        clock[0] = moment
        store.add(str(moment), [{}])
    assert synced == [101.2, 102.5]
    clock[0] = 102.6
    store.sync()
    assert synced == [101.2, 102.5, 102.6]


def test_what_was_computed_is_on_the_disk_when_the_call_returns(store, data, episodes, monkeypatch):
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: sizes.append(os.fstat(file).st_size))
    more = [Candidate(None, FinetuneConfig(steps=3))]
    evaluate(toy_backbone(), data, episodes, more, store=store)
    assert sizes[-1] == store.stat().st_size
