"""`conform compare` and `conform recorder` as people call them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from helpers.command import conform, conform_call

from harness.cli import main
from harness.traces.document import SCHEMA_FILE

CASE = """\
format: 1
cases:
  - name: halves
    description: The rate is halved at each update.
    source: by hand
    family: exponential
    schedule: {base_lr: 1.0, decay_rate: 0.5, decay_steps: 1}
    steps: 3
    expected: {values: [1.0, 0.5, 0.25]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(name: str, rates: list[float], first: int = 0) -> str:
    rows = [f"{step},{rate!r}\n" for step, rate in enumerate(rates, first)]
    Path(name).write_text("step,lr\n" + "".join(rows))
    return name


def called(*arguments: str):
    return CliRunner().invoke(main, ["compare", *arguments])


FALLING = [0.1 * 0.9**n for n in range(40)]


def told(*arguments: str) -> dict:
    """The JSON on standard output, which is that of the file, and by the schema."""
    result = called(*arguments, "--json")
    document = json.loads(result.stdout)
    assert json.loads(Path("reports/compare/comparison.json").read_text()) == document
    jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text())).validate(document)
    assert (result.exit_code == 0) == (document["verdict"] == "agree")
    return document


def test_two_traces_that_agree_end_it_with_0():
    result = called(table("a.csv", FALLING), table("b.csv", FALLING))
    assert result.exit_code == 0, result.output
    assert "first: a.csv, 40 steps, 0 to 39" in result.output
    assert "verdict: agree" in result.output
    assert "report: reports/compare/index.html" in result.output
    assert told("a.csv", "b.csv")["sequences"][0]["share"] == {"value": 0.0, "step": 0}


def test_two_that_differ_end_it_with_1_and_the_first_step():
    other = [*FALLING[:7], 0.5, *FALLING[8:]]
    result = called(table("a.csv", FALLING), table("b.csv", other))
    assert result.exit_code == 1
    assert "1 differ, from update 7 on: 0.04782969 and 0.5" in result.output
    document = told("a.csv", "b.csv")
    assert document["verdict"] == "differ"
    assert document["sequences"][0]["first"]["step"] == 7
    assert document["sequences"][0]["first"]["second"] == 0.5


def test_one_that_is_shorter_does_not_agree():
    document = told(table("a.csv", FALLING), table("b.csv", FALLING[:30]))
    assert document["verdict"] == "incomplete"
    assert document["sequences"][0]["hole"] == {"step": 30, "length": 10}


def test_a_rate_that_is_infinite_is_told_in_words_that_json_has():
    document = told(table("a.csv", FALLING), table("b.csv", [float("inf"), *FALLING[1:]]))
    assert document["sequences"][0]["absolute"] == {"value": "Infinity", "step": 0}


def test_an_offset_and_epochs_are_as_asked():
    table("a.csv", FALLING)
    table("late.csv", [0.1, *FALLING])
    assert called("a.csv", "late.csv").exit_code == 1
    assert called("a.csv", "late.csv", "--offset", "1").exit_code == 1  # nothing for its step 40
    assert told("a.csv", "late.csv", "--offset", "1")["sequences"][0]["diverging"] == 0
    table("counted_from_1.csv", FALLING, first=1)
    assert told("a.csv", "counted_from_1.csv", "--offset", "1")["verdict"] == "agree"
    table("epochs.csv", FALLING)
    table("updates.csv", [rate for rate in FALLING for _ in range(5)])
    aligned = ("--steps-per-epoch", "5")
    assert told("updates.csv", "epochs.csv", *aligned)["verdict"] == "agree"
    document = told("epochs.csv", "updates.csv", *aligned, "--epochs-in", "first")
    assert document["verdict"] == "agree"
    assert document["alignment"] == {"offset": 0, "steps_per_epoch": 5, "epochs_in": "first"}


def test_what_may_be_let_pass_is_up_to_the_user():
    table("a.csv", FALLING)
    table("b.csv", [rate * 1.001 for rate in FALLING])
    assert called("a.csv", "b.csv").exit_code == 1
    assert called("a.csv", "b.csv", "--rtol", "0.0011").exit_code == 0
    assert called("a.csv", "b.csv", "--atol", "0.0002").exit_code == 0
    assert called("a.csv", "b.csv", "--max-ulp", "10").exit_code == 1


def test_a_trace_is_compared_with_a_case():
    Path("mine.yaml").write_text(CASE)
    cases = ("--cases", "mine.yaml")
    longer = [0.5**n for n in range(20)]
    assert called(table("a.csv", longer), "case:halves", *cases).exit_code == 0
    longer[15] *= 1.01
    result = called("case:halves", table("b.csv", longer), *cases)
    assert result.exit_code == 1
    assert "first: case halves" in result.output
    assert "from update 15 on" in result.output
    result = called("b.csv", "case:halfs", *cases)
    assert result.exit_code == 2
    assert "did you mean 'halves'?" in result.output


def test_a_case_has_the_groups_and_the_applied_rates_that_it_is_compared_with():
    case = CASE.replace("    steps: 3", "    groups: [{schedule: {base_lr: 4.0}}]\n    steps: 3")
    Path("mine.yaml").write_text(case)
    rows = "".join(f"{n},{0.5**n},{0.5**n},{4 * 0.5**n},{4 * 0.5**n}\n" for n in range(9))
    Path("a.csv").write_text("step,reported,applied,reported 1,applied 1\n" + rows)
    document = told("a.csv", "case:halves", "--cases", "mine.yaml")
    assert document["verdict"] == "agree"
    names = [sequence["name"] for sequence in document["sequences"]]
    assert sorted(names) == ["applied", "applied 1", "reported", "reported 1"]


