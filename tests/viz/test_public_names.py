"""Every plot is a public name of ``kshot_viz.viz``, imported at first use."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from kshot_viz import viz

ROOT = Path(viz.__file__).parent


def plots() -> set[str]:
    """Return every ``plot_*`` function that a module under ``kshot_viz/viz`` defines."""
    bodies = [ast.parse(path.read_text("utf-8")).body for path in ROOT.rglob("*.py")]
    functions = [one for body in bodies for one in body if isinstance(one, ast.FunctionDef)]
    return {one.name for one in functions if one.name.startswith("plot_")}


def test_every_plot_is_public() -> None:
    assert len(plots()) > 20
    assert {name for name in viz.__all__ if name.startswith("plot_")} == plots()
    assert len(viz.__all__) == len(set(viz.__all__))
    assert set(viz.__all__) <= set(dir(viz))


def test_a_misspelt_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(AttributeError, match="Did you mean 'plot_accuracy'"):
        viz.plot_acuracy  # noqa: B018
