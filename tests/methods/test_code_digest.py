"""Kept rows are those of the code that is there: the digest of a user's method covers it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from types import ModuleType

import pytest
from networks import toy_backbone, toy_data

import kshot_viz as kv
from kshot_viz.methods.code_digest import code_of
from kshot_viz.methods.registry import method_class

SOURCE = """
import functools
import math
from dataclasses import dataclass, field

import numpy as np
import torch

import kshot_viz as kv

SCALE = 2.0
ALLOWED = frozenset({"one", "two", "three", "four", "five"})
TABLE = {"a": [1, 2, 3]}
ARRAY = np.array([1.0, 2.0])
TENSOR = torch.tensor([3.0, 4.0])

def inner(x, times=1):
    return x * times + 0.5

def helper(x):
    return inner(x) * SCALE + len(ALLOWED) + TABLE["a"][0] + ARRAY[0] + TENSOR[0] + helper.depth

helper.depth = 0

def twice(function):
    @functools.wraps(function)
    def call(*args):
        return function(*args) * 3
    return call

def maker(power):
    return lambda x: x ** power

square = maker(2)

@functools.lru_cache
def remembered(x):
    return x + 10

class Weight:
    power = 4

    def __init__(self, by):
        self.by = by

WEIGHT = Weight(0.25)

class Base(kv.Method):
    def part(self):
        return 20

@dataclass(frozen=True)
class Edited(Base):
    name = "edited"
    label = "edited"
    strength = 0.1
    option: float = 0.6
    several: tuple = field(default_factory=lambda: (70,))

    @staticmethod
    def fixed(x):
        return x + 30

    @classmethod
    def shared(cls, x):
        return x + 40

    @property
    def given(self):
        return 50

    @functools.cached_property
    def once(self):
        return 60

    @twice
    def decorated(self):
        return self.later()

    def later(self, *, by=0.7):
        def nested():
            return [helper(one) for one in (1, 2)]
        return nested, math.pi

    def loss(self, network, batch):
        factor = square(self.strength) * remembered(1) * WEIGHT.by
        return super().loss(network, batch) * factor
"""


def defined(source: str, name: str = "users_own") -> type[kv.Method]:
    """Run the source of a module; return its method."""
    module = ModuleType(name)
    vars(module)["__name__"] = name
    sys.modules[name] = module
    try:
        exec(compile(source, f"{name}.py", "exec"), vars(module))
    finally:
        del sys.modules[name]
    return module.Edited


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("strength = 0.1", "strength = 0.2"),
        ("option: float = 0.6", "option: float = 0.8"),
        ("(70,)", "(71,)"),
        ("return x + 30", "return x + 31"),
        ("return x + 40", "return x + 41"),
        ("return 50", "return 51"),
        ("return 60", "return 61"),
        ("*args) * 3", "*args) * 4"),
        ("by=0.7", "by=0.8"),
        ("SCALE = 2.0", "SCALE = 3.0"),
        ('"five"})', '"six"})'),
        ("[1, 2, 3]", "[1, 2, 4]"),
        ("np.array([1.0, 2.0])", "np.array([1.0, 2.5])"),
        ("torch.tensor([3.0, 4.0])", "torch.tensor([3.0, 4.5])"),
        ("x * times + 0.5", "x * times + 0.6"),
        ("times=1", "times=2"),
        ("maker(2)", "maker(3)"),
        ("return x + 10", "return x + 11"),
        ("Weight(0.25)", "Weight(0.5)"),
        ("power = 4", "power = 5"),
        ("return 20", "return 21"),
        ("math.pi", "math.tau"),
    ],
)
def test_each_part_of_the_code_counts(before, after):
    assert SOURCE.count(before) == 1
    assert code_of(defined(SOURCE)) != code_of(defined(SOURCE.replace(before, after)))


def test_what_does_not_run_does_not_count():
    apart = f"# A comment.\nUNUSED = 1\n\n\n{SOURCE}\n\ndef unused():\n    return UNUSED\n"
    assert code_of(defined(SOURCE)) == code_of(defined(apart))


def test_helpers_of_the_users_other_modules_count(monkeypatch):
    source = SOURCE.replace("return 50", "return others.tools.amount() + others.LEVEL")

    def digest(amount, level):
        tools, others = ModuleType("others.tools"), ModuleType("others")
        exec(f"def amount():\n    return {amount}", vars(tools))
        others.tools, others.LEVEL = tools, level
        monkeypatch.setitem(sys.modules, "others", others)
        monkeypatch.setitem(sys.modules, "others.tools", tools)
        return code_of(defined(f"import others\n{source}"))

    assert digest(1, 1) == digest(1, 1)
    assert len({digest(1, 1), digest(2, 1), digest(1, 2)}) == 3


@pytest.mark.slow
def test_it_is_the_same_in_every_process():
    script = f"""
    import sys
    from types import ModuleType
    from kshot_viz.methods.code_digest import code_of
    module = ModuleType("users_own")
    sys.modules["users_own"] = module
    exec(compile({SOURCE!r}, "users_own.py", "exec"), vars(module))
    print(*code_of(module.Edited))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    found = {
        subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": n},
        ).stdout.strip()
        for n in ("1", "2")
    }
    assert found == {*code_of(defined(SOURCE))}


def test_methods_of_this_library_have_none():
    for name in ("plain", "grouped", "l2sp"):
        assert code_of(method_class(name)) == ()


def test_a_long_chain_of_calls_is_read():
    chain = "\n".join(f"def f{n}(x):\n    return f{n + 1}(x)" for n in range(2000))
    source = f"{chain}\ndef f2000(x):\n    return x\n{SOURCE}".replace("return 50", "return f0(50)")
    start = time.perf_counter()
    first = code_of(defined(source))
    assert time.perf_counter() - start < 10
    assert first != code_of(defined(source.replace("return x\n", "return -x\n", 1)))


def test_rows_are_computed_again_where_a_helper_was_defined_anew(tmp_path, monkeypatch):
    """As by a cell of a notebook, while the cell of the class did not run again."""
    data = toy_data(3, 24)
    episodes = kv.sample_episodes(data, way=3, shot=1, query=5, n=1, val_share=0, seed=0)
    candidates = [kv.Candidate(None, kv.FinetuneConfig(steps=3, lr=0.1), method=Scaled())]

    def losses_of(factor):
        monkeypatch.setitem(globals(), "factor", factor)
        store = tmp_path / "rows.jsonl"
        rows = kv.evaluate(toy_backbone(), data, episodes, candidates, store=store)
        return list(rows.support_loss)

    first = losses_of(lambda: 1.0)
    assert losses_of(lambda: 5.0) != first
    assert losses_of(lambda: 1.0) == first


def factor() -> float:
    return 1.0


@dataclass(frozen=True)
class Scaled(kv.Method):
    """The common loss, scaled."""

    name = "scaled"
    label = "scaled"

    def loss(self, network, batch):
        return factor() * super().loss(network, batch)
