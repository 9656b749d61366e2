"""`conform migrate` as people call it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from harness.cli import main


def conform(*words):
    return CliRunner().invoke(main, ["migrate", *words])


LENGTH = ("--lr", "0.1", "--epochs", "3", "--steps-per-epoch", "2")


SCRIPTS = {
    "step_first.py": (
        """\
import torch
net = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
for epoch in range(8):
    scheduler.step()
    for batch in range(3):
        optimizer.step()
""",
        "step_first.py:6: `scheduler.step()` comes before the updates of its epoch (line 8)",
    ),
    "product_of_two.py": (
        """\
import torch
net = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
smooth = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
stairs = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)
for epoch in range(8):
    optimizer.step()
    smooth.step()
    stairs.step()
""",
        "step_size=4, g...` acts on the same optimizer too",
    ),
    "configure.py": (
        """\
import torch
def configure(net):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.2)
    return {"optimizer": optimizer, "s": torch.optim.lr_scheduler.StepLR(optimizer, 3)}
""",
        "configure.py:2: `configure` returns the schedule to a caller that is not in the file",
    ),
    "writes.py": (
        """\
import torch
net = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
for epoch in range(8):
    for batch in range(3):
        optimizer.step()
    scheduler.step()
    for group in optimizer.param_groups:
        group["lr"] = max(group["lr"], 0.01)
