from __future__ import annotations

import hashlib
import json

import numpy as np

from kshot_viz.records import content_digest, plain, record_digest


def test_numbers_of_numpy_become_plain_json():
    record = {1: np.float64(0.5), "rows": (np.arange(2), [np.int64(3)]), "none": None}
    assert json.dumps(plain(record)) == '{"1": 0.5, "rows": [[0, 1], [3]], "none": null}'


def test_a_plain_copy_shares_nothing():
    inner = [1]
    assert plain({"a": inner})["a"] is not inner


def test_the_digest_of_a_record_does_not_depend_on_the_order_of_keys():
    assert record_digest({"a": 1, "b": 2}) == record_digest({"b": 2, "a": 1})
    assert record_digest({"a": 1}) != record_digest({"a": 2})
    assert len(record_digest({}, 7)) == 7


def test_parts_are_hashed_as_one_text():
    assert content_digest(["aé", b"b"]) == hashlib.sha256("aéb".encode()).hexdigest()
