"""What the tests of the search share."""

from __future__ import annotations

import pandas as pd
import pytest
from small_search import small_search


@pytest.fixture(scope="session")
def whole() -> pd.DataFrame:
    """Return the history of a small search that nothing interrupted."""
    return small_search("memory").run().history
