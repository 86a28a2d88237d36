"""What GitHub reads: workflows that call make, forms for issues, and nothing that could leak."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(one for one in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if one.stem != "config")
EVERY = sorted(one for one in GITHUB.rglob("*") if one.is_file())
ADDRESS = re.compile(r"://|--(extra-)?index|--find-links")
MACHINE_PATH = re.compile(r"(?<![\w.])/(home|root|Users|work|opt|mnt|srv|tmp)/")
# What strangers write may not become a part of a script.
STRANGERS = re.compile(r"github\.(event\.(?!name)|head_ref|actor)")

stem = lambda one: one.stem  # noqa: E731


def read(path: Path) -> dict:
    found = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def jobs() -> list:
    return [
        pytest.param(job, id=f"{path.stem}-{name}")
        for path in WORKFLOWS
        for name, job in read(path)["jobs"].items()
    ]


def scripts(job: dict) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def targets() -> set[str]:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert phony is not None
    return set(phony[1].split())


@pytest.mark.parametrize("path", EVERY, ids=lambda one: str(one.relative_to(GITHUB)))
def test_no_address_and_no_path_of_a_machine(path):
    text = path.read_text("utf-8")
    assert ADDRESS.search(text) is None
    assert MACHINE_PATH.search(text) is None


# ---- workflows --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=stem)
def test_a_workflow_may_read_only_and_runs_on_each_change(path):
    found = read(path)
    assert found["permissions"] == {"contents": "read"}
    # YAML 1.1 reads the key "on" as true.
    assert {"push", "pull_request"} <= set(found[True])


@pytest.mark.parametrize("job", jobs())
def test_a_job_ends_and_calls_what_is_there(job):
    assert 0 < job["timeout-minutes"] <= 90
    assert scripts(job)
    for line in scripts(job):
        assert STRANGERS.search(line) is None
        if line.startswith("make "):
            assert line.split()[1] in targets()
        elif line.startswith("."):
            assert (ROOT / line).is_file()
    for step in job["steps"]:
        assert "run" in step or re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])


def test_all_tests_run_on_every_python_that_is_supported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    told = [one.rpartition(" ")[2] for one in project["classifiers"] if "Python :: 3." in one]
    everything = read(GITHUB / "workflows" / "tests.yml")["jobs"]["everything"]
    assert everything["strategy"]["matrix"]["python"] == told
    assert scripts(everything) == [".ci/run"]


def test_the_workflows_cover_oldest_docs_package_and_wheel():
    called = {
        line.split()[1]
        for path in WORKFLOWS
        for job in read(path)["jobs"].values()
        for line in scripts(job)
        if line.startswith("make ")
    }
    assert called == {"test-fast", "test-oldest", "docs", "package", "test-wheel"}


# ---- forms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FORMS, ids=stem)
def test_a_form_has_what_github_asks_for(path):
    form = read(path)
    assert form["name"]
    assert form["description"]
    fields = [one for one in form["body"] if one["type"] != "markdown"]
    names = [one["id"] for one in fields]
    assert len(set(names)) == len(names) >= 2
    assert any(one.get("validations", {}).get("required") for one in fields)
    for one in form["body"]:
        assert one["type"] in {"markdown", "textarea", "input", "dropdown", "checkboxes"}
        assert one["attributes"].get("label") or one["type"] == "markdown"
    pages = re.findall(r"`(docs/[\w/]+\.md)`", path.read_text("utf-8"))
    assert all((ROOT / page).is_file() for page in pages)


def test_there_is_a_form_for_each_common_question():
    assert [one.stem for one in FORMS] == ["bug", "feature", "own_network_or_data"]
    assert (GITHUB / "pull_request_template.md").is_file()
