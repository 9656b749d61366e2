"""`conform run` and its like as processes, with the real frameworks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from helpers.command import HALVING, conform, conform_call, without, written
from helpers.sshd import below

from harness.report import FILES

pytestmark = pytest.mark.frameworks
quick = pytest.mark.usefixtures("quick_python")
GOOD = "format: 1\ncases:\n" + HALVING


def test_a_folder_outside_the_project_runs_on_both_frameworks(tmp_path):
    """In interpreters that nothing prepared."""
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


@quick
def test_one_wrong_digit_exits_1_and_names_step_values_error_and_budget(tmp_path):
    path = written(tmp_path, GOOD.replace("0.125,", "0.1251,"))
    done = conform("run", path, "--target", "torch/*", "--report", tmp_path / "out")
    assert done.returncode == 1
    assert "expects 0.1251 at step 2" in done.stdout
    assert "the reference model says 0.125 and 0.125 was reported" in done.stdout
    assert "error 0.0001, allowed" in done.stdout
    assert f"{path}:3" in done.stdout


@quick
def test_a_reader_who_has_had_enough_does_not_end_the_run(tmp_path):
    path = written(tmp_path, GOOD.replace("0.125,", "0.1251,"))
    with _running(path, tmp_path / "out") as process:
        process.stdout.close()
        process.wait(timeout=120)
        errors = process.stderr.read()
    assert process.returncode == 1, errors
    assert "Traceback" not in errors
    assert {file.name for file in (tmp_path / "out").iterdir()} == {*FILES, "state.json"}


@quick
def test_a_malformed_case_exits_2_with_file_and_line(tmp_path):
    path = written(tmp_path, GOOD.replace("decay_rate", "decay_rat"))
    done = conform("run", path, "--report", tmp_path / "out")
    assert done.returncode == 2
    assert f"{path}:7: cases[0].schedule.decay_rat: unknown key" in done.stderr


@pytest.mark.usefixtures("plain_python")
@pytest.mark.parametrize(
    ("gone", "here"),
    [
        pytest.param("torch", "mindspore", marks=pytest.mark.slow),
        ("mindspore", "torch"),
    ],
)
def test_with_one_framework_the_suite_runs_and_says_what_it_could_not(gone, here, tmp_path):
    path = written(tmp_path, GOOD)
    done = conform("run", path, "--report", tmp_path / "out", env=without(tmp_path, gone))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{gone}: unavailable, its trials were not run" in done.stdout
    trials = json.loads((tmp_path / "out/report.json").read_text())["trials"]
    assert {(t["framework"], t["verdict"]) for t in trials} == {
        (here, "conforms"),
        (gone, "unavailable"),
    }


@quick
def test_killing_the_mindspore_worker_in_mid_run_costs_one_trial(tmp_path):
    cases = "".join(HALVING.replace("halves", f"halves {number}") for number in range(160))
    path = written(tmp_path, f"format: 1\ncases:\n{cases}")
    folder = tmp_path / "workers"
    folder.mkdir()
    with _running(path, tmp_path / "out", TMPDIR=str(folder)) as process:
        _wait_for(process, "400 of 960 trials")  # 320 of them are torch's
        os.kill(_first_worker(folder, "mindspore"), signal.SIGKILL)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 1, out + err
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["counts"] == {"conforms": 959, "crashed": 1}
    (crashed,) = (t for t in report["trials"] if t["verdict"] == "crashed")
    assert "signal 9 (SIGKILL)" in crashed["reasons"][0]


@quick
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_the_report_before(sent, tmp_path):
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
    left = {file.name: file.read_text() for file in report.iterdir()}
    assert json.loads(left.pop("attempt.json"))["started"]
    assert left == before


@quick
def test_doctor_lists_what_is_here():
    done = conform("doctor")
    assert done.returncode == 0
    assert "torch 2" in done.stdout
    assert "mindspore 2" in done.stdout
    assert "PROBLEM" not in done.stdout


@quick
def test_a_device_is_selected_and_one_that_is_not_here_exits_3_with_the_reasons(tmp_path):
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


@quick
def test_list_targets_as_json():
    rows = json.loads(conform("list", "targets", "--json").stdout)
    available = {row["target"] for row in rows if row["status"] == "available"}
    assert {"torch/cpu/eager", "mindspore/cpu/pynative", "mindspore/cpu/graph"} <= available
    devices = {row["target"].split("/")[1] for row in rows}
    assert devices == {"cpu", "cuda", "mps", "xpu", "npu", "gpu", "ascend"}
    absent = [row["status"] for row in rows if row["target"].endswith("/-")]
    assert all(status.startswith("unavailable: ") for status in absent)
    assert not any(status == "unavailable: " for status in absent)


def _running(path: Path, report: Path, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        conform_call("run", path, "--report", report),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **env},
        text=True,
    )


def _wait_for(process: subprocess.Popen[str], line: str) -> None:
    """Read the progress until it says `line`."""
    for said in process.stderr:
        if said.strip() == line:
            return
    raise AssertionError(f"it ended without saying {line!r}")


def _first_worker(folder: Path, framework: str) -> int:
    """The pid of a framework's worker among those that work below `folder`.

    Of several the one that is at work longest: another may be starting, and its end would cost no
    trial.
    """
    theirs = [
        pid for pid in below(folder) if Path(f"/proc/{pid}/cwd/{framework}_adapter.py").exists()
    ]
    return min(theirs, key=lambda pid: Path(f"/proc/{pid}").stat().st_ctime_ns)
