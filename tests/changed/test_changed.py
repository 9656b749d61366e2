"""`conform run --changed`: what is run again, what is taken, and what of it is said where."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.command import conform_call, written
from helpers.fake_workers import FAKES

import harness
from harness.changed import surroundings
from harness.changed.state import NoState, State, read
from harness.changed.surroundings import DRAWING, JUDGING_TOO, UNKNOWN, Place, look
from harness.cli import main
from harness.report import FILES
from harness.workers import EnvironmentSpec

API = "torch.optim.lr_scheduler.ExponentialLR"
CASE = """\
  - name: {name}
    description: The rate halves at every update, case {name}.
    source: by hand
    family: exponential
    schedule: {{base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}}
    steps: 4
    expected: {{values: [0.5, 0.25, 0.125, 0.0625]}}
    implementations: [{api}]
"""
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


def case(name: str, behaviour: str = "", api: str = API) -> str:
    text = CASE.format(name=name, api=api)
    if not behaviour:
        return text
    return text + f"    arguments: {{{api}: {{behaviour: {behaviour}}}}}\n"


class Desk:
    """A folder with cases and a report, and two environments of fakes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report = folder / "reports" / "latest"
        for name in ("torch", "other"):
            shutil.copy(FAKES / "fake_adapter.py", folder / f"{name}_adapter.py")
        self.specs = [
            EnvironmentSpec(name, "torch", sys.executable, folder / f"{name}_adapter.py")
            for name in ("torch", "other")
        ]
        self.write(case("a"), case("b"), case("c"))

    def write(self, *cases: str, records: str = "", name: str = "a.yaml") -> None:
        folder = self.folder / "cases"
        folder.mkdir(exist_ok=True)
        written(folder, "format: 1\ncases:\n" + "".join(cases) + records, name)

    def run(self, *options: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, ["run", *options])
        assert done.exit_code == code, done.output
        return done.output

    @property
    def content(self) -> dict:
        return json.loads((self.report / "report.json").read_text())

    def again(self) -> list[str]:
        """Case and environment of each trial that was run in the last run."""
        trials = self.content["trials"]
        return [f"{t['case']} {t['environment']}" for t in trials if t["taken_from"] is None]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path)
    for module in ("common", "run"):
        monkeypatch.setattr(f"harness.cli.{module}.CASES", tmp_path / "cases")
    monkeypatch.setattr("harness.cli.run.RECORDS", tmp_path / "cases" / "known_divergences")
    monkeypatch.setattr("harness.workers.default_environments", lambda: desk.specs)
    desk.run()
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
    said = desk.run("--changed", "--time-limit", "0.2", code=1)
    assert "2 trials: it took longer than the time limit" in said
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
    first = desk.content["started"]
    time.sleep(1.1)  # starts are told to the second
    desk.write(case("a"), case("b").replace("The rate", "A rate"), case("c"))
    desk.run("--changed")
    second = desk.content["started"]
    time.sleep(1.1)
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
        (lambda report: written(report, "[]", "state.json"), "is not of the format 1"),
        (lambda report: written(report, '{"format": 1}', "state.json"), "state.json is damaged"),
        (lambda report: written(report, '{"format": 2}', "state.json"), "not of the format 1"),
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


