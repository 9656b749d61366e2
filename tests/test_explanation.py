"""`conform explain`, on a fake framework."""

from __future__ import annotations

import sys

import pytest
import yaml
from click.testing import CliRunner
from helpers.fake_workers import FAKES, spec

from harness.cli import main
from harness.workers import EnvironmentSpec, Workers

API = "torch.optim.lr_scheduler.ExponentialLR"


@pytest.fixture
def explain(tmp_path, plain_python, monkeypatch):
    monkeypatch.setattr("harness.project.RECORDS", tmp_path / "none")
    monkeypatch.setattr("harness.workers.default_environments", lambda: [spec()])

    def run(*arguments, behaviour="exact", steps=4):
        path = tmp_path / "case.yaml"
        path.write_text(
            "format: 1\ncases:\n  - name: halves\n    description: The rate halves.\n"
            "    source: by hand\n    family: exponential\n"
            "    schedule: {base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}\n"
            f"    steps: {steps}\n    expected: {{values: {{0: 0.5, 1: 0.25, 2: 0.125}}}}\n"
            f"    implementations: [{API}, torch.optim.lr_scheduler.StepLR]\n"
            f"    arguments: {{{API}: {{behaviour: {behaviour}}}}}\n"
            "  - name: shape\n    description: The signature.\n    source: by hand\n"
            f"    surface: {{{API}: {{lacks: [verbose]}}}}\n"
            "  - name: both\n    description: The rate halves.\n    source: by hand\n"
            "    family: exponential\n    steps: 2\n    expected: {values: [0.5, 0.25]}\n"
            "    schedule: {base_lr: 0.5, decay_rate: 0.5, decay_steps: 1}\n"
            f"    implementations: [{API}, mindspore.nn.exponential_decay_lr]\n"
        )
        return CliRunner().invoke(main, ["explain", *arguments, "--cases", str(path)])

    return run


def test_it_shows_the_call_and_a_row_for_each_step(explain):
    text = explain("halves", API).output
    assert "schedule: exponential(base_lr=0.5, decay_rate=0.5, decay_steps=1)" in text
    assert "ExponentialLR on torch/cpu/eager: conforms" in text
    assert "SGD(..., lr=0.5); ExponentialLR(optimizer, gamma=0.5" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["2", "0.125", "0.125", "0.125", "0.00", "0", "0.0%"] in rows
    assert ["3", "0.0625", "0.0625", "0.00", "0", "0.0%"] in rows


def test_it_points_at_the_steps_that_are_not_as_due(explain):
    text = explain("halves", API, behaviour="wrong once").output
    wrong = [line for line in text.splitlines() if line.endswith("<- not as due")]
    assert [line.split()[0] for line in wrong] == ["2", "2"]
    assert "diverges" in text


def test_it_says_which_arguments_replace_what_the_schedule_says(explain):
    assert f"but {API} is given behaviour='exact', whatever" in explain("halves", API).output
    assert "is given" not in explain("both", API).output


def test_it_says_how_a_divergence_is_put_on_record(explain):
    text = explain("halves", API, behaviour="wrong once").output
    (line,) = [line for line in text.splitlines() if "its observed:" in line]
    assert set(yaml.safe_load(line.partition("its observed:")[2])) == {"values"}
    assert "its observed:" not in explain("halves", API).output


def test_it_shows_warnings_and_output(explain):
    text = explain("halves", API, behaviour="chatty").output
    assert "warned: DeprecationWarning: mind the step" in text
    assert "| said to stderr" in text


def test_a_long_table_keeps_its_ends_and_says_what_it_left_out(explain):
    text = explain("halves", API, steps=300).output
    reported = text.split("reported rate")[1].split("applied rate")[0].splitlines()
    shown = [int(line.split()[0]) for line in reported if line[:1].isdigit()]
    assert (shown[0], shown[-1]) == (0, 299)
    assert f"({300 - len(shown)} steps left out)" in text


