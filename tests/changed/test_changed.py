"""`conform run --changed`: what is run again, what is taken, and what of it is said where."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.command import REAL, written
from helpers.desk import Desk, case, replaced

from harness.changed import surroundings
from harness.changed.deciding import digests
from harness.changed.state import NoState, State, read
from harness.cli import main
from harness.load import load
from harness.project import CASES
from harness.report import FILES

pytestmark = pytest.mark.xdist_group("changed")
LOOK = surroundings.look
"""That of the harness itself."""
RECORD = """\
known_divergences:
  - name: made up
    description: The rate stands still.
    source: by hand
    cases: [b]
    implementations: [torch.optim.lr_scheduler.StepLR]
    versions: ">=0"
    seen: ["1.0"]
    kind: semantics
    severity: misleads
    observed: {values: {1: 0.5}}
    expected: a rate that halves
    explanation: made up
    remedy: none is needed
    until: the rate halves
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory, plain_interpreter):
    """A desk where everything was run once, and a copy of its folder."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.furnish()
    with pytest.MonkeyPatch.context() as patch:
        desk.take_place(patch, str(plain_interpreter))
        desk.run()
    copy = tmp_path_factory.mktemp("copy") / "desk"
    shutil.copytree(desk.folder, copy)
    return desk, copy


@pytest.fixture
def desk(first, plain_interpreter, monkeypatch):
    desk, copy = first
    shutil.rmtree(desk.folder)
    shutil.copytree(copy, desk.folder)
    desk.take_place(monkeypatch, str(plain_interpreter))
    return desk


ALL = [f"{name} {environment}" for name in "abc" for environment in ("torch", "other")]


def stamps(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}


def test_where_nothing_has_changed_nothing_is_run_nor_written(desk):
    before, started = stamps(desk.report), desk.content["started"]
    said = desk.run("--changed")
    assert f"0 of 6 trials run, 6 taken from reports/latest/report.json of {started}" in said
    assert "6 trials: 6 conforms" in said
    assert stamps(desk.report) == before


def test_of_a_case_that_says_something_else_each_trial_is_run_again(desk):
    started = desk.content["started"]
    desk.write(case("a"), case("b").replace("0.0625]", "6.25e-2]"), case("c"))
    desk.run("--changed")
    assert desk.again() == []
    desk.write(case("a"), case("b").replace("The rate", "A rate"), case("c"))
    said = desk.run("--changed")
    assert desk.again() == ["b torch", "b other"]
    assert "2 of 6 trials run, 4 taken from reports/latest/report.json of" in said
    assert "2 trials: the case has changed" in said
    content = desk.content
    assert content["taken"]["trials"] == 4
    assert {t["taken_from"] for t in content["trials"]} == {None, started}
    for name in ("summary.md", "index.html"):
        assert "4 of 6 trials were not run again" in (desk.report / name).read_text()


def test_a_case_that_only_stands_elsewhere_is_not_run_and_is_found_where_it_is(desk):
    desk.write(case("c"), case("b"), case("a"))
    said = desk.run("--changed")
    assert "0 of 6 trials run, 6 taken" in said
    assert [(c["name"], c["line"]) for c in desk.content["cases"]] == [
        ("c", 3),
        ("b", 11),
        ("a", 19),
    ]


def test_cases_that_come_are_run_and_those_that_go_are_gone(desk):
    desk.write(case("a"), case("d"))
    said = desk.run("--changed")
    assert [c["name"] for c in desk.content["cases"]] == ["a", "d"]
    assert desk.again() == ["d torch", "d other"]
    assert "2 trials: not in the last report" in said


def test_a_record_has_the_cases_that_it_names_run_again(desk):
    desk.write(case("a"), case("b"), case("c"), records=RECORD)
    said = desk.run("--changed")
    assert desk.again() == ["b torch", "b other"]
    assert "2 trials: a record of a known divergence has changed" in said
    desk.write(case("a"), case("b"), case("c"), records=RECORD.replace("[b]", "[c]"))
    desk.run("--changed")
    assert desk.again() == ["b torch", "b other", "c torch", "c other"]


def test_an_adapter_has_the_trials_of_its_environment_run_again(desk):
    with (desk.folder / "other_adapter.py").open("a") as file:
        file.write("\n# another\n")
    said = desk.run("--changed")
    assert desk.again() == ["a other", "b other", "c other"]
    assert "3 trials: other: adapter has changed" in said


def test_what_failed_is_run_again_every_time_and_fails_as_a_whole_run_does(desk):
    desk.write(case("a"), case("b", "raises"), case("c"))
    desk.run("--changed", code=1)
    said = desk.run("--changed", code=1)
    assert desk.again() == ["b torch", "b other"]
    assert "2 trials: the last time it was: refused" in said
    desk.run(code=1)
    desk.write(case("a"), case("b"), case("c"))
    desk.run("--changed")
    assert "0 of 6 trials run" in desk.run("--changed")


def test_what_took_longer_than_the_time_limit_now_is_run_again(desk):
    desk.write(case("a"), case("b", "slow"), case("c"))
    desk.run()
    # It takes 0.4 s: with what a trial is given on top, it may be in time or not.
    said = desk.run("--changed", "--time-limit", "0.35", code=None)
    assert "2 trials: it took longer than the time limit" in said


def test_what_takes_too_long_is_in_the_report_beside_what_is_taken(desk):
    desk.write(case("a"), case("b", "hangs"), case("c"))
    desk.run("--changed", "--time-limit", "0.5", code=1)
    assert desk.again() == ["b torch", "b other"]
    assert desk.content["counts"] == {"conforms": 4, "timed out": 2}


def test_a_selection_is_taken_from_a_wider_run_and_the_rest_run_after_a_narrower_one(desk):
    assert "0 of 2 trials run, 2 taken" in desk.run("--changed", "-k", "b::")
    assert desk.content["selection"] == {"keyword": "b::"}
    desk.run("--changed")
    assert desk.again() == ["a torch", "a other", "c torch", "c other"]
    assert desk.content["selection"] == {}


def test_where_a_part_of_a_cases_trials_is_taken_they_are_compared_with_each_other(desk):
    whole = desk.content["agreements"]
    assert [each["case"] for each in whole] == ["a", "a", "b", "b", "c", "c"]
    with (desk.folder / "torch_adapter.py").open("a") as file:
        file.write("\n# another\n")
    desk.run("--changed")
    assert desk.content["agreements"] == whole
    assert "0 of 3 trials run" in desk.run("--changed", "--target", "torch/*")
    assert desk.content["agreements"] == []
    assert [each["name"] for each in desk.content["environments"]] == ["torch", "other"]


def test_taken_twice_a_trial_says_when_it_was_run(desk):
    first = "2001-01-01T00:00:00+00:00"
    desk.edit(desk.content["started"], first)
    desk.write(case("a"), case("b").replace("The rate", "A rate"), case("c"))
    desk.run("--changed")
    second = desk.content["started"]
    assert second != first
    desk.write(case("a").replace("The rate", "A rate"), case("b"), case("c"))
    desk.run("--changed")
    content = desk.content
    told = {trial["case"]: trial["taken_from"] for trial in content["trials"]}
    assert told == {"a": None, "b": None, "c": first}
    assert content["taken"]["started"] == second


def test_the_report_is_what_a_whole_run_makes_but_for_times(desk):
    desk.write(case("b"), case("c").replace("The rate", "A rate"), case("d"), records=RECORD)
    desk.run("--changed")
    taken = desk.content
    desk.run()
    whole = desk.content
    for content in (taken, whole):
        content.pop("taken")
        for name in ("started", "seconds"):
            content.pop(name)
        for environment in content["environments"]:
            environment.pop("start_seconds")
        for trial in content["trials"]:
            trial.pop("taken_from")
            trial.pop("seconds")
    assert taken == whole


def test_the_gate_has_what_it_has_after_a_whole_run(desk):
    def conform(*arguments):
        return CliRunner().invoke(main, arguments)

    assert conform("baseline", "update").exit_code == 0
    desk.write(case("a"), case("b").replace("The rate", "A rate"), case("c"))
    desk.run("--changed")
    assert conform("gate").exit_code == 0
    desk.write(case("a"), case("b"))
    assert "see: conform gate" in desk.run("--changed")
    gate = conform("gate")
    assert (gate.exit_code, "2 lost trials" in gate.output) == (1, True)
    assert "see: conform gate" in desk.run("--changed")


def test_another_baseline_is_compared_with_though_nothing_is_run(desk):
    assert desk.content["changes"] is None
    assert CliRunner().invoke(main, ["baseline", "update"]).exit_code == 0
    assert "0 of 6 trials run" in desk.run("--changed")
    assert desk.content["changes"]["changes"] == []


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda report: (report / "report.json").unlink(), "there is no reports/latest/report"),
        (lambda report: (report / "state.json").unlink(), "has no state.json beside it"),
        (lambda report: written(report, "{", "state.json"), "state.json is damaged"),
        (lambda report: written(report, "[]", "state.json"), "is not of the format 2"),
        (lambda report: written(report, '{"format": 2}', "state.json"), "state.json is damaged"),
        (lambda report: written(report, '{"format": 1}', "state.json"), "not of the format 2"),
        (lambda report: written(report, "{}", "report.json"), "is not the one that state.json"),
        (
            lambda report: replaced(report / "state.json", '"a": [', '"a": 1, "z": ['),
            "",
        ),
    ],
)
def test_where_there_is_nothing_to_take_from_everything_is_run_and_why_is_said(spoil, reason, desk):
    spoil(desk.report)
    said = desk.run("--changed")
    if reason:
        assert "everything is run: " in said
        assert reason in said
        assert desk.again() == ALL
        assert desk.content["taken"] is None
    else:
        assert "a torch" in desk.again()
    assert "0 of 6 trials run" in desk.run("--changed")


def test_a_report_of_another_format_is_not_taken_from(desk):
    desk.edit('"format": "2.3"', '"format": "2.1"')
    desk.write(case("a"), case("b").replace("The rate", "A rate"), case("c"))
    assert "is not of the format 2.3" in desk.run("--changed")
    assert desk.again() == ALL


def test_what_is_missing_of_the_report_is_drawn_anew(desk):
    (desk.report / "index.html").unlink()
    assert "0 of 6 trials run" in desk.run("--changed")
    assert (desk.report / "index.html").is_file()


def test_a_run_that_stopped_early_leaves_the_rest_to_the_next(desk):
    desk.write(case("a", "raises"), case("b"), case("c"), *(case(f"d{n}") for n in range(20)))
    desk.run("--fail-fast", code=1)
    assert desk.content["stopped_early"]
    desk.run("--changed", code=1)
    assert len(desk.content["trials"]) == 46
    assert not desk.content["stopped_early"]


def noted(folder: Path) -> State:
    state = read(folder)
    assert isinstance(state, State)
    return state


def test_what_is_noted_belongs_to_its_report(desk):
    state = noted(desk.report)
    assert state.files == list(FILES)
    assert sorted(state.cases) == ["a", "b", "c"]
    assert isinstance(read(desk.folder), NoState)


def test_cases_have_the_same_digests_in_every_process():
    folders = [CASES / "cyclic", CASES / "sequential"]
    code = (
        "import json, sys; from pathlib import Path;"
        "from harness.changed.deciding import digests; from harness.load import load;"
        "print(json.dumps(digests(load(map(Path, sys.argv[1:])))))"
    )
    told = subprocess.run(
        [REAL, "-c", code, *folders],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        check=True,
        timeout=120,
    ).stdout
    assert json.loads(told) == digests(load(folders)) != {}


def test_nothing_is_imported_to_find_that_nothing_has_changed(desk, monkeypatch):
    monkeypatch.setattr(sys, "executable", REAL)
    monkeypatch.setattr(surroundings, "look", LOOK)
    desk.run("cases")
    code = (
        "import sys; from click.testing import CliRunner; from harness.cli import main\n"
        "from importlib import import_module; from pathlib import Path\n"
        "import_module('harness.cli.run').RECORDS = Path('cases/known_divergences').resolve()\n"
        "import_module('harness.changed.surroundings')._names = lambda framework, _: [framework]\n"
        "sys.path.insert(0, str(Path('site').resolve()))\n"
        "done = CliRunner().invoke(main, ['run', 'cases', '--changed'])\n"
        "print(done.output, *sorted(sys.modules))"
    )
    done = subprocess.run(
        [REAL, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert "0 of 6 trials run" in done.stdout
    loaded = set(done.stdout.split())
    assert "harness.changed.state" in loaded
    assert not loaded & {
        *("torch", "mindspore", "numpy", "pydantic", "yaml", "rich", "jinja2", "execnet"),
        *("harness.case", "harness.load", "harness.report.model"),
    }


PROCESS = """\
import sys
sys.path.insert(0, {tests!r})
import pytest
from pathlib import Path
from helpers.desk import Desk
from harness.cli import main
from harness.load import load
from harness.project import CASES
Desk(Path({folder!r})).take_place(pytest.MonkeyPatch(), sys.executable)
main(["run", "--changed"])
"""


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGKILL])
def test_killed_midway_it_leaves_the_last_report_and_what_was_noted_of_it(signal_, desk):
    more = "".join(case(f"n{number}") for number in range(60))
    desk.write(case("a"), case("b"), case("c"), more, case("last", "hangs"))
    before = {file.name: file.read_bytes() for file in desk.report.iterdir()}
    code = PROCESS.format(tests=str(Path(__file__).parents[1]), folder=str(desk.folder))
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert "100 of 122 trials\n" in process.stderr
    process.send_signal(signal_)
    process.communicate(timeout=60)
    assert process.returncode == {signal.SIGTERM: 130, signal.SIGKILL: -signal.SIGKILL}[signal_]
    left = {file.name: file.read_bytes() for file in desk.report.iterdir()}
    assert json.loads(left.pop("attempt.json"))["started"]
    assert left == before
    noted(desk.report)