def test_a_trace_that_cannot_be_used_ends_it_with_2():
    table("a.csv", FALLING)
    Path("b.csv").write_text("step,lr\n0,high\n")
    result = called("a.csv", "b.csv")
    assert result.exit_code == 2
    assert result.output == "conform: b.csv:2: 'high' is not a number\n"
    assert not Path("reports/compare/index.html").exists()


@pytest.mark.parametrize(
    "option",
    [
        ("--offset", "99999999999999999999"),
        ("--offset", "1.5"),
        ("--steps-per-epoch", "99999999999999999999"),
        ("--steps-per-epoch", "0"),
        ("--rtol", "nan"),
        ("--atol", "inf"),
        ("--max-ulp", "-1"),
        ("--epochs-in", "third"),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_it_with_2(option):
    table("a.csv", FALLING)
    result = called("a.csv", "a.csv", *option)
    assert result.exit_code == 2
    assert option[0] in result.output


@pytest.mark.parametrize(
    "option",
    [("--offset", str(2**53)), ("--offset", str(-(2**53))), ("--steps-per-epoch", str(2**47))],
    ids=" ".join,
)
def test_the_furthest_alignments_are_no_fault_of_the_suite(option):
    table("a.csv", FALLING)
    assert called("a.csv", "a.csv", *option).exit_code == 1
    assert called("a.csv", "a.csv", *option, "--epochs-in", "first").exit_code == 1


def test_steps_beyond_all_counting_are_refused():
    Path("far.csv").write_text("step,lr\n0,0.1\n4503599627370496,0.05\n")
    assert called("far.csv", "far.csv").exit_code == 0
    assert called("far.csv", "far.csv", "--offset", str(2**53)).exit_code == 1
    result = called("far.csv", "far.csv", "--steps-per-epoch", "3")
    assert result.exit_code == 2
    assert "there are steps beyond 2^53" in result.output


@pytest.mark.parametrize("rates", [[1e308, 1e308, -1e308], [1e-320], [float("inf")]], ids=str)
def test_rates_at_the_end_of_all_numbers_are_compared_without_a_warning(rates):
    table("a.csv", FALLING[:3])
    document = told("a.csv", table("far.csv", rates))  # a warning is an error here
    assert document["verdict"] == "differ"
    assert document["sequences"][0]["diverging"] == len(rates)


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_read():
    Path("taken").write_text("")
    result = called("no.csv", "no.csv", "--report", "taken/below")
    assert result.exit_code == 2
    assert "cannot write the report to taken/below" in result.output


def test_its_output_may_be_cut_short_by_a_pipe():
    table("a.csv", FALLING)
    words = shlex.join(conform_call("compare", "a.csv", "a.csv", "--json"))
    command = f"{words} | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == "{"
    assert "Traceback" not in done.stderr


def test_without_tensorboard_an_event_file_is_refused_with_the_remedy(monkeypatch):
    from harness.traces import event_files

    monkeypatch.setattr(event_files, "find_spec", lambda name: None)
    Path("events.out.tfevents.1").write_bytes(b"")
    result = called("events.out.tfevents.1", table("a.csv", FALLING))
    assert result.exit_code == 2
    assert "pip install 'lr-schedule-conformance[tensorboard]'" in result.output


WRITING = """
import sys
from torch.utils.tensorboard import SummaryWriter
with SummaryWriter("run", max_queue=1) as writer:
    for step in range(40):
        for tag in sys.argv[1:]:
            writer.add_scalar(tag, 0.1 * 0.9**step, step)
"""


def events(*tags: str) -> None:
    """An event file below `run`, written by torch."""
    pytest.importorskip("tensorboard")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", WRITING, *tags]
    subprocess.run(command, check=True, env=environment, capture_output=True)


def compared_events(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: tensorboard warns of what it imports."""
    return conform("compare", *arguments)


@pytest.mark.frameworks
def test_event_files_are_read_by_their_tags(quick_python):
    events("loss", "train/lr")
    table("a.csv", FALLING)
    done = compared_events("a.csv", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "second: run, 40 steps, 0 to 39" in done.stdout
    assert done.stderr == ""


@pytest.mark.frameworks
def test_tags_that_differ_in_a_number_are_groups_and_others_have_to_be_named(quick_python):
    events("lr-SGD/pg1", "lr-SGD/pg2")
    Path("a.csv").write_text(
        "step,lr_0,lr_1\n" + "".join(f"{n},{r!r},{r!r}\n" for n, r in enumerate(FALLING))
    )
    done = compared_events("a.csv", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reported 1: 40 updates" in done.stdout
    events("other/lr")
    done = compared_events("a.csv", "run")
    assert done.returncode == 2
    assert "several tags may be the learning rate; there are: lr-SGD/pg1" in done.stderr
    done = compared_events(table("b.csv", FALLING), "run", "--column", "other/lr")
    assert done.returncode == 0, done.stdout + done.stderr
    done = compared_events("b.csv", "run", "--column", "other/lrs")
    assert done.returncode == 2
    assert "did you mean 'other/lr'?" in done.stderr


def test_an_event_file_that_is_none_is_refused(plain_python):
    pytest.importorskip("tensorboard")
    Path("events.out.tfevents.1").write_bytes(b"nothing of the kind" * 9)
    done = compared_events(table("a.csv", FALLING), "events.out.tfevents.1")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_recorder_is_printed_as_it_is():
    from harness.traces import lr_recorder

    result = CliRunner().invoke(main, ["recorder"])
    assert result.exit_code == 0
    assert result.stdout == Path(lr_recorder.__file__).read_text("utf-8")


def test_help_has_formats_and_examples():
    text = called("--help").output
    for word in ("JSON Lines", "CSV", "TensorBoard", "case:NAME", "Examples:", "Exit codes:"):
        assert word in text
