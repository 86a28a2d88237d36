"""Methods by name: registering, resolving, and reading stored ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

import kshot_viz as kv
from kshot_viz.methods import registry
from kshot_viz.methods.plain import Plain


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    kv.list_methods()
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))


@dataclass(frozen=True)
class Mine(kv.Method):
    """All parameters train, with a strength."""

    name = "mine"
    label = "my method"
    strength: float = 1.0


def test_a_registered_method_is_found_by_name():
    assert kv.register_method(Mine) is Mine
    assert kv.list_methods()[-1] == "mine"
    assert kv.list_methods()[:6] == list(registry.FIRST)
    assert kv.Candidate(method="mine").method == Mine()
    assert kv.Candidate(method=Mine).method == kv.Candidate(method=Mine()).method
    assert kv.Candidate(method=Mine(2.0)).key != kv.Candidate(method=Mine()).key


def test_a_cell_that_runs_twice_replaces_its_method():
    kv.register_method(Mine)
    again = dataclass(frozen=True)(type("Mine", (Mine,), {"label": "newer"}))
    kv.register_method(again)
    assert registry.resolve_method("mine").label == "newer"


def test_a_stored_method_is_rebuilt_or_kept_as_unknown():
    record = json.loads(json.dumps(kv.Candidate(method=Mine(0.5)).to_dict()))
    unknown = kv.Candidate.from_dict(record)
    assert unknown.to_dict() == record
    kv.register_method(Mine)
    assert kv.Candidate.from_dict(record).method == Mine(0.5)


def test_entry_points_make_methods_known(monkeypatch):
    def broken():
        raise ImportError("gone")

    found = [
        SimpleNamespace(name="mine", load=lambda: Mine),
        SimpleNamespace(name="lost", load=broken),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)
    registry._load.cache_clear()
    with pytest.warns(UserWarning, match=r"'lost' of a package: ImportError\('gone'\)"):
        assert "mine" in kv.list_methods()


class Undecorated(kv.Method):
    """Options without the decorator would be class attributes that nobody can set."""

    name = "undecorated"
    label = "undecorated"
    strength: float = 1.0


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Undecorated, r"options \(strength\).*@dataclass\(frozen=True\)"),
        (type("Nameless", (kv.Method,), {}), "has a `name`"),
        (object, "extends kv.Method"),
        (type("Other", (kv.Method,), {"name": "plain", "label": "x"}), "belongs to a method"),
    ],
)
def test_what_is_no_method_is_refused(method, message):
    with pytest.raises(kv.KShotError, match=message):
        kv.register_method(method)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mine(object()), "plain JSON values"),
        (lambda: Mine(float("nan")), "plain JSON values"),
        (lambda: Mine.from_options({"strenght": 1}), "Did you mean 'strength'"),
        (lambda: registry.resolve_method("plian"), "Did you mean 'plain'"),
        (lambda: registry.resolve_method(3), "must be a name or a kv.Method"),
        (lambda: kv.Candidate().at(strenth=1), "must be one of"),
    ],
)
def test_wrong_options_and_names_are_refused(make, message):
    with pytest.raises(kv.KShotError, match=message):
        make()


def test_only_a_method_that_picks_parameters_is_batched():
    def with_own(name):
        return type("Own", (Mine,), {name: lambda self, *args: None})()

    assert Mine().batched
    assert Plain().batched
    for name in ("attach", "loss", "before_step", "after_step"):
        assert not with_own(name).batched
    assert with_own("schedule").batched
    assert Plain(head=kv.HeadInit("class_means")).batched
