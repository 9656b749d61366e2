"""`conform compare` with `schedule:CALL` in place of a trace; rates are worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.traces.alignment import Alignment


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(rates: list[float], first: int = 0, name: str = "a.csv") -> str:
    rows = [f"{step},{rate!r}\n" for step, rate in enumerate(rates, first)]
    Path(name).write_text("step,lr\n" + "".join(rows))
    return name


def called(*arguments: str):
    return CliRunner().invoke(main, ["compare", *arguments])


def told(*arguments: str) -> dict:
    result = called(*arguments, "--json")
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


def verdict(*arguments: str) -> str:
    return told(*arguments)["verdict"]


HALVES = "schedule:ExponentialLR(gamma=0.5)"
LISTED = "schedule:nn.exponential_decay_lr(1.0, 0.5, 6, 2, 1)"
BY_EPOCH = [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
"""Halved after each epoch of 2 updates."""
BY_UPDATE = [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125]
TWO = ("--lr", "1", "--steps-per-epoch", "2")


@pytest.mark.parametrize(
    ("call", "options", "rates"),
    [
        ("ExponentialLR(gamma=0.5)", TWO, BY_EPOCH),
        ("ExponentialLR(gamma=0.5)", (*TWO, "--per-step"), BY_UPDATE),
        ("torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)", TWO, BY_EPOCH),
        ("StepLR(step_size=2)", ("--lr", "1"), [1, 1, 0.1, 0.1, 0.01, 0.01]),
        (
            "SequentialLR([ConstantLR(factor=0.5, total_iters=1), ExponentialLR(gamma=0.5)], "
            "milestones=[2])",
            ("--lr", "1"),
            [0.5, 1, 1, 0.5, 0.25],
        ),
        ("LambdaLR(lr_lambda=lambda t: 1 / (1 + t))", ("--lr", "1"), [1, 0.5, 1 / 3, 0.25]),
        ("LinearLR(start_factor=0.5, total_iters=2)", TWO, [0.5, 0.5, 0.75, 0.75, 1, 1, 1]),
        ("ExponentialLR(gamma=args.gamma)", (*TWO, "--set", "args.gamma=0.5"), BY_EPOCH),
        ("nn.ExponentialDecayLR(1.0, 0.5, 2, is_stair=True)", (), BY_EPOCH),
        ("nn.ExponentialDecayLR(1.0, 0.25, 2)", (), BY_UPDATE),
        ("nn.exponential_decay_lr(1.0, 0.5, 6, 2, 1)", (), BY_EPOCH),
        ("nn.piecewise_constant_lr([2, 4, 6], [1.0, 0.5, 0.25])", (), BY_EPOCH),
        ("StepLR(step_size=1, gamma=0.5)", (*TWO, "--from", "mindspore"), BY_EPOCH),
    ],
)
def test_a_trace_has_the_rates_of_a_schedule(call, options, rates):
    assert verdict(table(rates), f"schedule:{call}", *options) == "agree"
    assert verdict(f"schedule:{call}", "a.csv", *options) == "agree"
    table([*rates[:-1], rates[-1] * (1 + 1e-4)])
    document = told("a.csv", f"schedule:{call}", *options)
    assert document["sequences"][0]["diverging"] == 1
    assert document["sequences"][0]["first"]["step"] == len(rates) - 1


def test_it_says_how_the_schedule_is_driven():
    result = called(table(BY_EPOCH), HALVES, *TWO)
    assert result.exit_code == 0
    assert (
        "second: schedule ExponentialLR(gamma=0.5), ExponentialLR, lr 1.0, stepped after each "
        "epoch of 2 updates, 6 steps, 0 to 5" in result.output
    )
    document = told("a.csv", HALVES, *TWO)
    assert document["traces"][1]["stepped"] == "lr 1.0, stepped after each epoch of 2 updates"
    assert document["alignment"]["steps_per_epoch"] == 1
    assert "stepped after each update" in called("a.csv", HALVES, *TWO, "--per-step").output
    cell = "schedule:nn.ExponentialDecayLR(1.0, 0.5, 2, is_stair=True)"
    assert "looked up at each update" in called("a.csv", cell).output


def test_it_is_as_long_as_the_trace_unless_a_length_is_said():
    table(BY_EPOCH[2:], first=2)  # noted from update 2 on
    assert verdict("a.csv", HALVES, *TWO) == "agree"
    document = told("a.csv", HALVES, *TWO, "--epochs", "3")
    assert document["verdict"] == "incomplete"
    assert document["sequences"][0]["hole"] == {"step": 0, "length": 2}
    table(BY_EPOCH)
    assert verdict("a.csv", HALVES, *TWO, "--epochs", "3") == "agree"
    document = told("a.csv", HALVES, *TWO, "--epochs", "5")
    assert document["sequences"][0]["hole"] == {"step": 6, "length": 4}
    document = told("a.csv", HALVES, *TWO, "--steps", "5")
    assert document["sequences"][0]["hole"] == {"step": 5, "length": 1}


def test_a_trace_with_a_hole_in_it_lacks_rates_that_the_schedule_has():
    Path("a.csv").write_text("step,lr\n0,1\n1,0.5\n2,0.25\n7,0.0078125\n8,0.00390625\n")
    document = told("a.csv", HALVES, "--lr", "1")
    assert document["verdict"] == "incomplete"
    assert document["sequences"][0]["hole"] == {"step": 3, "length": 4}


def test_every_third_update_is_enough():
    Path("a.csv").write_text("step,lr\n0,1\n3,0.125\n6,0.015625\n")
    assert verdict("a.csv", HALVES, "--lr", "1") == "agree"


def test_a_list_that_runs_out_before_the_trace_does():
    table([*BY_EPOCH, 0.125, 0.125])
    document = told("a.csv", LISTED)
    assert document["verdict"] == "incomplete"
    assert document["sequences"][0]["hole"] == {"step": 6, "length": 2}
    call = "schedule:nn.piecewise_constant_lr([2, 4, 6], [1.0, 0.5, 0.25])"
    assert told("a.csv", call)["sequences"][0]["hole"] == {"step": 6, "length": 2}


def test_an_offset_counts_updates_with_a_schedule_too():
    late = [1.0, *BY_EPOCH]  # one update late
    table(late)
    assert verdict("a.csv", HALVES, *TWO) == "differ"
    table(BY_EPOCH, first=1)
    assert verdict("a.csv", HALVES, *TWO, "--offset", "-1") == "agree"
    assert verdict(HALVES, "a.csv", *TWO, "--offset", "1") == "agree"
    assert verdict("a.csv", HALVES, *TWO, "--offset", "-100") == "nothing to compare"


def test_a_trace_that_counts_epochs_is_aligned_by_the_same_steps_per_epoch():
    table([1.0, 0.5, 0.25])
    document = told("a.csv", HALVES, *TWO, "--epochs-in", "first")
    assert document["verdict"] == "agree"
    assert document["alignment"] == {"offset": 0, "steps_per_epoch": 2, "epochs_in": "first"}
    assert document["sequences"][0]["compared"] == 6
    assert verdict(HALVES, "a.csv", *TWO, "--epochs-in", "second") == "agree"
    cell = "schedule:nn.ExponentialDecayLR(1.0, 0.5, 2, is_stair=True)"
    options = ("--steps-per-epoch", "2", "--epochs-in", "first")
    assert verdict("a.csv", cell, *options) == "agree"
    # Without stairs the rate moves within the epoch, and the trace's does not.
    assert verdict("a.csv", cell.replace(", is_stair=True", ""), *options) == "differ"


def test_the_epochs_of_the_schedule_are_its_own():
    table(BY_EPOCH)
    assert verdict("a.csv", HALVES, *TWO, "--epochs-in", "second") == "agree"
    result = called("a.csv", HALVES, *TWO, "--epochs-in", "second", "--per-step")
    assert result.exit_code == 2
    assert "the schedule counts updates, and no epochs" in result.output


def test_the_options_under_which_they_match_are_proposed():
    long = [0.5 ** (n // 5) for n in range(60)]
    table(long)
    document = told("a.csv", HALVES, "--lr", "1")
    assert document["proposed"] == {"offset": 0, "steps_per_epoch": 5, "epochs_in": "second"}
    proposed = ("--steps-per-epoch", "5")
    assert f"they match with: {' '.join(proposed)}" in called("a.csv", HALVES, "--lr", "1").output
    assert verdict("a.csv", HALVES, "--lr", "1", *proposed) == "agree"
    document = told(HALVES, "a.csv", "--lr", "1")
    assert document["proposed"] == {"offset": 0, "steps_per_epoch": 5, "epochs_in": "first"}
    assert verdict(HALVES, "a.csv", "--lr", "1", *proposed, "--epochs-in", "first") == "agree"
    table([0.5**n for n in range(12)])
    output = called("a.csv", HALVES, "--lr", "1", *proposed).output
    assert "they match with: --per-step" in output
    assert "they match with: --steps-per-epoch 5 --epochs-in first" in output
    assert verdict("a.csv", HALVES, "--lr", "1", *proposed, "--per-step") == "agree"
    assert verdict("a.csv", HALVES, "--lr", "1", *proposed, "--epochs-in", "first") == "agree"


def test_an_epoch_has_as_many_updates_as_the_trace_says():
    head = {"format": "lr-trace", "version": 1, "steps_per_epoch": 2}
    entries = [{"step": n, "until": n, "reported": [rate]} for n, rate in enumerate(BY_EPOCH)]
    Path("a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (head, *entries)))
    result = called("a.jsonl", HALVES, "--lr", "1")
    assert result.exit_code == 0, result.output
    assert "an epoch has 2 updates, as a.jsonl says" in result.output
    assert verdict("a.jsonl", HALVES, "--lr", "1", "--steps-per-epoch", "3") == "differ"


def test_each_group_has_a_rate_of_its_own_to_start_from():
    rows = "".join(f"{n},{rate},{rate},{4 * rate}\n" for n, rate in enumerate(BY_EPOCH))
    Path("a.csv").write_text("step,reported,applied,reported 1\n" + rows)
    document = told("a.csv", HALVES, *TWO, "--lr", "4")
    assert document["verdict"] == "agree"
    assert {s["name"] for s in document["sequences"]} == {"reported", "applied", "reported 1"}
    assert told("a.csv", HALVES, *TWO)["missing"] == ["reported 1"]
    document = told("a.csv", HALVES, *TWO, "--lr", "2")
    assert document["verdict"] == "differ"
    assert [s["diverging"] for s in document["sequences"]] == [0, 0, 6]


SCRIPT = """\
import torch
from touched import file  # would fail, were it run

optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
other = torch.optim.lr_scheduler.StepLR(optimizer, 2)
"""


def test_the_schedule_of_a_script_which_is_not_run():
    Path("train.py").write_text(SCRIPT)
    table(BY_EPOCH)
    assert verdict("a.csv", "schedule:train.py:5", "--steps-per-epoch", "2") == "agree"
    result = called("a.csv", "schedule:train.py", "--steps-per-epoch", "2")
    assert result.exit_code == 2
    assert "makes 2 schedules; name one by its line: train.py:5, train.py:6" in result.output


def test_a_schedule_is_compared_with_a_case():
    Path("mine.yaml").write_text(
        "format: 1\ncases:\n  - name: halves\n    description: It is halved at each update.\n"
        "    source: by hand\n    family: exponential\n    steps: 3\n"
        "    schedule: {base_lr: 1.0, decay_rate: 0.5, decay_steps: 1}\n"
        "    expected: {values: [1.0, 0.5, 0.25]}\n"
    )
    options = ("--cases", "mine.yaml", "--lr", "1")
    assert verdict("case:halves", HALVES, *options) == "agree"
    assert verdict("case:halves", HALVES.replace("0.5", "0.25"), *options) == "differ"


INJECTED = "__import__('pathlib').Path('touched').write_text('')"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((HALVES, HALVES, "--lr", "1"), "two schedules: one of the two has to be a trace"),
        (("a.csv", HALVES), "give --lr"),
        (("a.csv", "a.csv", "--lr", "1"), "--lr is about a schedule, and neither A nor B is one"),
        (("a.csv", "a.csv", "--per-step"), "--per-step is about a schedule"),
        (("a.csv", "schedule:"), "is no call; as in 'ExponentialLR(gamma=0.9)'"),
        (("a.csv", "schedule:ExponentialLR"), "is no call"),
        (("a.csv", "schedule:ExponentialLR("), "is no Python expression"),
        (("a.csv", "schedule:ExponentalLR(0.9)"), "did you mean 'ExponentialLR'?"),
        (("a.csv", "schedule:ExponentialLR()", "--lr", "1"), "gamma is missing"),
        (("a.csv", "schedule:no.py"), "no.py: cannot be read"),
        (("a.csv", f"schedule:{INJECTED}", "--lr", "1"), "the catalogue has no"),
        (
            ("a.csv", f"schedule:ExponentialLR(gamma={INJECTED})", "--lr", "1"),
            "is not called while reading",
        ),
        (
            ("a.csv", f"schedule:LambdaLR(lr_lambda=lambda t: {INJECTED})", "--lr", "1"),
            "is not called while reading",
        ),
        (("a.csv", "schedule:ReduceLROnPlateau()", "--lr", "1"), "only a training knows"),
        (("a.csv", "schedule:OneCycleLR(max_lr=1, total_steps=3)"), "which torch refuses"),
        (("a.csv", HALVES, "--lr", "1", "--epochs", "3", "--steps", "3"), "say the same"),
        (
            ("a.csv", LISTED, "--steps-per-epoch", "3"),
            "--steps-per-epoch 3: by the call an epoch has 2 updates",
        ),
        (("a.csv", HALVES, "--lr", "1", "--steps", str(10**12)), "50,000,000 are the most"),
        (("far.csv", HALVES, "--lr", "1"), "50,000,000 are the most"),
        (("far.csv", "case:epochs/every-epoch"), "more than 50,000,000"),
        (("a.csv", "schedule:nn.piecewise_constant_lr(5, [0.1])"), "milestone is no list"),
        (("a.csv", "schedule:nn.piecewise_constant_lr(['a'], [0.1])"), "milestone is 'a'"),
        (("a.csv", "schedule:nn.piecewise_constant_lr([2], ['a'])"), "which is no rate"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_compared_is_told_and_ends_it_with_2(arguments, said):
    table(BY_EPOCH)
    Path("far.csv").write_text("step,lr\n0,1\n9007199254740991,1\n")
    result = called(*arguments)
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.output.split())
    assert not Path("touched").exists()


@pytest.mark.parametrize(
    ("alignment", "first", "second"),
    [
        (Alignment(), 9, 9),
        (Alignment(offset=3), 9, 12),
        (Alignment(steps_per_epoch=4), 11, 2),
        (Alignment(steps_per_epoch=4, epochs_in="first"), 2, 11),
        (Alignment(offset=-1, steps_per_epoch=4, epochs_in="first"), 2, 10),
    ],
)
def test_the_last_steps_belong_together(alignment, first, second):
    assert alignment.reach(first, 0) == second
    assert alignment.reach(second, 1) == first
