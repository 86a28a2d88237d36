"""Set-up on machines of every kind, played with small scripts in place of Python and uv."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CANDIDATES = ["python3.14", "python3.13", "python3.12", "python3.11", "python3"]
SHELL = "#!/bin/sh\n"
REAL = shlex.quote(sys.executable)
TOOLS_PYTHON = SHELL + "mkdir -p .tools/bin && cp uv.sh .tools/bin/uv\n"
UV = f"""{SHELL}echo "$*" >> uv.log
case "$1" in
    venv) rm -rf .venv && mkdir -p .venv/bin && ln -s {REAL} .venv/bin/python;;
    pip) test ! -e interrupted;;
esac
"""
VENV_WORKS = "mkdir -p .tools/bin && cp tools-python.sh .tools/bin/python"
PIP_WORKS = 'echo "$*" >> pip.log; ./tools-python.sh'

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def interpreter(venv: str = VENV_WORKS, pip: str = "exit 1") -> str:
    """Write a Python of which only `-m venv` and `-m pip` are played."""
    return f"""{SHELL}case "$*" in
    "-m venv"*) {venv};;
    "-m pip"*) {pip};;
    *) exec {REAL} "$@";;
esac
"""


def unsuitable(version: str) -> str:
    return f'{SHELL}test "$1" = -V && echo "Python {version}"\n'


BROKEN_SHIM = SHELL + 'echo "shim: command not found" >&2; exit 127\n'


@dataclass(frozen=True)
class Machine:
    """A clone of the repository (in a folder with a space) and the scripts found on its PATH."""

    clone: Path
    bin: Path

    def put(self, path: Path, text: str) -> Path:
        path.write_text(text, "utf-8")
        path.chmod(0o755)
        return path

    def has(self, **pythons: str) -> None:
        """Make these the only interpreters; ``python3_12`` stands for python3.12."""
        for name in CANDIDATES:
            self.put(self.bin / name, pythons.get(name.replace(".", "_"), BROKEN_SHIM))

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        ours = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHON", "ARGS")
        env = {name: value for name, value in os.environ.items() if name not in ours}
        env["PATH"] = f"{self.bin}{os.pathsep}{env['PATH']}"
        return subprocess.run(
            ["make", *arguments], cwd=self.clone, env=env, capture_output=True, text=True
        )

    def set_up(self, *arguments: str) -> list[str]:
        """Call make, which must succeed, and return what uv was asked since."""
        log = self.clone / "uv.log"
        log.unlink(missing_ok=True)
        done = self.make(*(arguments or ["setup"]))
        assert done.returncode == 0, done.stderr
        return (
            [line.split(" -")[0] for line in log.read_text().splitlines()] if log.exists() else []
        )

    def change(self, name: str) -> None:
        """Let the file be newer than everything made so far."""
        for age, paths in ((200, self.clone.glob(".*/*-ready")), (100, [self.clone / name])):
            for path in paths:
                os.utime(path, (time.time() - age,) * 2)


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path / "a clone", tmp_path / "bin")
    made.clone.mkdir()
    made.bin.mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        os.utime(shutil.copy(ROOT / name, made.clone), (time.time() - 300,) * 2)
    made.put(made.clone / "uv.sh", UV)
    made.put(made.clone / "tools-python.sh", TOOLS_PYTHON)
    made.has(python3=interpreter())
    return made


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that is said, besides make's own."""
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    return line


# ---- which Python -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["3.10.13", "3.15.0"])
def test_an_unsuitable_python_is_named_in_one_line(machine, version):
    machine.has(python3=unsuitable(version))
    line = complaint(machine.make("setup"))
    assert "needs Python 3.11, 3.12, 3.13 or 3.14; found python3 (Python " + version in line
    assert "PYTHON=" in line


def test_no_python_at_all_is_said_in_one_line(machine):
    machine.has()
    assert "found none" in complaint(machine.make("setup"))


def test_an_unsuitable_choice_is_named_in_one_line(machine):
    old = machine.put(machine.bin / "old", unsuitable("3.9.1"))
    assert f"found {old} (Python 3.9.1)" in complaint(machine.make("setup", f"PYTHON={old}"))


