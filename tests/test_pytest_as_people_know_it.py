"""pytest's own options on cases: a real pytest in a process, with a fake of a framework."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.errors import ReportUnreadable
from harness.report.model import Report
from harness.report.reading import read

pytestmark = [pytest.mark.usefixtures("plain_python"), pytest.mark.xdist_group("pytest options")]
ROOT = Path(__file__).parent.parent
API = "torch.optim.lr_scheduler.ExponentialLR"

PLUGIN = f"""
import os
from pathlib import Path
import harness.environments.declared
import harness.project
from harness.workers import EnvironmentSpec

ADAPTER = Path({str(ROOT / "tests/helpers/fakes/fake_adapter.py")!r})

def environments():
    with open("started", "a") as file:
        file.write(os.environ.get("PYTEST_XDIST_WORKER", "controller") + "\\n")
    return [EnvironmentSpec("torch", "torch", adapter=ADAPTER, processes=3)]

harness.environments.declared.default_environments = environments
harness.project.RECORDS = Path("none")  # the suite's own do not bear on these cases

def pytest_runtest_setup(item):
    if "deadly" in item.nodeid and "PYTEST_XDIST_WORKER" in os.environ:
        os._exit(9)

def pytest_sessionfinish(session):
    import sys
    if "PYTEST_XDIST_WORKER" not in os.environ:
        assert not {{"torch", "mindspore"}} & set(sys.modules)
"""


def case(name: str, behaviour: str = "exact") -> str:
    return f"""
  - name: {name}
    description: d
    source: by hand
    family: exponential
    schedule: {{base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}}
    steps: 4
    expected: {{values: [0.5, 0.25, 0.125, 0.0625]}}
    implementations: [{API}]
    arguments: {{{API}: {{behaviour: {behaviour}}}}}
