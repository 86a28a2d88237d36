"""Holds the rules of the house by reading the source: nothing is imported or run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "kshot_viz"
# Where each public name is defined.
HOMES = {
    alias.name: str(node.module)
    for node in ast.parse((PACKAGE / "__init__.pyi").read_text("utf-8")).body
    if isinstance(node, ast.ImportFrom) and node.module
    for alias in node.names
}
LINE_AS_DRAWN = """
errors, checks, extras, files, lazy, records, seeds, stats, text, threads, trackers -> data
-> models -> words -> activations -> grouping -> methods -> finetune -> evaluate -> search -> study
-> analysis -> viz -> widgets -> cli -> testing
"""
LINE = re.findall(r"\w+", LINE_AS_DRAWN)
DRAWING = {"matplotlib", "seaborn", "ipywidgets"}
# Study and search may subclass what they build on (a scikit-learn estimator, an Optuna sampler).
OTHERS = {"torchvision", "pandas", "sklearn", "scipy", "optuna", "ray", "peft", "anywidget"}
HEAVY = DRAWING | OTHERS | {"jscatter", "umap"}
LIGHT_ROOMS = LINE[: LINE.index("search")]
PICKLING = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve"}
UNPICKLING_CALLS = {"read_pickle", "to_pickle", "joblib.load", "joblib.dump"}
# Names of papers and of the SVG language; nothing is ever fetched from them.
CITABLE_HOSTS = {"arxiv.org", "doi.org", "www.w3.org"}
URL = re.compile(r"https?://([\w.-]*)")
UNIX_PATH = r"(?<![\w.}/-])/(?:home|root|Users|work|tmp|opt|mnt|srv)/"
MACHINE_PATH = re.compile(UNIX_PATH + r"|\b[A-Z]:\\\\?\w")


# ---- imports ----------------------------------------------------------------------------------


def imports(tree: ast.Module, module: str, is_package: bool) -> Iterator[tuple[ast.AST, str]]:
    """Yield every imported dotted name, with relative ones made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, module, is_package)
            yield from ((node, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and called(node) in {"import_module", "__import__"}:
            names = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
            yield from ((node, str(name)) for name in names)


def absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    parts = module.split(".")
    cut = len(parts) - node.level + (1 if is_package else 0)
    start = parts[:cut] if node.level else []
    return ".".join([*start, *([node.module] if node.module else [])])


def imported_room(name: str) -> str:
    """Tell the room behind a dotted name; a public name of the package counts as its home."""
    parts = name.split(".")
    if len(parts) == 1:
        return "the public page"
    return HOMES.get(parts[1], parts[1]).split(".")[0]


def room_of(module: str) -> str:
    return module.split(".")[1]


def backward_imports(module: str, tree: ast.Module, is_package: bool) -> Iterator[str]:
    here = LINE.index(room_of(module))
    for node, name in imports(tree, module, is_package):
        if name.split(".")[0] != "kshot_viz" or name == "kshot_viz.__version__":
            continue
        room = imported_room(name)
        if room not in LINE[: here + 1]:
            yield f"{module}:{node.lineno} imports {room}, which is not left of {room_of(module)}"


def drawing_imports(module: str, tree: ast.Module, is_package: bool) -> Iterator[str]:
    if LINE.index(room_of(module)) >= LINE.index("viz"):
        return
    for node, name in imports(tree, module, is_package):
        if name.split(".")[0] in DRAWING:
            yield f"{module}:{node.lineno} imports {name.split('.')[0]} left of viz"


def heavy_imports(module: str, tree: ast.Module, is_package: bool) -> Iterator[str]:
    """Find heavy libraries imported when the module is, rather than when they are needed."""
    if room_of(module) not in LIGHT_ROOMS:
        return
    at_import = ast.Module([*executed_at_import(tree)], [])
    for node, name in imports(at_import, module, is_package):
        if name.split(".")[0] in HEAVY:
            yield f"{module}:{node.lineno} imports {name.split('.')[0]} outside a function"


def executed_at_import(node: ast.AST) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from executed_at_import(ast.Module(child.orelse, []))
        elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from executed_at_import(child)


# ---- calls and text ---------------------------------------------------------------------------


def called(node: ast.Call) -> str:
    return ast.unparse(node.func).removeprefix("importlib.")


def keyword(node: ast.Call, name: str) -> object:
    values = [kw.value for kw in node.keywords if kw.arg == name]
    return values[0].value if values and isinstance(values[0], ast.Constant) else None


def unsafe_calls(module: str, tree: ast.Module, is_package: bool) -> Iterator[str]:
    for node, name in imports(tree, module, is_package):
        if name.split(".")[0] in PICKLING or name == "torch.load":
            yield f"{module}:{node.lineno} imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (problem := unsafe_call(node)):
            yield f"{module}:{node.lineno} {problem}"


def unsafe_call(node: ast.Call) -> str | None:
    name = called(node)
    if name == "print":
        return "prints"
    if name == "torch.load" and keyword(node, "weights_only") is not True:
        return "calls torch.load without weights_only=True"
    if keyword(node, "allow_pickle") is True:
        return f"calls {name} with allow_pickle=True"
    if name in UNPICKLING_CALLS or name.split(".")[-1] in UNPICKLING_CALLS:
        return f"calls {name}, which pickles"
    return None


def addresses(module: str, source: str) -> Iterator[str]:
    for number, line in enumerate(source.splitlines(), start=1):
        for host in URL.findall(line):
            if host not in CITABLE_HOSTS:
                yield f"{module}:{number} holds the address of {host or 'a host'}"
        if MACHINE_PATH.search(line):
            yield f"{module}:{number} holds a path of one machine"


# ---- the whole --------------------------------------------------------------------------------


def violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """List what breaks a rule in the source of one module of kshot_viz."""
    if room_of(module) not in LINE:
        return [f"{module} is in no room of the line: {' -> '.join(LINE)}"]
    tree = ast.parse(source)
    rules = (backward_imports, drawing_imports, heavy_imports, unsafe_calls)
    found = [problem for rule in rules for problem in rule(module, tree, is_package)]
    return found + list(addresses(module, source))


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name != "kshot_viz":  # the public page names every room; test_import.py holds it
            yield name, path


@pytest.mark.parametrize(("module", "path"), [pytest.param(m, p, id=m) for m, p in modules()])
def test_the_rules_hold(module, path):
    source = path.read_text("utf-8")
    assert violations(module, source, is_package=path.name == "__init__.py") == []


# Each source breaks exactly one rule, so a checker that sleeps is noticed.
BROKEN = {
    "a later room": ("data.x", "from kshot_viz.models.backbone import Backbone"),
    "inside a function": ("seeds", "def f():\n    import kshot_viz.data.episodes"),
    "from the package": ("grouping.x", "from kshot_viz import finetune"),
    "a public name": ("data.x", "from kshot_viz import load_backbone"),
    "the public page": ("cli", "import kshot_viz as kv"),
    "relative": ("models.x", "from ..activations import Activations"),
    "relative, two names": ("models.x", "from .. import data, study"),
    "by name": ("data.x", "import importlib\nimportlib.import_module('kshot_viz.viz')"),
    "types only": (
        "data.x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from kshot_viz.cli import main",
    ),
    "drawing": ("analysis.x", "def f():\n    from matplotlib import pyplot"),
    "heavy at import": ("models.x", "try:\n    from torchvision import models\nfinally:\n    pass"),
    "unknown room": ("helpers", "x = 1"),
    "pickle": ("search.x", "import pickle"),
    "torch.load": ("models.x", "import torch\ntorch.load('w.pt')"),
    "torch.load, unsafe": ("models.x", "import torch\ntorch.load('w.pt', weights_only=False)"),
    "torch.load, hidden": ("models.x", "from torch import load"),
    "allow_pickle": ("models.x", "import numpy as np\nnp.load('w.npz', allow_pickle=True)"),
    "pandas pickle": ("study.x", "frame.to_pickle('table')"),
    "print": ("cli", "print('done')"),
    "host": ("models.x", "URL = '" + "https:" + "//packages.example.org/simple'"),
    "home": ("data.x", "PATH = '" + "/home" + "/someone/images'"),
    "drive": ("data.x", "PATH = 'C:" + r"\\images'"),
}
FINE = {
    "earlier room": ("models.x", "from kshot_viz.data.images import to_unit"),
    "own room": ("models.x", "from .probe import probe\nfrom . import head"),
    "own room, package": ("models", "from .probe import probe\nfrom .. import errors"),
    "version": ("study.x", "from kshot_viz import __version__"),
    "public name": ("search.x", "from kshot_viz import load_backbone"),
    "heavy when needed": ("data.x", "def f():\n    import pandas"),
    "heavy for types": (
        "data.x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas as pd",
    ),
    "estimator": ("study.x", "from sklearn.base import BaseEstimator"),
    "drawing in viz": ("viz.x", "import matplotlib"),
    "find_spec": ("data.x", "import importlib.util\nimportlib.util.find_spec('matplotlib')"),
    "safe load": ("models.x", "import torch\ntorch.load('w.pt', weights_only=True)"),
    "json": ("study.x", "import json\njson.load(stream)"),
    "paper": ("finetune.x", "'''See " + "https:" + "//arxiv.org/abs/1.'''\nshare = 1 / 2"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_found(case):
    module, source = BROKEN[case]
    assert len(violations(f"kshot_viz.{module}", source)) == 1


@pytest.mark.parametrize("case", FINE)
def test_a_kept_rule_is_left_alone(case):
    module, source = FINE[case]
    is_package = case == "own room, package"
    assert violations(f"kshot_viz.{module}", source, is_package=is_package) == []


# ---- import circles ---------------------------------------------------------------------------


def runtime_imports(module: str, path: Path, known: set[str]) -> set[str]:
    """Return the modules of the package that a module imports, inside functions too."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    found = set()
    for _, name in imports(tree, module, path.name == "__init__.py"):
        parts = name.split(".")
        if len(parts) == 2:
            parts = ["kshot_viz", *HOMES.get(parts[1], parts[1]).split(".")]
        prefixes = [".".join(parts[:n]) for n in range(len(parts), 1, -1)]
        found |= set([one for one in prefixes if one in known][:1])
    return found


def reachable(start: str, graph: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    coming = list(graph[start])
    while coming:
        if (one := coming.pop()) not in found:
            found.add(one)
            coming += graph[one]
    return found


def test_no_module_imports_itself_through_others():
    paths = dict(modules())
    graph = {module: runtime_imports(module, path, set(paths)) for module, path in paths.items()}
    reached = {module: reachable(module, graph) for module in paths}
    circles = {module for module in paths if module in reached[module]}
    assert circles == set()


def test_files_of_tests_have_unique_names():
    """Without packages around them, pytest imports two files of one name as one module."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