def test_the_newest_that_runs_is_taken(machine):
    machine.has(python3=interpreter(), python3_12=interpreter(), python3_11=interpreter())
    machine.set_up()
    assert (machine.clone / ".venv/runtime-ready").read_text() == "python3.12\n"


def test_another_choice_makes_the_environment_anew_and_stays(machine):
    other = machine.put(machine.bin / "other python", interpreter())
    assert machine.set_up() == ["venv", "pip install"]
    assert machine.set_up("setup", f"PYTHON={other}") == ["venv", "pip install"]
    assert machine.set_up("setup", f"PYTHON={other}") == machine.set_up() == []


# ---- where uv comes from ----------------------------------------------------------------------


def test_without_venv_pip_puts_uv_aside(machine):
    machine.has(python3=interpreter(venv="exit 1", pip=PIP_WORKS))
    assert machine.set_up() == ["venv", "pip install"]
    assert "--target .tools" in (machine.clone / "pip.log").read_text()


def test_without_venv_and_pip_the_missing_package_is_named(machine):
    machine.has(python3=interpreter(venv="exit 1"))
    needed = f"python3.{sys.version_info.minor}-venv"
    assert f"install the system package {needed}" in complaint(machine.make("setup"))
    assert not (machine.clone / ".tools").exists()


def test_a_failed_download_of_uv_is_repeated(machine):
    machine.put(machine.clone / "tools-python.sh", SHELL + "exit 1")
    assert "is this machine online?" in complaint(machine.make("setup"))
    machine.put(machine.clone / "tools-python.sh", TOOLS_PYTHON)
    assert machine.set_up() == ["venv", "pip install"]


# ---- what is repeated -------------------------------------------------------------------------


def test_size_and_time_are_said_once_before_the_download(machine):
    first, second = machine.make("setup").stdout, machine.make("setup").stdout
    assert re.search(r"GB to download and [\d.]+ GB on disk.* minutes? at", first)
    assert "GB" not in second


def test_a_second_call_installs_nothing(machine):
    machine.set_up("setup", ".venv/develop-ready")
    assert machine.set_up("setup", ".venv/develop-ready") == []


def test_running_needs_no_development_tools(machine):
    machine.set_up()
    assert not (machine.clone / ".venv/develop-ready").exists()
    assert machine.set_up(".venv/develop-ready") == ["pip install"]


def test_what_was_interrupted_is_done_anew(machine):
    (machine.clone / "interrupted").touch()
    assert machine.make("setup").returncode != 0
    (machine.clone / "interrupted").unlink()
    assert machine.set_up() == ["venv", "pip install"]


def test_an_interrupted_update_is_done_anew(machine):
    machine.set_up()
    machine.change("requirements.lock")
    (machine.clone / "interrupted").touch()
    assert machine.make("setup").returncode != 0
    (machine.clone / "interrupted").unlink()
    assert machine.set_up() == ["venv", "pip install"]


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock"])
def test_a_changed_lock_updates_the_environment(machine, name):
    machine.set_up()
    machine.change(name)
    assert machine.set_up() == ["pip install"]
    assert (machine.clone / ".venv/runtime-ready").read_text() == "python3\n"


def test_a_changed_development_lock_leaves_running_alone(machine):
    machine.set_up(".venv/develop-ready")
    machine.change("requirements-dev.lock")
    assert machine.set_up() == []
    assert machine.set_up(".venv/develop-ready") == ["pip install"]


def test_an_interpreter_that_is_gone_is_replaced(machine):
    machine.set_up()
    (machine.clone / ".venv/bin/python").unlink()
    assert machine.set_up() == ["venv", "pip install"]


# ---- help -------------------------------------------------------------------------------------


def test_help_is_the_default_and_tells_every_target_in_a_line(machine):
    told = machine.make().stdout
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"^  (\S+) +\S", told, re.MULTILINE) == targets[1].split()
    assert max(map(len, told.splitlines())) <= 80
