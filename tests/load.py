"""Run a command several times beside busy processes, to see that it neither hangs nor fails.

``python tests/load.py`` runs ``make test`` three times at load 8; ``--busy``, ``--times`` and a
command after ``--`` change that: ``python tests/load.py --times 1 -- make test-fast``. It ends with
the status of the first run that fails.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Ends by itself where this script is killed.
BUSY = """
import os

parent = os.getppid()
while os.getppid() == parent:
    sum(range(100_000))
"""


@contextmanager
def load(busy: int) -> Iterator[None]:
    """Keep so many processes busy until the block is left."""
    started = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(busy)]
    try:
        yield
    finally:
        for one in started:
            one.kill()
        for one in started:
            one.wait()


def main() -> int:
    """Return the status of the first run that fails, or 0."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--busy", type=int, default=8, help="busy processes beside the command")
    parser.add_argument("--times", type=int, default=3, help="how often the command is run")
    parser.add_argument("command", nargs="*", default=["make", "test"])
    given = parser.parse_args()
    with load(given.busy):
        for number in range(1, given.times + 1):
            begin = time.monotonic()
            status = subprocess.run(given.command, check=False).returncode
            minutes = (time.monotonic() - begin) / 60
            sys.stderr.write(f"run {number} of {given.times}: status {status}, {minutes:.1f} min\n")
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
