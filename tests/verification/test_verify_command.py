"""`conform verify` as people call it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.command import REAL, conform, conform_call
from helpers.scripts import TORCH, late, wait_for

from harness.cli import main


def frameworks(test):
    """Mark a test that starts a framework, which it does in a quick interpreter."""
    return pytest.mark.frameworks(pytest.mark.usefixtures("quick_python")(test))


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A folder with a good script and one whose rate falls twice as fast."""
    monkeypatch.chdir(tmp_path)
    Path("good.py").write_text(TORCH)
    Path("fast.py").write_text(TORCH.replace("gamma=0.9", "gamma=0.81"))
    return tmp_path


def called(*arguments: str):
    return CliRunner().invoke(main, ["verify", *arguments])


PAIR = ("--torch", "good.py", "--torch", "good.py")
USAGE = {
    "no script": (["--steps", "9"], "two scripts are compared, 0 given"),
    "one script": (["--torch", "good.py", "--steps", "9"], "two scripts are compared, 1 given"),
    "three scripts": ([*PAIR, "--mindspore", "good.py", "--steps", "9"], "3 given"),
    "no length": ([*PAIR], "how long? Give --steps, or --epochs and --steps-per-epoch"),
    "two lengths": ([*PAIR, "--steps", "9", "--epochs", "9"], "--steps and --epochs say the same"),
    **{
        f"{steps} updates": ([*PAIR, "--steps", steps], "Invalid value for '--steps'")
        for steps in ("0", "-3", "1" + 30 * "0", "1000000001", "1e30", "nan", "2.5", "")
    },
    **{
        f"a time limit of {limit}": (
            [*PAIR, "--steps", "9", "--time-limit", limit],
            "Invalid value for '--time-limit'",
        )
        for limit in ("nan", "inf", "-inf", "1e400", "0", "-1", "soon")
    },
    "too many epochs": (
        [*PAIR, "--epochs", "100000", "--steps-per-epoch", "100000"],
        "100,000 epochs of 100,000 updates are more than 1,000,000,000 updates",
    ),
    "a resumption long after the end": (
        [*PAIR, "--steps", "9", "--resume-at", "3", "--resume-at", "1" + 30 * "0"],
        "is not before the end, 9 updates",
    ),
    "a resumption at 0": ([*PAIR, "--steps", "9", "--resume-at", "0"], "'--resume-at'"),
    "a resumption after the end": (
        [*PAIR, "--steps", "9", "--resume-at", "9"],
        "--resume-at 9 is not before the end, 9 updates",
    ),
    "no such file": (
        ["--torch", "god.py", "--torch", "good.py", "--steps", "9"],
        "there is no file god.py; did you mean 'good.py'?",
    ),
    "another word for stepping": ([*PAIR, "--steps", "9", "--torch-stepping", "batch"], "batch"),
}


