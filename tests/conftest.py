from __future__ import annotations

import os
import signal
import zlib

os.environ.setdefault("MPLBACKEND", "agg")

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import settings

if TYPE_CHECKING:
    from spoilt import World

torch.set_num_threads(1)
# A shell starts what runs in the background with these ignored, and then nothing can interrupt it.
for _number in (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        usual = signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL
        signal.signal(_number, usual)

# The same examples in every CI run; elsewhere hypothesis goes on looking.
settings.register_profile(
    "fast", max_examples=25, deadline=None, derandomize=bool(os.environ.get("CI"))
)
settings.register_profile("thorough", max_examples=400, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


@pytest.fixture(autouse=True)
def _same_numbers_every_run(request: pytest.FixtureRequest) -> None:
    """Seed what a test draws by its own name, so that a failure repeats wherever its file is."""
    torch.manual_seed(zlib.crc32(request.node.nodeid.partition("::")[2].encode()))


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, weights and results that every ``world`` is a copy of."""
    from spoilt import make_ready

    return make_ready(tmp_path_factory.mktemp("ready"))


@pytest.fixture
def world(ready: Path, tmp_path: Path) -> World:
    """A request that works, to be spoilt."""
    from command_line import make_pictures
    from spoilt import World

    return World(tmp_path, make_pictures(tmp_path / "zoo"), ready / "net.safetensors")
