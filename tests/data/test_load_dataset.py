from __future__ import annotations

import subprocess
import sys

import pytest

from kshot_viz.data.load_dataset import load_dataset
from kshot_viz.errors import KShotValueError


def test_digits_by_name() -> None:
    assert load_dataset("digits").n_classes == 10


def test_unknown_options_list_the_known_ones() -> None:
    with pytest.raises(KShotValueError, match=r"'shots'; it has 'per_class', 'seed'"):
        load_dataset("glyphs", shots=1)
    with pytest.raises(KShotValueError, match="it has none"):
        load_dataset("digits", seed=1)


@pytest.mark.slow
def test_loading_stays_light() -> None:
    heavy = ["torchvision", "pandas", "matplotlib", "sklearn", "scipy.stats"]
    code = (
        "import sys; from kshot_viz.data.load_dataset import load_dataset; "
        "load_dataset('glyphs', per_class=1, scripts=['hebrew']); "
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