def replaced(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_report_of_another_format_is_not_taken_from(desk):
    file = desk.report / "report.json"
    old = surroundings.digest(file)
    replaced(file, '"format": "2.2"', '"format": "2.1"')
    replaced(desk.report / "state.json", old, surroundings.digest(file))
    desk.write(case("a"), case("b").replace("The rate", "A rate"), case("c"))
    assert "is not of the format 2.2" in desk.run("--changed")
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


def test_cases_have_the_same_digests_in_every_process(desk):
    code = (
        "from harness.changed.deciding import digests; from harness.load import load;"
        "from pathlib import Path; from harness.project import ROOT;"
        "print(sorted(digests(load([ROOT / 'cases/cyclic', ROOT / 'cases/sequential'])).items()))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


class TestSurroundings:
    """What is noticed, each by itself."""

    def place(self, folder: Path, python: str = sys.executable) -> Place:
        adapter = written(folder, "# an adapter\n", "adapter.py")
        return Place("made_up", "made_up", python, str(adapter))

    def now(self, folder: Path, **options):
        return look([self.place(folder, **options)], [folder / "cases"])

    def test_twice_the_same_is_the_same(self, tmp_path):
        assert self.now(tmp_path) == self.now(tmp_path)

    @pytest.mark.parametrize(
        "change",
        [
            lambda package: written(package, "x = 2  # longer\n", "scheduler.py"),
            lambda package: written(package / "inner", "y = 2  # longer\n", "deep.py"),
            lambda package: written(package, "", "another.py"),
            lambda package: (package / "scheduler.py").unlink(),
            lambda package: os.utime(package / "inner" / "deep.py", ns=(1, 1)),
        ],
    )
    def test_a_module_of_a_framework_that_is_edited_added_removed_or_touched(
        self, change, tmp_path, monkeypatch
    ):
        package = tmp_path / "made_up"
        (package / "inner").mkdir(parents=True)
        written(package, "", "__init__.py")
        written(package, "x = 1\n", "scheduler.py")
        written(package / "inner", "y = 1\n", "deep.py")
        monkeypatch.syspath_prepend(str(tmp_path))
        before = self.now(tmp_path).environments["made_up"]
        change(package)
        now = self.now(tmp_path).environments["made_up"]
        assert {name for name in now if now[name] != before[name]} == {"files of made_up"}
        assert "made_up" not in sys.modules

    def test_a_framework_that_is_installed_and_removed(self, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        before = self.now(tmp_path)
        assert before.environments["made_up"]["files of made_up"] == "absent"
        about = tmp_path / "site" / "made_up-1.0.dist-info"
        about.mkdir(parents=True)
        written(about, "Metadata-Version: 2.1\nName: made_up\nVersion: 1.0\n", "METADATA")
        now = self.now(tmp_path).environments["made_up"]
        assert now["version of made_up"] == "1.0"
        assert "version of made_up" not in before.environments["made_up"]

    def test_another_interpreter_whose_packages_are_unknown_always_counts_as_changed(
        self, tmp_path
    ):
        (tmp_path / "bin").mkdir()
        python = written(tmp_path / "bin", "", "python")
        now = self.now(tmp_path, python=str(python)).environments["made_up"]
        assert now["files of made_up"] == UNKNOWN
        assert self.now(tmp_path, python="ssh=host").environments["made_up"] == {
            "interpreter": UNKNOWN
        }

    def test_variables_by_which_frameworks_are_set(self, tmp_path, monkeypatch):
        before = self.now(tmp_path)
        monkeypatch.setenv("MAIL", "none")
        assert self.now(tmp_path) == before
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        assert self.now(tmp_path).for_all != before.for_all

    def test_modules_that_judge_are_told_from_those_that_draw(self, tmp_path):
        suite = tmp_path / "harness"
        shutil.copytree(surroundings.HARNESS, suite, ignore=shutil.ignore_patterns("__pycache__"))

        def now():
            return look([], [], suite=suite)

        before = now()
        for name in ("judge.py", "budget/rounding.py", "reference/cosine.py", "catalogue/facts.py"):
            with (suite / name).open("a") as file:
                file.write("# more\n")
            after = now()
            changed = {n for n in after.for_all if after.for_all[n] != before.for_all[n]}
            assert changed == {f"harness/{name}"}
            assert after.drawing == before.drawing
            before = after
        for name in ("report/summary.py", "report/page/page.css", "console.py"):
            with (suite / name).open("a") as file:
                file.write("\n")
            after = now()
            assert after.for_all == before.for_all
            assert after.drawing != before.drawing
            before = after

    def test_what_is_imported_to_judge_is_among_the_modules_that_judge(self):
        """But for what loads cases, whose content is compared, and what makes the report."""
        code = (
            "import harness.suite, harness.report.model, sys;"
            "print(*(n for n in sys.modules if n.startswith('harness.')))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
        )
        names = [name.removeprefix("harness.") for name in done.stdout.split()]
        drawing = {
            name
            for name in names
            if {name.split(".")[0], f"{name}.py"} & DRAWING
            and f"{name.replace('.', '/')}.py" not in JUDGING_TOO
        }
        loads_or_tells = {"case_files", "coverage", "durations", "errors", "limits", "load"}
        loads_or_tells |= {"naming", "project"}
        assert {name for name in drawing if name.split(".")[0] != "report"} <= loads_or_tells
        root = Path(harness.__file__).parent
        assert {part for part in DRAWING if not (root / part).exists()} == set()


def conform(folder: Path, *arguments: str, **options):
    return subprocess.run(
        conform_call(*arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk")
    (folder / "cases").mkdir()
    # The folder where Python is started comes first on its path.
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(surroundings.HARNESS, folder / "harness", ignore=ignored)
    text = "".join(CASE.partition("    implementations")[0].format(name=n) for n in "ab")
    written(folder / "cases", f"format: 1\ncases:\n{text}")
    done = conform(folder, "run", "cases")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.frameworks
class TestWithRealFrameworks:
    def content(self, folder):
        return json.loads((folder / "reports/latest/report.json").read_text())

    def test_nothing_is_imported_to_find_that_nothing_has_changed(self, folder):
        code = (
            "import sys; from click.testing import CliRunner; from harness.cli import main\n"
            "done = CliRunner().invoke(main, ['run', 'cases', '--changed'])\n"
            "print(done.output, *sorted(sys.modules))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert "0 of " in done.stdout
        loaded = set(done.stdout.split())
        assert "harness.changed.state" in loaded
        assert not loaded & {
            *("torch", "mindspore", "numpy", "pydantic", "yaml", "rich", "jinja2", "execnet"),
            *("harness.case", "harness.load", "harness.report.model"),
        }

    def test_of_a_case_that_is_touched_exactly_its_trials_are_run(self, folder):
        before = {trial["id"]: trial for trial in self.content(folder)["trials"]}
        replaced(folder / "cases" / "a.yaml", "at every update, case b", "each time")
        done = conform(folder, "run", "cases", "--changed")
        assert done.returncode == 0, done.stdout + done.stderr
        trials = self.content(folder)["trials"]
        assert [trial["id"] for trial in trials] == list(before)
        assert {trial["case"] for trial in trials if trial["taken_from"] is None} == {"b"}
        assert {trial["case"] for trial in trials if trial["taken_from"]} == {"a"}
        ran = {t["framework"] for t in trials if t["taken_from"] is None}
        assert ran == {"torch", "mindspore"}
        for trial in trials:
            digests = [sequence["digest"] for sequence in trial["sequences"]]
            assert digests == [s["digest"] for s in before[trial["id"]]["sequences"]]

    def test_an_adapters_source_has_all_of_its_framework_run(self, folder):
        with (folder / "harness" / "adapters" / "torch_adapter.py").open("a") as file:
            file.write("\n# another\n")
        done = conform(folder, "run", "cases", "--changed")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "torch: adapter has changed" in done.stdout
        trials = self.content(folder)["trials"]
        assert {t["framework"] for t in trials if t["taken_from"] is None} == {"torch"}
        assert {t["framework"] for t in trials if t["taken_from"]} == {"mindspore"}

    @pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGKILL])
    def test_killed_midway_it_leaves_the_last_report_and_what_was_noted_of_it(
        self, signal_, folder
    ):
        text = (folder / "cases" / "a.yaml").read_text()
        more = CASE.partition("    implementations")[0]
        (folder / "cases" / "a.yaml").write_text(
            text + "".join(more.format(name=f"n{number}") for number in range(300))
        )
        report = folder / "reports" / "latest"
        before = {file.name: file.read_bytes() for file in report.iterdir()}
        process = subprocess.Popen(
            conform_call("run", "cases", "--changed"),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if " of " in line:  # a hundred trials are done
                break
        process.send_signal(signal_)
        process.communicate(timeout=60)
        assert process.returncode != 0
        assert {file.name: file.read_bytes() for file in report.iterdir()} == before
        (folder / "cases" / "a.yaml").write_text(text)
        noted(report)
