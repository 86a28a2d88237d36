"""The shape of the package: small modules, functions and folders, and one word for one thing."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "kshot_viz"
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = sorted(one for end in ("py", "pyi", "js", "css") for one in PACKAGE.rglob(f"*.{end}"))
LONGEST_MODULE, LONGEST_BODY, MOST_MODULES = 300, 50, 15

# Words that had several meanings or none of the field's. The prepositions "apart from" and "in
# place" (of an operation) are plain English.
RETIRED = re.compile(
    r"""(?<![a-zA-Z])(?:
        answer(?:s|ed|ing)? | apart(?!\ from) | lanes? | desks? | contests? | trunks? | ink
        | clusterings | (?<!in\ )(?<!in_)(?<!in-)places? | shifts
        | contenders? | takes?_lanes
    )(?![a-zA-Z0-9])""",
    re.IGNORECASE | re.VERBOSE,
)


def bodies(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the name of every function and the lines of its body without the docstring."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            documented = ast.get_docstring(node) is not None and len(node.body) > 1
            first = node.body[1 if documented else 0]
            yield node.name, (node.end_lineno or 0) - first.lineno + 1


@pytest.mark.parametrize("path", MODULES, ids=lambda one: str(one.relative_to(PACKAGE)))
def test_modules_and_functions_are_small(path):
    source = path.read_text("utf-8")
    assert len(source.splitlines()) <= LONGEST_MODULE
    long = [name for name, lines in bodies(ast.parse(source)) if lines > LONGEST_BODY]
    assert long == []


def test_folders_are_small():
    counts = Counter(one.parent for one in MODULES if one.name != "__init__.py")
    assert [str(folder) for folder, n in counts.items() if n > MOST_MODULES] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda one: str(one.relative_to(PACKAGE)))
def test_no_retired_word_is_left(path):
    lines = path.read_text("utf-8").splitlines()
    assert [line.strip() for line in lines if RETIRED.search(line)] == []
    assert not RETIRED.search(path.stem)


@pytest.mark.parametrize(
    "line",
    ["apart: str = ''", "class Lane:", "def _answers():", "the places of neurons", "ink(ax)"],
)
def test_a_retired_word_is_found(line):
    assert RETIRED.search(line)


@pytest.mark.parametrize("line", ["apart from that", "done in place", "in_place = {}", "think"])
def test_plain_english_is_left_alone(line):
    assert not RETIRED.search(line)