""",
        "writes.py:10: `group['lr']` may change the rates",
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_else_a_script_does_comes_first_and_exits_with_1(tmp_path, monkeypatch, name):
    text, said = SCRIPTS[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(f"{text}raise SystemExit('it was run')\n", encoding="utf-8")
    words = (name, "--epochs", "8", "--steps-per-epoch", "3", "--no-verify")
    result = conform(*words)
    first, *others = result.output.splitlines()
    assert result.exit_code == 1
    assert first == "The script's learning rates are not those of this call alone, or may not be:"
    assert any(said in other for other in others[:3])
    as_json = conform(*words, "--json")
    assert as_json.exit_code == 1
    migration = json.loads(as_json.stdout)[0]
    assert any(said in difference for difference in migration["differences"])
    assert not migration["proven"]
    for form in migration["forms"]:
        comments = [line for line in form["code"].splitlines() if line.startswith("# not in this")]
        assert any(said in comment for comment in comments)
        compile(form["code"], "code", "exec")


@pytest.mark.frameworks
def test_a_script_that_does_more_is_not_proven_by_a_form_that_conforms(tmp_path, quick_python):
    path = tmp_path / "train.py"
    path.write_text(SCRIPTS["step_first.py"][0], encoding="utf-8")
    result = conform(str(path), "--epochs", "8", "--steps-per-epoch", "3")
    assert result.exit_code == 1
    assert result.output.startswith("The script's learning rates are not those of this call alone")
    assert result.output.splitlines()[-1].startswith("this is not the script's schedule")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("AdamW(net.parameters(), lr=0.2)", "AdamW(net.parameters(), lr=0.2)"),
        ("SGD(net.parameters(), lr=0.2, momentum=0.9)", "momentum=0.9"),
        ("SGD([{'params': a}, {'params': b}], lr=0.2)", "[{'params': a}, {'params': b}]"),
        ("SGD(net.parameters(), lr=0.2)", ""),
    ],
)
def test_an_optimizer_that_is_not_the_plain_one_of_the_code_is_said(tmp_path, made, said):
    path = tmp_path / "train.py"
    text = SCRIPTS["step_first.py"][0].replace("SGD(net.parameters(), lr=0.2)", made)
    path.write_text(text, encoding="utf-8")
    lines = conform(str(path), "--epochs", "8", "--steps-per-epoch", "3", "--no-verify").output
    found = [line for line in lines.splitlines() if "the script's optimizer is" in line]
    assert all(said in line for line in found)
    assert bool(found) is bool(said)


def test_help_has_examples_and_exit_codes():
    text = conform("--help").output
    assert "conform migrate 'ExponentialLR(gamma=0.9)' --lr 0.1" in text
    assert "train.py:12" in text and "Exit codes" in text and "--json" in text


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "give a CALL, or --case"),
        (("StepLR(3)", "--case", "epochs/every-epoch"), "give a CALL, or --case"),
        (("StepLR(3)", "--steps", "5", "--epochs", "5"), "give one of them"),
        (("StepLR(3)", "--lr", "0", "--steps", "5"), "--lr"),
        (("StepLR(3)", "--lr", "0.1", "--steps", "0"), "--steps"),
        (("StepLR(k)", *LENGTH, "--set", "k"), "--set k"),
        (("StepLR(k)", *LENGTH, "--set", "k=open"), "--set k=open"),
        (("StepLR(k)", *LENGTH), "--set k=VALUE"),
        (("StepLR(3)", "--lr", "0.1"), "how long is the training"),
        (("--case", "no/such"), "no case fits"),
        (("none.py", *LENGTH), "cannot be read"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_to_do(words, what):
    result = conform(*words)
    assert result.exit_code == 2
    assert what in result.output


def test_without_verifying_the_forms_are_printed_and_said_to_be_unverified():
    result = conform("StepLR(3)", *LENGTH, "--no-verify")
    assert result.exit_code == 0
    assert "nn.exponential_decay_lr(" in result.output
    assert "the forms are not verified" in result.output
    assert "recommended" not in result.output


def test_a_file_of_which_a_part_cannot_be_read_is_translated_as_far_as_it_can_be(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(
        "from torch.optim.lr_scheduler import ExponentialLR\n"
        "one = ExponentialLR(optimizer, gamma=0.9)\n"
        "other = ExponentialLR(optimizer, gamma=args.gamma)\n",
        encoding="utf-8",
    )
    result = conform(str(path), *LENGTH, "--no-verify")
    assert result.exit_code == 2
    assert "decay_rate=0.9" in result.output
    assert f"{path}:3: gamma: `args.gamma` is not known" in result.output
    one = conform(f"{path}:2", *LENGTH, "--no-verify")
    assert one.exit_code == 1
    assert one.output.startswith("The script's learning rates are not those of this call alone")
    assert f"{path}:3: `ExponentialLR(optimizer, gamma=args.gamma)` acts on the same" in one.output


@pytest.mark.frameworks
def test_json_holds_the_code_and_what_was_verified(quick_python):
    result = conform("StepLR(2)", *LENGTH, "--json")
    assert result.exit_code == 0
    (migration,) = json.loads(result.stdout)
    assert migration["proven"] and migration["original"]["updates"] == 6
    assert migration["original"]["verified"]["verdict"] == "conforms"
    recommended = migration["forms"][migration["recommended"]]
    assert recommended["kind"] == "list" and "nn.exponential_decay_lr(" in recommended["code"]
    for form in migration["forms"]:
        assert form["verified"]["conforms"]
        for name in ("reported", "applied"):
            assert form["verified"]["sequences"][name]["updates"] == 6


@pytest.mark.frameworks
def test_a_case_is_written_anew_in_another_mode(quick_python):
    result = conform("--case", "epochs/every-epoch", "--target", "cpu/pynative")
    assert result.exit_code == 0
    assert "cpu/pynative" in result.output and "cpu/graph" not in result.output


@pytest.mark.frameworks
def test_a_device_that_is_not_there_exits_with_3(quick_python):
    result = conform("StepLR(2)", *LENGTH, "--target", "abacus")
    assert result.exit_code == 3
    assert "none of the forms can be tried on abacus" in result.output


@pytest.mark.parametrize(
    ("call", "steps", "said"),
    [
        ("ExponentialLR(0.9)", 10**12, "50,000,000 are the most that fit into memory"),
        ("LambdaLR(lr_lambda=lambda t: 0.9**t)", 10**7 + 1, "10,000,000 are the most"),
        ("nn.piecewise_constant_lr(5, [0.1])", 5, "milestone is no list of updates"),
        ("nn.piecewise_constant_lr([2.5], [0.1])", 2, "where a whole number above 0 is due"),
        ("nn.piecewise_constant_lr([2], ['a'])", 2, "which is no rate"),
        ("", 5, "is no call"),
    ],
)
def test_what_no_training_has_is_refused(call, steps, said):
    result = conform(call, "--lr", "0.1", "--steps", str(steps), "--no-verify")
    assert result.exit_code == 2, result.output
    assert said in result.output


def test_a_rate_that_the_call_does_not_ask_for_is_told():
    call = "nn.ExponentialDecayLR(0.1, 0.9, 5)"
    said = "--lr 0.2 counts for nothing: the rates are those of the call"
    assert said in conform(call, "--lr", "0.2", "--steps", "5", "--no-verify").output
    assert said not in conform(call, "--lr", "0.1", "--steps", "5", "--no-verify").output