def test_script_prints_the_script_and_nothing_else(explain):
    done = explain("halves", "StepLR", "--script")
    assert done.exit_code == 0
    assert done.output.startswith("import torch\n")
    compile(done.output, "script", "exec")


def test_without_an_implementation_every_trial_is_shown(explain):
    text = explain("halves").output
    assert "ExponentialLR on torch/cpu/eager" in text
    assert "StepLR on torch/cpu/eager" in text


@pytest.mark.parametrize(
    ("arguments", "telling"),
    [
        (("halves", "StepLr"), "did you mean"),
        (("halves", "exponential_decay_lr"), "its implementations are: torch"),
        (("halves", "--target", "cuda"), "no trial of 'halves' fits"),
        (("half",), "no case fits 'half'"),
    ],
)
def test_what_fits_nothing_is_said(explain, arguments, telling):
    done = explain(*arguments)
    assert done.exit_code == 2
    assert telling in done.output


def test_a_framework_that_is_not_there_is_said(explain, monkeypatch):
    missing = EnvironmentSpec("torch", "torch", adapter=FAKES / "missing_adapter.py")
    monkeypatch.setattr("harness.workers.default_environments", lambda: [missing])
    text = explain("halves", API).output
    assert "unavailable" in text
    assert "ModuleNotFoundError: import of torch halted" in text
    done = explain("halves", API, "--script")
    assert (done.exit_code, "cannot run here" in done.output) == (3, True)


@pytest.fixture
def started(monkeypatch):
    """The names of the environments that are started, of two with a fake each."""
    specs = [spec(), EnvironmentSpec("mindspore", "mindspore", None, FAKES / "fake_adapter.py")]
    monkeypatch.setattr("harness.workers.default_environments", lambda: specs)
    names, start = [], Workers._start

    def noted(self, spec, *arguments):
        names.append(spec.name)
        return start(self, spec, *arguments)

    monkeypatch.setattr(Workers, "_start", noted)
    return names


@pytest.mark.parametrize(
    ("arguments", "due"),
    [
        (("halves",), ["torch"]),
        (("halves", "--target", "torch/*"), ["torch"]),
        (("halves", "--target", "*/cpu/eager"), ["torch"]),
        (("halves", "--target", "t*"), ["torch"]),
        (("halves", "--target", "mindspore/cpu/graph"), []),
        (("halves", "exponential_decay_lr"), []),
        (("halves", "StepLr"), []),
        (("both",), ["torch", "mindspore"]),
        (("both", "ExponentialLR"), ["torch"]),
        (("both", "mindspore.nn.*"), ["mindspore"]),
        (("both", "--target", "mindspore/cpu/*", "--script"), ["mindspore"]),
    ],
)
def test_no_framework_is_started_in_vain(explain, started, arguments, due):
    explain(*arguments)
    assert started == due


@pytest.fixture
def again(tmp_path):
    """A file that declares the torch beside the suite once more, by another name."""
    path = tmp_path / "environments.yaml"
    path.write_text(
        "format: 1\nenvironments:\n  - name: torch-again\n    framework: torch\n"
        f"    interpreter: {sys.executable}\n"
    )
    return str(path)


@pytest.mark.frameworks
@pytest.mark.usefixtures("quick_python")
@pytest.mark.parametrize(
    "named", [("--target", "torch-again/cpu/eager"), ("--environment", "torch-a*")]
)
def test_a_declared_environment_is_started_when_it_is_named(again, named):
    arguments = ["explain", "epochs/every-epoch", API, *named, "--environments", again]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "ExponentialLR on torch-again/cpu/eager: conforms" in done.output


def test_an_environment_that_nobody_declared_is_said(again):
    arguments = ["explain", "epochs/every-epoch", "--target", "jax/cpu/eager"]
    done = CliRunner().invoke(main, [*arguments, "--environments", again])
    assert done.exit_code == 2
    assert "no environment fits 'jax'; there are: mindspore, torch, torch-again" in done.output
