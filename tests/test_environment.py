"""Holds environment.yml and the locks to pyproject.toml, name by name and bound by bound."""

from __future__ import annotations

import os
import re
import tomllib
from itertools import product
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CONDA_NAMES = {"pytorch": "torch"}
CONDA_SPEC = re.compile(r"([a-z0-9][a-z0-9._-]*)((?:>=|<=|==|!=|<|>)[0-9][^\s]*)?")
PIN = re.compile(r"[a-z0-9][a-z0-9._-]*==\S+( ; .+)?")
ADDRESS = re.compile(r"://|--(extra-)?index|--default-index|--find-links|^-i ", re.MULTILINE)
MACHINE_PATH = re.compile(r"(?<![\w.])/(home|root|Users|work|opt|mnt|srv|tmp)/")
SET_UP = [
    ".ci/run",
    ".pre-commit-config.yaml",
    "CONTRIBUTING.md",
    "Makefile",
    "environment.yml",
    "pyproject.toml",
    "requirements-dev.lock",
    "requirements.lock",
]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
SYSTEMS = [("linux", "Linux", "posix"), ("darwin", "Darwin", "posix"), ("win32", "Windows", "nt")]


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def bounds(requirements: list[str]) -> dict[str, SpecifierSet]:
    parsed = map(Requirement, requirements)
    return {canonicalize_name(each.name): each.specifier for each in parsed}


def extra(name: str) -> list[str]:
    """Return what an extra asks for; those of the project itself that it names are followed."""
    found = []
    for text in PROJECT["optional-dependencies"][name]:
        one = Requirement(text)
        own = canonicalize_name(one.name) == PROJECT["name"]
        found += [each for more in sorted(one.extras) for each in extra(more)] if own else [text]
    return found


RUNTIME = bounds(PROJECT["dependencies"])
DEVELOPMENT = RUNTIME | bounds(extra("dev"))


# ---- environment.yml --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def environment() -> dict:
    return yaml.safe_load(read("environment.yml"))


def conda_bounds(environment: dict) -> dict[str, SpecifierSet]:
    specs = [spec for spec in environment["dependencies"] if isinstance(spec, str)]
    matches = [CONDA_SPEC.fullmatch(spec) for spec in specs]
    assert all(matches), f"not a conda spec: {specs[matches.index(None)]!r}"
    return {CONDA_NAMES.get(m[1], m[1]): SpecifierSet(m[2] or "") for m in matches}


def disagreements(environment: dict) -> list[str]:
    ours = RUNTIME | {"python": SpecifierSet(PROJECT["requires-python"]), "pip": SpecifierSet()}
    theirs = conda_bounds(environment)
    names = sorted({*ours, *theirs})
    return [name for name in names if ours.get(name) != theirs.get(name)]


def test_conda_gets_everything_from_conda_forge_but_the_package_itself(environment):
    assert environment["channels"] == ["conda-forge"]
    (by_pip,) = [spec for spec in environment["dependencies"] if not isinstance(spec, str)]
    assert by_pip == {"pip": ["--editable ."]}


def test_conda_has_the_dependencies_and_bounds_of_pyproject(environment):
    assert disagreements(environment) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("scipy>=1.15,<2", "scipy>=1.12,<2", ["scipy"]),
        ("pytorch>=2.6,<3", "", ["torch"]),
        ("scipy>=1.15,<2", "scipy>=1.15,<2\n  - cowsay", ["cowsay"]),
        ("python>=3.11,<3.15", "python>=3.11", ["python"]),
        ("scipy>=1.15,<2", "scipy<2,>=1.15", []),
    ],
)
def test_a_changed_environment_is_noticed(old, new, found):
    changed = yaml.safe_load(read("environment.yml").replace(f"- {old}", f"- {new}" * bool(new)))
    changed["dependencies"] = [spec for spec in changed["dependencies"] if spec]
    assert disagreements(changed) == found


def test_a_malformed_conda_spec_is_noticed():
    with pytest.raises(AssertionError, match="bad spec"):
        conda_bounds({"dependencies": ["bad spec >>3"]})


# ---- extras -----------------------------------------------------------------------------------


def test_extras_that_pages_name_are_there():
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        one
        for page in pages
        for one in re.findall(r"kshot-viz\[([\w-]+)\]", page.read_text("utf-8"))
    }
    assert {"dicom", "onnx"} <= named <= set(PROJECT["optional-dependencies"])


# ---- locks ------------------------------------------------------------------------------------


def pins(lock: str) -> list[Requirement]:
    lines = [line for line in read(lock).splitlines() if not line.lstrip().startswith("#")]
    assert all(PIN.fullmatch(line) for line in lines)
    return [Requirement(line) for line in lines]


def installed(lock: str, python: str, system: tuple[str, str, str]) -> dict[str, list[str]]:
    """Give the versions that a machine with this Python would install, as the markers say."""
    sys_platform, platform_system, os_name = system
    machine = default_environment() | {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": sys_platform,
        "platform_system": platform_system,
        "os_name": os_name,
    }
    versions: dict[str, list[str]] = {}
    for pin in pins(lock):
        if pin.marker is None or pin.marker.evaluate(machine):
            version = str(pin.specifier).removeprefix("==")
            versions.setdefault(canonicalize_name(pin.name), []).append(version)
    return versions


@pytest.mark.parametrize(
    ("lock", "wanted"), [("requirements.lock", RUNTIME), ("requirements-dev.lock", DEVELOPMENT)]
)
@pytest.mark.parametrize(("python", "system"), product(PYTHONS, SYSTEMS))
def test_a_lock_has_every_dependency_once_and_within_its_bounds(lock, wanted, python, system):
    versions = installed(lock, python, system)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
    assert sorted(set(wanted) - set(versions)) == []
    wrong = [name for name, bound in wanted.items() if not bound.contains(versions[name][0])]
    assert wrong == []


@pytest.mark.parametrize(("python", "system"), product(PYTHONS, SYSTEMS))
def test_developers_have_the_versions_of_the_runtime_lock(python, system):
    runtime, development = (
        installed(lock, python, system) for lock in ("requirements.lock", "requirements-dev.lock")
    )
    assert runtime.items() < development.items()


def test_a_lock_is_universal():
    markers = {str(pin.marker) for pin in pins("requirements.lock") if pin.marker}
    for variable in ("sys_platform == 'darwin'", "sys_platform == 'linux'", "python_full_version"):
        assert any(variable in marker.replace('"', "'") for marker in markers)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_the_head_of_a_lock_names_the_command_and_no_machine(lock):
    head = read(lock).splitlines()[:2]
    made_by = "# This file was autogenerated by uv via the following command:"
    assert head == [made_by, "#    make lock"]


# ---- all set-up files -------------------------------------------------------------------------


@pytest.mark.parametrize("name", SET_UP)
def test_no_set_up_file_holds_an_index_address_or_a_machine_path(name):
    text = read(name)
    assert ADDRESS.search(text) is None
    assert MACHINE_PATH.search(text.replace("/path/to/", "")) is None


def test_ci_runs_make_test():
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert read(".ci/run").splitlines()[-1] == "exec make test"


def test_a_commit_downloads_nothing():
    repos = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
