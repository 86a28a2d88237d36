"""A candidate's file: what it keeps, and what is said of one that cannot be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

import kshot_viz as kv
from kshot_viz.errors import KShotFileError
from kshot_viz.grouping.rule import GroupingRule

CONFIG = kv.FinetuneConfig(lr=0.07, head_lr=0.3, steps=3, layer_lr={"first": 0, "deep": 0.3})
GROUPING = kv.Grouping({"first": [0, 1, 0, 2], "deep": [0, 0, 1]}, dead={"deep": 1})
RULE = GroupingRule(
    groups_from={"first": "source", "deep": "support"},
    n_groups={"first": 2, "deep": 0.5},
    max_within={"deep": 0.1 + 0.2},
)
CANDIDATES = [
    kv.Candidate(None, CONFIG, name="searched"),
    kv.Candidate(GROUPING, CONFIG),
    kv.Candidate(RULE, CONFIG, "grouped", "found"),
]


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda one: one.name)
def test_it_is_read_as_it_was_written(tmp_path, candidate):
    again = kv.Candidate.load(candidate.save(tmp_path / "best.json"))
    assert again == candidate
    assert again.to_dict() == candidate.to_dict()
    assert again.key == candidate.key


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "has schema 2, written by another version"),
        ({"schema": None}, "has schema None"),
        ({"candidate": None}, "holds a damaged candidate"),
        ({"candidate": {"name": "x"}}, "holds a damaged candidate"),
    ],
)
def test_another_file_is_named(tmp_path, changes, message):
    path = CANDIDATES[1].save(tmp_path / "best.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(KShotFileError, match=rf"best\.json {message}"):
        kv.Candidate.load(path)


@pytest.mark.parametrize("key", ["name", "method", "config", "grouping"])
@pytest.mark.parametrize("value", [3, [1], {"lr": 1}, "x", {"grouping": 3}, {"rule": [2]}])
def test_a_damaged_candidate_is_an_error_or_the_candidate_it_says(tmp_path, key, value: Any):
    path = CANDIDATES[1].save(tmp_path / "best.json")
    record = json.loads(path.read_text())
    record["candidate"][key] = value
    path.write_text(json.dumps(record))
    if key == "name" and isinstance(value, str):
        assert kv.Candidate.load(path).name == value
    elif key == "config" and value == {"lr": 1}:
        assert kv.Candidate.load(path).config == kv.FinetuneConfig(lr=1)
    elif key == "method" and value == "x":
        assert kv.Candidate.load(path).method.name == "unknown"
    else:
        with pytest.raises(KShotFileError, match=r"best\.json holds a damaged candidate"):
            kv.Candidate.load(path)


@pytest.mark.parametrize("content", [b"", b'{"schema": 1, "cand', b"[]", b"3", b"\x80\xff"])
def test_a_cut_off_or_binary_file_is_named(tmp_path, content):
    path = tmp_path / "best.json"
    path.write_bytes(content)
    with pytest.raises(KShotFileError, match=r"best\.json (cannot be read|holds no candidate)"):
        kv.Candidate.load(path)


def test_it_says_what_it_is_in_one_line_and_as_html():
    searched, grouped, found = CANDIDATES
    settings = "lr 0.07, head_lr 0.3, 3 steps, deep ×0.3, frozen: first"
    assert repr(searched) == f"Candidate('searched': plain, nothing shares a gradient; {settings})"
    assert repr(grouped) == f"Candidate('grouped': 5 groups in 2 layers; {settings})"
    assert "groups of 2 layers, kmeans, from source and support" in repr(found)
    for one in CANDIDATES:
        assert settings in one._repr_html_()
    assert "first" in grouped._repr_html_()
    assert "<i>" not in kv.Candidate(None, name="<i>")._repr_html_()