"""


def furnished(tmp_path: Path) -> Path:
    """A project of its own with two files of cases, one of which has a failing one."""
    (tmp_path / "as_people.py").write_text(PLUGIN)
    # In an interpreter that is forked, plugins have been imported before pytest asks for them.
    (tmp_path / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\nfilterwarnings = ['error', 'ignore:Module already imported']"
    )
    cases = tmp_path / "mine"
    cases.mkdir()
    good = "".join(case(f"good {n}") for n in range(6))
    (cases / "good.yaml").write_text(f"format: 1\ncases:{good}")
    (cases / "bad.yaml").write_text(
        f"format: 1\ncases:{case('late', 'one step late')}{case('fine')}"
    )
    return tmp_path


@pytest.fixture
def folder(tmp_path):
    return furnished(tmp_path)


@dataclass
class Done:
    """A run of everything: where, with which options, and what was said."""

    folder: Path
    options: tuple[str, ...]
    code: int
    text: str


@pytest.fixture(scope="module")
def every_run(tmp_path_factory, plain_interpreter):
    """A run of everything in one process, and one with pytest-xdist."""

    def done(*options):
        folder = furnished(tmp_path_factory.mktemp("project"))
        return Done(folder, options, *run(folder, "mine", "--junitxml", "junit.xml", *options))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(plain_interpreter))
        return {"alone": done(), "xdist": done("-n", "2")}


@pytest.fixture(params=["alone", "xdist"])
def done(request, every_run):
    return every_run[request.param]


def run(folder: Path, *arguments: str):
    options = ["-p", "harness.pytest_plugin", "-p", "as_people", "--report", "out", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def verdicts(report: Report) -> dict[str, str]:
    return {trial.case: trial.verdict for trial in report.trials}


def comparable(report: Report) -> Report:
    """Without what is another each time."""
    return report.model_copy(
        update={
            "started": "",
            "seconds": 0.0,
            "environments": [
                e.model_copy(update={"start_seconds": 0.0, "processes": 0})
                for e in report.environments
            ],
            "trials": [t.model_copy(update={"seconds": 0.0}) for t in report.trials],
        }
    )


def test_with_xdist_the_report_is_that_of_a_run_without(every_run):
    alone, shared = (read(every_run[how].folder / "out") for how in ("alone", "xdist"))
    assert comparable(shared) == comparable(alone)
    assert [each.processes for each in shared.environments] == [2]
    assert len(alone.trials) == 8


def test_one_of_all_trials_fails(done):
    assert done.code == 1, done.text
    assert "1 failed, 7 passed" in done.text


def test_the_process_that_shares_out_starts_no_framework(every_run):
    started = (every_run["xdist"].folder / "started").read_text()
    assert sorted(started.split()) == ["gw0", "gw1"]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("load", marks=pytest.mark.slow),
        pytest.param("worksteal", marks=pytest.mark.slow),
        "loadfile",
        pytest.param("loadgroup", marks=pytest.mark.slow),
        "each",
    ],
)
def test_another_way_to_share_out_gives_the_same_report(folder, how):
    code, text = run(folder, "mine", "-n", "2", "--dist", how)
    assert code == 1, text
    report = read(folder / "out")
    assert len(report.trials) == 8
    assert report.incidents == []
    assert not report.stopped_early


def test_a_process_that_dies_costs_its_own_trials_and_the_report_says_so(folder):
    (folder / "mine" / "more.yaml").write_text(
        f"format: 1\ncases:{case('deadly')}{''.join(case(f'more {n}') for n in range(6))}"
    )
    code, text = run(folder, "mine", "-n", "2")
    assert code == 1, text
    assert "crashed while running 'mine/more.yaml::deadly::" in text
    report = read(folder / "out")
    told = verdicts(report)
    assert "deadly" not in told
    assert report.stopped_early
    assert report.fails
    (incident,) = report.incidents
    assert f"died; {15 - len(told)} of 15 trials are in no report" in incident
    assert incident in text
    # The process that came in its place, and the other one, went on with the rest.
    assert "2 failed, 13 passed" in text


def test_what_was_judged_before_a_process_dies_is_kept(folder):
    many = "".join(case(f"many {n}") for n in range(40))
    (folder / "mine" / "more.yaml").write_text(f"format: 1\ncases:{many}{case('deadly')}")
    code, text = run(folder, "mine/more.yaml", "-n", "1", "--no-loadscope-reorder")
    assert code == 1, text
    report = read(folder / "out")
    assert len(report.trials) == 40
    assert "1 of 41 trials are in no report" in report.incidents[0]


def test_k_leaves_trials_out_and_the_report_says_so(folder):
    for more in ((), ("-n", "2")):
        code, text = run(folder, "mine", "-k", "good and not 3", *more)
        assert code == 0, text
        report = read(folder / "out")
        assert sorted(verdicts(report)) == [f"good {n}" for n in (0, 1, 2, 4, 5)]
        assert report.selection == {"keyword": "good and not 3", "deselected": "3 trials"}
        assert not report.stopped_early


def test_a_node_id_runs_one_trial_and_the_report_says_so(folder):
    name = f"mine/bad.yaml::fine::{API}[torch/cpu/eager]"
    code, text = run(folder, name)
    assert code == 0, text
    assert "1 passed" in text
    assert read(folder / "out").selection == {"paths": [name]}


def test_lf_runs_what_failed_last(done, tmp_path):
    folder = shutil.copytree(done.folder, tmp_path / "again")
    code, text = run(folder, "mine", "--lf", *done.options)
    assert code == 1, text
    report = read(folder / "out")
    assert verdicts(report) == {"late": "diverges"}
    assert report.selection["last_failed"] == "--lf"


def test_x_stops_at_the_first_failure_and_the_report_says_so(folder):
    code, text = run(folder, "mine", "-x")
    assert code == 1, text
    report = read(folder / "out")
    assert report.stopped_early
    assert verdicts(report) == {"late": "diverges"}


def test_x_with_xdist_writes_a_report_too(folder):
    code, text = run(folder, "mine", "-x", "-n", "2")
    assert code == 2, text  # as xdist has it
    report = read(folder / "out")
    assert report.stopped_early
    assert verdicts(report)["late"] == "diverges"
    assert f"report: {Path('out/index.html')}" in text


def test_collect_only_lists_the_trials_and_writes_no_report(folder):
    for more in ((), ("-n", "2")):
        code, text = run(folder, "mine", "--collect-only", *more)
        assert code == 0, text
        lines = [line for line in text.splitlines() if "::" in line]
        assert len(lines) == 8
        assert f"mine/bad.yaml::late::{API}[torch/cpu/eager]" in lines
    assert not (folder / "out").exists()


def test_pytests_own_junit_file_has_every_trial_and_what_failed(done):
    cases = ElementTree.parse(done.folder / "junit.xml").findall(".//testcase")
    assert len(cases) == 8
    (failure,) = (c.find("failure") for c in cases if c.find("failure") is not None)
    assert "diverges  late::" in failure.text


def test_a_failure_is_readable_on_its_own(done):
    for part in (
        f"diverges  late::{API}::torch/cpu/eager",
        "mine/bad.yaml:3",
        "call: ExponentialLR(optimizer, gamma=0.5, behaviour='one step late')",
        "reported rate at step 1: expected 0.25, observed 0.5, error 0.25, allowed",
        "diagnosis: the observed sequence is the expected one, one step late",
        f"to see it: conform explain late {API} --target torch/cpu/eager",
    ):
        assert part in done.text


def test_tests_of_other_kinds_are_shared_out_too(folder):
    (folder / "test_other.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(9))\ndef test_n(n): pass\n"
    )
    code, text = run(folder, ".", "-n", "2")
    assert code == 1, text
    assert "1 failed, 16 passed" in text
    assert len(read(folder / "out").trials) == 8


def test_without_a_case_no_framework_is_started_and_no_report_written(folder):
    (folder / "test_other.py").write_text("def test_one(): pass\n")
    for more in ((), ("-n", "2")):
        code, text = run(folder, "test_other.py", *more)
        assert code == 0, text
        assert "conform:" not in text
    assert not (folder / "started").exists()
    assert not (folder / "out").exists()


def test_a_bad_file_is_told_with_xdist_too(folder):
    (folder / "mine" / "worse.yaml").write_text("format: 1\ncases:\n  - name: x\n    sauce: y\n")
    code, text = run(folder, "mine", "-n", "2")
    assert code != 0
    assert "worse.yaml:3: cases[0]: neither a known family nor a surface" in text


STOPPING = """
import os

def pytest_runtest_setup(item):
    if os.environ.get("STOP", "-") in item.nodeid:
        {how}
"""


@pytest.mark.parametrize("how", ["raise KeyboardInterrupt", "os._exit(9)"])
def test_of_a_run_that_did_not_end_no_older_report_is_taken_for_its_own(how, folder, monkeypatch):
    (folder / "conftest.py").write_text(STOPPING.format(how=how))
    assert run(folder, "mine/good.yaml")[0] == 0
    before = (folder / "out" / "report.json").read_bytes()
    assert run(folder, "mine/good.yaml", "--collect-only")[0] == 0
    assert len(read(folder / "out").trials) == 6
    monkeypatch.setenv("STOP", "good 3")
    assert run(folder, "mine/good.yaml")[0] != 0
    assert (folder / "out" / "report.json").read_bytes() == before
    with pytest.raises(ReportUnreadable, match="has no report of the last run"):
        read(folder / "out")
    monkeypatch.delenv("STOP")
    assert run(folder, "mine/good.yaml", "-n", "2")[0] == 0
    assert len(read(folder / "out").trials) == 6
