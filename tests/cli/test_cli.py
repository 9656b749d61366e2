"""The command line, with the real frameworks where a test says so."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.command import HALVING, REAL, conform, without, written
from helpers.fake_workers import spec

from harness.cli import main

pytestmark = pytest.mark.usefixtures("plain_python")
ROOT = Path(__file__).parents[2]
API = "torch.optim.lr_scheduler.ExponentialLR"

SMALL = "cases/exponential/steps.yaml"
GOOD = "format: 1\ncases:\n" + HALVING


def test_help_names_every_command_and_the_exit_codes():
    text = CliRunner().invoke(main, ["--help"]).output
    for command in ("run", "check", "list", "explain", "doctor", "schema"):
        assert command in text
    assert "nothing could be run" in text


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


def test_check_and_list_accept_the_suites_own_cases_and_import_no_framework():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from harness.cli import main\n"
        f"for command in (['check', {str(ROOT / 'cases')!r}], ['list', 'implementations'], "
        f"['list', 'cases', {str(ROOT / 'cases')!r}]):\n"
        "    done = CliRunner().invoke(main, command)\n"
        "    assert done.exit_code == 0, command\n"
        "    if command[0] == 'check':\n"
        "        assert done.output.startswith('valid: '), done.output\n"
        "assert not {'torch', 'mindspore'} & set(sys.modules)\n"
    )
    subprocess.run([REAL, "-c", code], check=True, timeout=60)


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
        (["run", SMALL, "--implementation", "torch.ExponentialLr"], "no implementation fits"),
        (["run", SMALL, "--family", "exponentiel"], "did you mean 'exponential'?"),
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
        main, ["run", str(path), "--report", str(report), "--time-limit", "1"]
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


@pytest.mark.parametrize("selected", [[], ["--target", "torch/*"]])
@pytest.mark.parametrize(
    ("adapter", "code", "telling"),
    [
        ("broken", 1, "there: crashed, its trials were not run: RuntimeError: the driver is too"),
        ("missing", 0, "there: unavailable, its trials were not run: ModuleNotFoundError"),
    ],
)
def test_a_broken_framework_fails_the_run_even_if_none_of_its_trials_is_selected(
    adapter, code, telling, selected, monkeypatch, tmp_path, plain_python
):
    specs = [spec(), spec(adapter, "there")]
    monkeypatch.setattr("harness.workers.default_environments", lambda: specs)
    path = written(tmp_path, f"{GOOD}    implementations: [{API}]\n")
    done = CliRunner().invoke(main, ["run", str(path), *selected, "--report", str(tmp_path / "r")])
    assert done.exit_code == code, done.output
    assert telling in done.output
    trials = json.loads((tmp_path / "r" / "report.json").read_text())["trials"]
    assert len(trials) == (1 if selected else 2)


def test_an_unexpected_fault_of_the_suite_has_its_own_exit_code(monkeypatch):
    monkeypatch.setattr("harness.listing.implementations", lambda: 1 / 0)
    done = CliRunner().invoke(main, ["list", "implementations"])
    assert done.exit_code == 70


def test_without_any_framework_nothing_can_be_run(tmp_path):
    path = written(tmp_path, GOOD)
    env = without(tmp_path, "torch", "mindspore")
    done = conform("run", path, "--report", tmp_path / "out", env=env)
    assert done.returncode == 3
    assert "torch is not installed" in done.stderr
    assert not (tmp_path / "out/report.json").exists()
    assert conform("doctor", env=env).returncode == 3
