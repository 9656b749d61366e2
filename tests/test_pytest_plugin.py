"""pytest in the root runs the same trials, one item each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.report.reading import read

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.frameworks
quick = pytest.mark.usefixtures("quick_python")
PAGE = "cases/exponential/mapping_page.yaml"
GOOD = (
    "format: 1\ncases:\n"
    "  - name: good\n    description: d\n    source: by hand\n    family: exponential\n"
    "    schedule: {base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}\n    steps: 3\n"
    "    expected: {values: [0.5, 0.25, 0.125]}\n"
    "    implementations: [torch.optim.lr_scheduler.ExponentialLR]\n"
)


def run(*arguments):
    done = subprocess.run(
        # Of an interpreter that is forked: plugins have been imported before pytest asks for them.
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
            *("-W", "ignore:Module already imported", *map(str, arguments)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@quick
def test_a_case_can_be_typed_and_its_report_is_written(tmp_path):
    name = "page/ExponentialDecayLR/formula::mindspore.nn.ExponentialDecayLR"
    code, text = run(f"{PAGE}::{name}", "--report", tmp_path, "-q")
    assert code == 0, text
    assert "1 passed" in text
    assert (tmp_path / "report.json").exists()


@quick
def test_known_divergences_are_expected_failures_and_k_selects(tmp_path):
    code, text = run(PAGE, "-k", "verbose or printed", "--report", tmp_path, "-q", "-rx")
    assert code == 0, text
    assert "3 passed, 5 deselected, 1 xfailed" in text
    assert "page-promises-verbose" in text


@quick
def test_a_failure_is_readable_on_its_own(tmp_path):
    case = tmp_path / "late.yaml"
    case.write_text(
        "format: 1\ncases:\n"
        "  - name: late\n    description: d\n    source: by hand\n    family: exponential\n"
        "    schedule: {base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}\n    steps: 3\n"
        "    expected: {values: [0.5, 0.25, 0.125]}\n"
        "    implementations: [torch.optim.lr_scheduler.StepLR]\n"
        "    arguments: {torch.optim.lr_scheduler.StepLR: {step_size: 2}}\n"
    )
    code, text = run("-p", "harness.pytest_plugin", case, "--report", tmp_path)
    assert code == 1, text
    for part in (
        "diverges  late::torch.optim.lr_scheduler.StepLR::torch/cpu/eager",
        "late.yaml:3",
        "call: StepLR(optimizer, step_size=2, gamma=0.5)",
        "reported rate at step 1: expected 0.25, observed 0.5, error 0.25, allowed",
        "diagnosis: ",
        "to see it: conform explain late torch.optim.lr_scheduler.StepLR --target torch/cpu/eager",
    ):
        assert part in text


def test_a_bad_file_is_a_collection_error_with_its_line(tmp_path):
    case = tmp_path / "bad.yaml"
    case.write_text("format: 1\ncases:\n  - name: x\n    sauce: y\n")
    code, text = run("-p", "harness.pytest_plugin", case)
    assert code == 2, text
    assert "bad.yaml:3: cases[0]: neither a known family nor a surface" in text


@pytest.mark.parametrize(
    ("make", "telling"),
    [
        (lambda folder: (folder / "X.YAML").write_text(""), "X.YAML:1: not read, since its name"),
        (lambda folder: os.mkfifo(folder / "b.yaml"), "b.yaml:1: a named pipe, not a file"),
        (lambda folder: (folder / "up").symlink_to(".."), "up:1: a link to a folder that holds it"),
        (lambda folder: (folder / "bare").mkdir(), "bare:1: no *.yaml below"),
        (lambda folder: (folder / "c.yaml").symlink_to("gone"), "c.yaml:1: a link to gone, which"),
    ],
)
def test_what_pytest_would_pass_over_ends_the_collection(make, telling, tmp_path):
    folder = tmp_path / "cases"
    folder.mkdir()
    (folder / "a.yaml").write_text(GOOD)
    make(folder)
    code, text = run("-p", "harness.pytest_plugin", folder)
    assert code == 2, text
    assert telling in text
    assert "remedy: " in text


@quick
def test_a_file_that_several_links_lead_to_is_collected_once(tmp_path):
    folder = tmp_path / "cases"
    folder.mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.yaml").write_text(GOOD)
    (folder / "b.yaml").symlink_to("../there/a.yaml")
    (folder / "link").symlink_to("../there")
    code, text = run("-p", "harness.pytest_plugin", folder, "--report", tmp_path / "report", "-q")
    assert code == 0, text
    assert "1 passed" in text


@quick
def test_with_xdist_the_trials_are_shared_out_and_one_report_is_written(tmp_path):
    code, text = run(PAGE, "-n", "2", "-q", "-k", "page", "--report", tmp_path)
    assert code == 0, text
    assert "8 passed, 1 xfailed" in text
    assert f"report: {tmp_path / 'index.html'}" in text
    report = read(tmp_path)
    assert len(report.trials) == 9
    assert {each.name for each in report.environments} == {"torch", "mindspore"}


@quick
def test_environments_and_devices_are_chosen_as_in_a_run(tmp_path):
    declared = tmp_path / "environments.yaml"
    declared.write_text(
        "format: 1\nenvironments:\n  - name: torch-again\n    framework: torch\n"
        f"    interpreter: {sys.executable}\n"
    )
    there = ["--environments", declared, "--environment", "torch*", "--device", "cpu"]
    code, text = run(PAGE, *there, "-k", "ExponentialLR", "--report", tmp_path / "report", "-q")
    assert code == 0, text
    report = read(tmp_path / "report")
    assert {trial.environment for trial in report.trials} == {"torch", "torch-again"}
    assert report.selection["devices"] == ["cpu"]


@quick
@pytest.mark.parametrize(
    ("given", "telling"),
    [
        (("--environment", "jax"), "conform: no environment fits 'jax'"),
        (("--device", "gpu-of-mine"), "conform: no device fits 'gpu-of-mine'"),
    ],
)
def test_an_environment_or_a_device_that_there_is_not_is_wrong_usage(tmp_path, given, telling):
    code, text = run(PAGE, *given, "--report", tmp_path)
    assert code == 2, text
    assert telling in text
    assert text.count("ERROR collecting") == 1
