"""The command line, with the real frameworks where a test says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from helpers.command import conform, conform_call, written
from helpers.fake_workers import spec

from harness.cli import main
from harness.report import FILES

ROOT = Path(__file__).parents[2]
API = "torch.optim.lr_scheduler.ExponentialLR"

GOOD = """\
format: 1
cases:
  - name: halves
    description: The rate halves at every update.
    source: by hand
    family: exponential
    schedule: {base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}
    steps: 4
    expected: {values: [0.5, 0.25, 0.125, 0.0625]}
"""


@pytest.fixture
def without(tmp_path):
    """An environment in which some frameworks cannot be imported."""

    def shadow(*names: str) -> dict[str, str]:
        folder = tmp_path / "shadows"
        folder.mkdir()
        for name in names:
            message = f"{name} is not installed (shadowed by a test)"
            written(folder, f"raise ModuleNotFoundError({message!r})\n", f"{name}.py")
        return {"PYTHONPATH": str(folder)}

    return shadow


def test_help_names_every_command_and_the_exit_codes():
    text = CliRunner().invoke(main, ["--help"]).output
    for command in ("run", "check", "list", "explain", "doctor", "schema"):
        assert command in text
    assert "nothing could be run" in text


def test_check_accepts_the_suites_own_cases():
    done = CliRunner().invoke(main, ["check", str(ROOT / "cases"), "--no-cache"])
    assert (done.exit_code, done.output.startswith("valid: ")) == (0, True)


def test_check_names_file_and_line_of_every_problem(tmp_path):
    written(tmp_path, GOOD.replace("steps: 4", "steps: four"), "b.yaml")
    written(tmp_path, GOOD.replace("source: by hand", "sauce: by hand"), "c.yaml")
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 2
    assert f"{tmp_path}/b.yaml:8: cases[0].steps" in done.output
    assert f"{tmp_path}/c.yaml:5: cases[0].sauce: unknown key" in done.output


def test_check_finds_numbers_that_contradict_the_reference_model(tmp_path):
    path = written(tmp_path, GOOD.replace("0.125,", "0.126,"))
    done = CliRunner().invoke(main, ["check", str(path)])
    assert done.exit_code == 2
    assert "step 2 is 0.126 here and 0.125 by the reference model" in done.output


def test_check_of_the_whole_suite_finds_a_record_of_a_case_that_there_is_not(tmp_path, monkeypatch):
    record = (ROOT / "cases/known_divergences/documentation.yaml").read_text()
    written(tmp_path, GOOD)
    written(tmp_path, record, "record.yaml")
    monkeypatch.setattr("harness.cli.look.CASES", tmp_path)
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 2
    assert "there is no case 'signature/experimental-StepLR/documented-default'" in done.output
    part = CliRunner().invoke(main, ["check", str(tmp_path / "record.yaml")])
    assert part.exit_code == 0


def test_check_and_list_import_no_framework():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from harness.cli import main\n"
        f"for command in (['check', '--no-cache', {str(ROOT / 'cases' / 'exponential')!r}], "
        f"['check', {str(ROOT / 'cases')!r}], ['list', 'implementations'], "
        f"['list', 'cases', {str(ROOT / 'cases')!r}]):\n"
        "    assert CliRunner().invoke(main, command).exit_code == 0, command\n"
        "assert not {'torch', 'mindspore'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_schema_prints_what_is_kept():
    for which, kept in (
        ("case", ROOT / "cases/schema.json"),
        ("report", ROOT / "harness/report/report.schema.json"),
    ):
        assert CliRunner().invoke(main, ["schema", which]).output == kept.read_text()


@pytest.mark.parametrize(
    ("arguments", "telling"),
    [
        (["run", "nowhere"], "no such file or folder"),
        (["run", "--implementation", "torch.ExponentialLr"], "no implementation fits"),
        (["run", "--family", "exponentiel"], "did you mean 'exponential'?"),
        (["run", "--report", "pyproject.toml"], "pyproject.toml"),
        (["explain", "steps/every-updat"], "did you mean 'steps/every-update'?"),
        (["run", "--time-limit", "0"], "0"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_to_do(arguments, telling, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("harness.workers.default_environments", lambda: [spec()])
    monkeypatch.setattr("harness.cli.run.REPORTS", tmp_path)
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert telling in done.output


@pytest.mark.parametrize(
    ("behaviour", "verdict"),
    [("hangs", "timed out"), ("killed", "crashed"), ("raises", "refused")],
)
def test_a_trial_without_an_answer_fails_the_run_and_is_in_the_report(
    behaviour, verdict, monkeypatch, tmp_path
):
    monkeypatch.setattr("harness.workers.default_environments", lambda: [spec()])
    bad = GOOD.split("cases:\n")[1].replace("name: halves", "name: bad")
    bad += f"    implementations: [{API}]\n    arguments: {{{API}: {{behaviour: {behaviour}}}}}\n"
    path = written(tmp_path, f"{GOOD}    implementations: [{API}]\n{bad}")
    report = tmp_path / "report"
    done = CliRunner().invoke(
        main, ["run", str(path), "--report", str(report), "--time-limit", "2"]
    )
    assert done.exit_code == 1
    assert verdict in done.output
    trials = {t["case"]: t for t in json.loads((report / "report.json").read_text())["trials"]}
    assert (trials["halves"]["verdict"], trials["bad"]["verdict"]) == ("conforms", verdict)
    assert trials["bad"]["reasons"]


def test_fail_fast_stops_and_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("harness.workers.default_environments", lambda: [spec()])
    head, case = GOOD.split("cases:\n")
    case += f"    implementations: [{API}]\n"
    bad = f"{case}    arguments: {{{API}: {{behaviour: raises}}}}\n"
    many = "".join(case.replace("halves", f"good {i}") for i in range(20))
    path = written(tmp_path, f"{head}cases:\n{bad}{many}")
    report = tmp_path / "report"
    done = CliRunner().invoke(main, ["run", str(path), "--fail-fast", "--report", str(report)])
    assert done.exit_code == 1
    assert "stopped at the first failure" in done.output
    assert json.loads((report / "report.json").read_text())["stopped_early"] is True


def test_an_unexpected_fault_of_the_suite_has_its_own_exit_code(monkeypatch):
    monkeypatch.setattr("harness.listing.implementations", lambda: 1 / 0)
    done = CliRunner().invoke(main, ["list", "implementations"])
    assert done.exit_code == 70


@pytest.mark.frameworks
class TestWithRealFrameworks:
    def test_a_folder_outside_the_project_runs_on_both_frameworks(self, tmp_path):
        cases = tmp_path / "cases"
        cases.mkdir()
        written(cases, GOOD)
        done = conform("run", cases, "--report", "out", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert {path.name for path in (tmp_path / "out").iterdir()} == {*FILES, "state.json"}
        report = json.loads((tmp_path / "out/report.json").read_text())
        assert {t["framework"] for t in report["trials"]} == {"torch", "mindspore"}
        assert {t["verdict"] for t in report["trials"]} == {"conforms"}
        assert "\x1b" not in done.stdout + done.stderr

    def test_one_wrong_digit_exits_1_and_names_step_values_error_and_budget(self, tmp_path):
        path = written(tmp_path, GOOD.replace("0.125,", "0.1251,"))
        done = conform("run", path, "--target", "torch/*", "--report", tmp_path / "out")
        assert done.returncode == 1
        assert "expects 0.1251 at step 2" in done.stdout
        assert "the reference model says 0.125 and 0.125 was reported" in done.stdout
        assert "error 0.0001, allowed" in done.stdout
        assert f"{path}:3" in done.stdout

    def test_a_reader_who_has_had_enough_does_not_end_the_run(self, tmp_path):
        path = written(tmp_path, GOOD.replace("0.125,", "0.1251,"))
        with _running(path, tmp_path / "out") as process:
            process.stdout.close()
            process.wait(timeout=120)
            errors = process.stderr.read()
        assert process.returncode == 1, errors
        assert "Traceback" not in errors
        assert {file.name for file in (tmp_path / "out").iterdir()} == {*FILES, "state.json"}

    def test_a_malformed_case_exits_2_with_file_and_line(self, tmp_path):
        path = written(tmp_path, GOOD.replace("decay_rate", "decay_rat"))
        done = conform("run", path, "--report", tmp_path / "out")
        assert done.returncode == 2
        assert f"{path}:7: cases[0].schedule.decay_rat: unknown key" in done.stderr

    def test_without_any_framework_nothing_can_be_run(self, tmp_path, without):
        path = written(tmp_path, GOOD)
        env = without("torch", "mindspore")
        done = conform("run", path, "--report", tmp_path / "out", env=env)
        assert done.returncode == 3
        assert "torch is not installed" in done.stderr
        assert not (tmp_path / "out/report.json").exists()
        assert conform("doctor", env=env).returncode == 3

    @pytest.mark.parametrize(("gone", "here"), [("torch", "mindspore"), ("mindspore", "torch")])
    def test_with_one_framework_the_suite_runs_and_says_what_it_could_not(
        self, gone, here, tmp_path, without
    ):
        path = written(tmp_path, GOOD)
        done = conform("run", path, "--report", tmp_path / "out", env=without(gone))
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{gone}: unavailable, its trials were not run" in done.stdout
        trials = json.loads((tmp_path / "out/report.json").read_text())["trials"]
        assert {(t["framework"], t["verdict"]) for t in trials} == {
            (here, "conforms"),
            (gone, "unavailable"),
        }

    def test_killing_the_mindspore_worker_in_mid_run_costs_one_trial(self, tmp_path):
        many = GOOD.split("cases:\n")[1]
        cases = "".join(many.replace("halves", f"halves {number}") for number in range(120))
        path = written(tmp_path, f"format: 1\ncases:\n{cases}")
        with _running(path, tmp_path / "out") as process:
            _wait_for(process, "300 of 720 trials")  # 240 of them are torch's
            os.kill(_child_with(process, "mindspore"), signal.SIGKILL)
            out, err = process.communicate(timeout=120)
        assert process.returncode == 1, out + err
        report = json.loads((tmp_path / "out/report.json").read_text())
        assert report["counts"] == {"conforms": 719, "crashed": 1}
        (crashed,) = (t for t in report["trials"] if t["verdict"] == "crashed")
        assert "signal 9 (SIGKILL)" in crashed["reasons"][0]

    @pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupted_run_leaves_the_report_before(self, sent, tmp_path):
        report = tmp_path / "out"
        report.mkdir()
        before = {name: f"the {name} before" for name in FILES}
        for name, text in before.items():
            written(report, text, name)
        long = GOOD.replace("steps: 4", "steps: 20000").replace(
            "[0.5, 0.25, 0.125, 0.0625]", "{0: 0.5}"
        )
        with _running(written(tmp_path, long), report) as process:
            _wait_for(process, "6 trials")
            process.send_signal(sent)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "interrupted" in err
        assert "is left as it was" in err
        assert {file.name: file.read_text() for file in report.iterdir()} == before

    def test_doctor_lists_what_is_here(self):
        done = conform("doctor")
        assert done.returncode == 0
        assert "torch 2" in done.stdout
        assert "mindspore 2" in done.stdout
        assert "PROBLEM" not in done.stdout

    def test_a_device_is_selected_and_one_that_is_not_here_exits_3_with_the_reasons(self, tmp_path):
        path = written(tmp_path, GOOD)
        done = conform("run", path, "--device", "cpu", "--report", tmp_path / "out")
        assert done.returncode == 0, done.stdout + done.stderr
        report = json.loads((tmp_path / "out/report.json").read_text())
        assert report["selection"] == {"devices": ["cpu"]}
        assert {trial["device"] for trial in report["trials"]} == {"cpu"}
        # The last of the devices that torch is asked about is on no machine that runs this.
        done = conform("run", path, "--device", "npu", "--report", tmp_path / "none")
        assert done.returncode == 3
        assert "no device here fits 'npu'" in done.stderr
        assert "no npu: ModuleNotFoundError: No module named 'torch_npu'" in done.stderr
        assert "mindspore knows none by that name" in done.stderr
        assert not (tmp_path / "none" / "report.json").exists()
        done = conform("run", path, "--device", "ascnd", "--report", tmp_path / "none")
        assert (done.returncode, "did you mean 'ascend'" in done.stderr) == (2, True)

    def test_list_targets_as_json(self):
        rows = json.loads(conform("list", "targets", "--json").stdout)
        available = {row["target"] for row in rows if row["status"] == "available"}
        assert {"torch/cpu/eager", "mindspore/cpu/pynative", "mindspore/cpu/graph"} <= available
        devices = {row["target"].split("/")[1] for row in rows}
        assert devices == {"cpu", "cuda", "mps", "xpu", "npu", "gpu", "ascend"}
        absent = [row["status"] for row in rows if row["target"].endswith("/-")]
        assert all(status.startswith("unavailable: ") for status in absent)
        assert not any(status == "unavailable: " for status in absent)


def _running(path: Path, report: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        conform_call("run", path, "--report", report),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for(process: subprocess.Popen[str], line: str) -> None:
    """Read the progress until it says `line`."""
    for said in process.stderr:
        if said.strip() == line:
            return
    raise AssertionError(f"it ended without saying {line!r}")


def _child_with(process: subprocess.Popen[str], framework: str) -> int:
    """The pid of a process below that has a framework loaded: of several the one at work longest.

    Another may be importing it still, and its end would cost no trial.
    """
    loaded = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if f"/{framework}/" in Path(f"/proc/{child.pid}/maps").read_text()
    ]
    return min(loaded, key=lambda child: child.create_time()).pid