@pytest.mark.parametrize(("arguments", "said"), USAGE.values(), ids=list(USAGE))
def test_wrong_usage_is_said_before_anything_runs(scripts, arguments, said):
    began = time.monotonic()
    result = called(*arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert time.monotonic() - began < 5.0  # a framework takes longer to start


def test_help_has_the_protocol_and_examples():
    text = called("--help").output
    for word in ("start_step", "metrics", "--resume-at", "Examples:", "Exit codes:"):
        assert word in text


@frameworks
def test_two_scripts_that_agree_end_it_with_0(scripts):
    result = called(*PAIR, "--epochs", "3", "--steps-per-epoch", "5")
    assert result.exit_code == 0, result.output
    assert "first: good.py:build, torch" in result.output
    assert "once an epoch of 5 updates" in result.output
    assert "verdict: agree" in result.output

    assert "compared: reported and applied rates at all 15 updates" in result.output


@frameworks
def test_what_build_returned_and_is_not_used_ends_it_with_2_and_a_remedy(scripts):
    Path("lost.py").write_text(TORCH.replace("return optimizer, ", "return optimizer, 7, "))
    result = called("--torch", "good.py", "--torch", "lost.py", "--steps", "3")
    assert result.exit_code == 2
    assert "conform: lost.py:build: build returned 7 at [1], which is not used" in result.output
    assert "\n    remedy: " in result.output


@frameworks
def test_two_scripts_that_end_early_end_it_with_1(scripts):
    Path("short.py").write_text("def build(): return [0.1] * 5\n")
    result = called("--torch", "short.py", "--torch", "short.py", "--steps", "1000")
    assert result.exit_code == 1
    assert "compared: reported and applied rates at 5 of 1,000 updates" in result.output
    assert "verdict: incomplete" in result.output


@frameworks
def test_two_scripts_that_differ_end_it_with_1(scripts):
    result = called("--torch", "good.py", "--torch", "fast.py", "--steps", "3")
    assert result.exit_code == 1, result.output
    assert "reported: 3 updates, 2 differ, from update 1 on: 0.09" in result.output
    assert "verdict: differ" in result.output
    assert "after each update (an epoch has one)" in result.output


@frameworks
def test_what_may_be_let_pass_is_up_to_the_user(scripts):
    arguments = ("--torch", "good.py", "--torch", "fast.py", "--steps", "3")
    assert called(*arguments, "--rtol", "0.2").exit_code == 0
    assert called(*arguments, "--rtol", "0.1").exit_code == 1


@frameworks
def test_json_is_all_that_is_on_standard_output(scripts):
    Path("bad.py").write_text(late("raise ValueError"))
    done = conform("verify", "--json", "--torch", "good.py", "--torch", "bad.py", "--steps", 100)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert [script["updates"] for script in told["traces"]] == [100, 50]
    assert "ValueError" in told["traces"][1]["problems"][0]
    assert told["verdict"] != "agree"


@frameworks
def test_what_was_seen_is_kept_if_asked_and_compares_as_it_did(scripts):
    asked = ("--epochs", "4", "--steps-per-epoch", "5", "--resume-at", "7")
    asked += ("--report", "page", "--save-traces", "kept")
    result = called("--torch", "good.py", "--torch", "fast.py", *asked)
    assert result.exit_code == 1, result.output
    assert "report: page/index.html" in result.output
    told = json.loads(Path("page/comparison.json").read_text())
    assert [trace["updates"] for trace in told["traces"]] == [20, 20]
    assert "once an epoch" in told["traces"][0]["stepped"]
    assert "They differ from step 5 on." in Path("page/index.html").read_text()
    again = CliRunner().invoke(main, ["compare", "kept/first.jsonl", "kept/second.jsonl", "--json"])
    assert again.exit_code == 1
    compared = json.loads(again.stdout)
    assert compared["sequences"] == told["sequences"]
    assert compared["traces"][0]["resumed"] == told["traces"][0]["resumed"] == [7]


def test_a_folder_that_cannot_be_written_is_told_before_anything_runs(scripts):
    Path("taken").write_text("")
    result = called(*PAIR, "--steps", "3", "--save-traces", "taken/below")
    assert result.exit_code == 2
    assert "cannot write the traces to taken/below" in result.output


@frameworks
def test_it_stops_at_the_first_difference_if_asked(scripts):
    result = called("--torch", "good.py", "--torch", "fast.py", "--steps", "400000", "--fail-fast")
    assert result.exit_code == 1
    assert "stopped at the first difference" in result.output


@frameworks
def test_a_script_that_cannot_be_used_ends_it_with_2_and_leaves_the_report_alone(scripts):
    Path("bad.py").write_text("def build():\n    raise ValueError('no data')\n")
    result = called("--torch", "good.py", "--torch", "bad.py", "--steps", "3")
    assert result.exit_code == 2
    assert "conform: bad.py:build: ValueError: no data" in result.output
    assert "bad.py:2, in build" in result.output
    assert not Path("reports").exists()


@frameworks
def test_an_interpreter_without_torch_ends_it_with_3(scripts):
    bare = Path("python")
    bare.write_text(f'#!/bin/sh\nexec "{REAL}" -S "$@"\n')
    bare.chmod(0o755)
    result = called(*PAIR, "--steps", "3", "--torch-python", "./python")
    assert result.exit_code == 3
    assert "which was to run good.py:build, has no" in result.output


@frameworks
@pytest.mark.parametrize(
    ("how", "python"),
    [
        (signal.SIGINT, None),
        (signal.SIGTERM, None),
        pytest.param(signal.SIGTERM, REAL, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_one_leaves_no_process_behind(scripts, how, python):
    slow = TORCH.replace(
        "import torch", "import os, torch\nopen('pid', 'w').write(str(os.getpid()))"
    )
    Path("slow.py").write_text(slow)
    command = conform_call("verify", "--torch", "slow.py", "--torch", "good.py", "--steps", 10**7)
    command += ["--torch-python", python] if python else []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for(lambda: Path("pid").exists() and Path("pid").read_text())
    process.send_signal(how)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert b"interrupted" in output
    if python is None:  # what stands for it has ended, and it does soon
        wait_for(lambda: not Path("/proc", Path("pid").read_text()).exists())
    else:
        with pytest.raises(ProcessLookupError):
            os.kill(int(Path("pid").read_text()), 0)
    assert not Path("reports").exists()
