from __future__ import annotations

import ast
import importlib
import json
import pickle
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import kshot_viz as kv

ROOT = Path(__file__).parents[1]
HEAVY_NAMES = """
torchvision pandas matplotlib seaborn umap sklearn scipy.stats optuna ray peft ipywidgets anywidget
jscatter
"""
HEAVY = HEAVY_NAMES.split()


def fresh(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def heavy_after(statement: str) -> list[str]:
    loaded = json.loads(fresh(f"import json, sys; {statement}; print(json.dumps([*sys.modules]))"))
    return [name for name in HEAVY if name in loaded]


def stub() -> dict[str, str]:
    """Return where the stub of the package says that each public name is defined."""
    tree = ast.parse((ROOT / "kshot_viz/__init__.pyi").read_text("utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.name: f"kshot_viz.{node.module}" for node in imports for alias in node.names}


def test_importing_and_looking_around_loads_nothing_heavy():
    assert heavy_after("import kshot_viz; dir(kshot_viz); kshot_viz.KShotError") == []


def test_the_check_sees_a_heavy_import():
    assert heavy_after("import kshot_viz, ipywidgets") == ["ipywidgets"]


def test_the_stub_is_the_one_list_of_public_names():
    assert sorted(stub()) == sorted(kv.__all__) == dir(kv)
    assert len(kv.__all__) <= 56


@pytest.mark.parametrize("name", kv.__all__)
def test_every_public_name_resolves(name):
    value = getattr(kv, name)
    assert value is getattr(importlib.import_module(stub()[name]), name)
    assert value.__doc__


@pytest.mark.parametrize("room", ["analysis", "trackers", "viz"])
def test_a_room_is_there_without_an_import_of_its_own(room):
    code = f"import kshot_viz as kv; print(kv.{room}.__name__, kv.{room} is kv.{room})"
    assert fresh(code).split() == [f"kshot_viz.{room}", "True"]
    assert room not in kv.__all__


@pytest.mark.parametrize("room", ["", ".analysis", ".trackers", ".viz"])
def test_a_function_of_a_notebook_may_name_the_package(room):
    """It goes to worker processes with all that it names."""
    package = importlib.import_module(f"kshot_viz{room}")
    assert pickle.loads(pickle.dumps(package)) is package


def test_trackers_need_nothing_heavy_before_one_is_made():
    heavy = heavy_after("import kshot_viz as kv; kv.trackers.Callback, kv.trackers.TensorBoard")
    assert heavy == []


@pytest.mark.slow
def test_both_loops_run_without_the_compiler_of_torch():
    code = """
import sys
import kshot_viz as kv
data = kv.load_dataset("digits")
episodes = kv.sample_episodes(data, way=3, shot=1, query=2, n=1)
backbone = kv.load_backbone("glyphnet")
for optimizer in ("sgd", "adam"):
    config = kv.FinetuneConfig(optimizer=optimizer)
    kv.finetune(backbone, episodes[0].split(data)[0], method="plain", config=config)
rows = kv.evaluate(backbone, data, episodes, [kv.Candidate()])
print(*rows["path"], *(name for name in ("sympy", "torch._dynamo") if name in sys.modules))
"""
    # It takes seconds to import, in every process.
    assert fresh(code).split() == ["whole"]


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(AttributeError, match="Did you mean 'load_dataset'"):
        kv.load_datasets  # noqa: B018


@pytest.mark.slow
def test_the_function_finetune_wins_over_the_package_imported_before():
    code = "import kshot_viz.finetune.loop, kshot_viz as kv; print(type(kv.finetune).__name__)"
    assert fresh(code).strip() == "function"


def test_the_function_finetune_wins_over_the_package_imported_after():
    value = kv.finetune
    kv.finetune = importlib.import_module("kshot_viz.finetune")
    assert kv.finetune is value


def test_the_version_is_the_one_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert kv.__version__ == project["version"] == version("kshot-viz")


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "kshot_viz/py.typed").is_file()
