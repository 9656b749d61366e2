"""`conform run --changed` with the real frameworks: what is run again, and that it is the same."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner
from helpers.command import written
from helpers.desk import CASE, replaced

from harness.adapters import ADAPTERS
from harness.cli import main

pytestmark = [pytest.mark.frameworks, pytest.mark.xdist_group("changed with frameworks")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two cases, and an adapter that may be edited."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(ADAPTERS["torch"], folder / "torch_adapter.py")
    (folder / "cases").mkdir()
    text = "".join(CASE.partition("    implementations")[0].format(name=n) for n in "ab")
    written(folder / "cases", f"format: 1\ncases:\n{text}")
    return folder


@pytest.fixture
def run(folder, quick_python, monkeypatch):
    """Runs the cases, which were run once, and gives what is said and the report."""
    monkeypatch.chdir(folder)
    monkeypatch.setitem(ADAPTERS, "torch", folder / "torch_adapter.py")

    def conform(*options):
        done = CliRunner().invoke(main, ["run", "cases", *options])
        assert done.exit_code == 0, done.output
        return done.output, json.loads((folder / "reports/latest/report.json").read_text())

    if not (folder / "reports").exists():
        conform()
    return conform


def again(report, name):
    """What the trials that were run again have as `name`, and what the others have."""
    ran, taken = set(), set()
    for trial in report["trials"]:
        (taken if trial["taken_from"] else ran).add(trial[name])
    return ran, taken


def test_of_a_case_that_is_touched_exactly_its_trials_are_run(run, folder):
    _, before = run("--changed")
    replaced(folder / "cases" / "a.yaml", "at every update, case b", "each time")
    _, report = run("--changed")
    assert again(report, "case") == ({"b"}, {"a"})
    ran = {t["framework"] for t in report["trials"] if t["taken_from"] is None}
    assert ran == {"torch", "mindspore"}
    assert digests(report) == digests(before)


def digests(report):
    """The digest of each sequence, by trial."""
    return [
        (trial["id"], [sequence["digest"] for sequence in trial["sequences"]])
        for trial in report["trials"]
    ]


def test_an_adapters_source_has_all_of_its_framework_run(run, folder):
    with (folder / "torch_adapter.py").open("a") as file:
        file.write("\n# another\n")
    said, report = run("--changed")
    assert "torch: adapter has changed" in said
    assert again(report, "framework") == ({"torch"}, {"mindspore"})
