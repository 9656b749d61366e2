"""From calls to schedules: in texts, in Python files, in cases; and what cannot be read."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest
from helpers.calls import MINDSPORE, TORCH
from helpers.making import schedule_case

from harness.errors import Untranslatable
from harness.reference import Cosine, Exponential, Sequential
from harness.translation.reading import Length, of_case, read
from harness.translation.source import in_file, in_text

LENGTH = Length(84, 7, per_step=False)


def schedule(text, lr=0.1, length=LENGTH, framework=None, given=None):
    return read(in_text(text, given or {}, framework), length, lr).schedule


@pytest.mark.parametrize("call", TORCH)
def test_a_torch_call_is_read_with_and_without_its_optimizer(call):
    name, _, rest = call.partition("(")
    if "ChainedScheduler" not in call:
        assert schedule(f"{name}(optimizer, {rest}") == schedule(call)


@pytest.mark.parametrize("call", MINDSPORE)
def test_a_call_of_mindspore_is_read(call):
    original = read(in_text(call, {}, "mindspore"), LENGTH, 0.1)
    assert original.framework == "mindspore"
    assert np.isfinite(original.schedule.rates(np.arange(84), 7)).all()


def test_a_list_function_says_itself_how_long_the_training_is():
    call = "nn.exponential_decay_lr(0.1, 0.9, 84, 7, 1)"
    original = read(in_text(call, {}), Length(None, 1, per_step=False), None)
    assert (original.training.updates, original.training.steps_per_epoch) == (84, 7)


def test_a_scheduler_counts_epochs_or_with_per_step_updates():
    assert schedule("ExponentialLR(0.9)").per_epoch
    assert not schedule("ExponentialLR(0.9)", length=Length(84, 7, per_step=True)).per_epoch


def test_positional_arguments_and_defaults_are_those_of_the_signature():
    read_ = schedule("CosineAnnealingLR(opt, 12)")
    assert isinstance(read_, Cosine) and read_.periodic and read_.eta_min == 0.0


def test_a_function_is_worked_out_without_being_run():
    rates = schedule("LambdaLR(lambda e: min(1.0, (e + 1) / 4) * math.cos(0.1 * e))")
    exact = [0.1 * min(1.0, (e + 1) / 4) * np.cos(0.1 * e) for e in range(12)]
    assert np.allclose(rates.rates(np.arange(12), 1), exact, rtol=1e-15)


def test_the_name_of_a_module_tells_whose_scheduler_it_is():
    assert in_text("experimental.optim.lr_scheduler.StepLR(3)", {}).framework == "mindspore"
    assert in_text("optim.lr_scheduler.StepLR(3)", {}).framework == "torch"
    assert in_text("StepLR(3)", {}, "mindspore").framework == "mindspore"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1 + 1", "is no call"),
        ("StepLR(3", "no Python expression"),
        ("StepLr(3)", "did you mean 'StepLR'"),
        ("StepLR(2.5)", "valid integer"),
        ("StepLR(args.size)", "--set args.size=VALUE"),
        ("StepLR(size())", "not called while reading"),
        ("StepLR(3, last_epoch=7)", "from its beginning"),
        ("LinearLR(start_factor=0.0)", "start_factor must be above 0"),
        ("LambdaLR(lr_lambda=warm)", "would have to be run"),
        ("LambdaLR(lambda e: __import__('os').system('true'))", "not called while reading"),
        ("LambdaLR(lambda e: open('/etc/passwd').read())", "not called while reading"),
        ("LambdaLR(lambda e: 9**9**9**9)", "too large a power"),
        ("LambdaLR(lambda e: 1 / e)", "division by zero"),
        ("LambdaLR(lambda e: 10.0 ** 400)", "gives"),
        ("LambdaLR(lambda e: [e])", "which is no number"),
        ("LambdaLR(lambda a, b: a)", "one argument"),
        ("LambdaLR([lambda e: e, lambda e: 1])", "would have to be run"),
        ("CyclicLR(0.1, 1.0, scale_fn=f)", "scale_fn"),
        ("CyclicLR([0.1, 0.2], 1.0)", "one parameter group at a time"),
        ("OneCycleLR(0.1, total_steps=6)", "which torch refuses"),
        ("OneCycleLR(0.1)", "total_steps"),
        ("SequentialLR([ExponentialLR(0.9)], milestones=[1])", "one milestone fewer"),
        ("SequentialLR(parts, milestones=[1])", "no list that is written out"),
        ("SequentialLR([ExponentialLR(0.9), ReduceLROnPlateau()], [1])", "as a part"),
        ("SequentialLR([ExponentialLR(0.9), other], [1])", "no scheduler of the catalogue"),
        ("train.LearningRateScheduler(f)", "code of the user's own"),
        ("nn.exponential_decay_lr(0.1, 0.9, 84, 0, 1)", "whole number above 0"),
        ("nn.WarmUpLR(float('nan'), 4)", "no rate"),
        ("(" * 300 + "1" + ")" * 300, "is no"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_reason(text, what):
    with pytest.raises(Untranslatable, match=what.replace("(", r"\(").replace("*", r"\*")):
        schedule(text)


def test_a_rate_or_a_length_that_is_not_known_is_asked_for():
    with pytest.raises(Untranslatable, match="give --lr"):
        schedule("StepLR(3)", lr=None)
    with pytest.raises(Untranslatable, match="how long is the training"):
        schedule("StepLR(3)", length=Length(None, 1, per_step=False))


def test_a_name_that_is_given_stands_for_its_value():
    assert schedule("ExponentialLR(args.gamma)", given={"args.gamma": 0.5}).decay_rate == 0.5


SCRIPT = """\
import torch
from torch import optim
from torch.optim import lr_scheduler as sched
from torch.optim.lr_scheduler import LambdaLR, LinearLR, SequentialLR

raise SystemExit("this file is never run")
LR = 0.2
WARMUP, EPOCHS = 4, 12


def warm(epoch):
    if epoch < WARMUP:
        return (epoch + 1) / WARMUP
    done = (epoch - WARMUP) / (EPOCHS - WARMUP)
    return 1 - done


def main(args):
    optimizer = optim.SGD(make().parameters(), lr=LR, momentum=0.9)
    warmup = LinearLR(optimizer, start_factor=0.1, total_iters=WARMUP)
    cosine = sched.CosineAnnealingLR(optimizer, T_max=EPOCHS - WARMUP)
    scheduler = SequentialLR(
        optimizer, schedulers=[warmup, cosine], milestones=[WARMUP]
    )
    other = sched.ExponentialLR(optimizer, gamma=args.gamma)
    third = LambdaLR(optimizer, lr_lambda=warm)
    for epoch in range(EPOCHS):
        for batch in batches:
            optimizer.step()
            third.step()
        scheduler.step()
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def test_the_schedulers_of_a_file_are_found_without_the_parts_of_others(script):
    found = in_file(script, None, {})
    assert [written.node.lineno for written in found] == [22, 25, 26]


def test_names_and_the_optimizers_rate_are_those_of_the_file(script):
    sequential = read(in_file(script, 22, {})[0], LENGTH, None).schedule
    assert isinstance(sequential, Sequential)
    assert sequential.base_lr == 0.2 and sequential.milestones == [4]
    assert [part.family for part in sequential.parts] == ["linear", "cosine"]


def test_any_line_of_a_call_picks_it(script):
    assert in_file(script, 23, {})[0].node.lineno == 22


def test_a_line_without_a_schedule_names_those_with_one(script):
    with pytest.raises(Untranslatable, match=r"train.py:2: no schedule.*22, 25, 26"):
        in_file(script, 2, {})


def test_what_is_not_literal_is_said_with_its_line_and_what_to_pass(script):
    (written,) = in_file(script, 25, {})
    with pytest.raises(Untranslatable, match=r"train.py:25: gamma: .*--set args.gamma=VALUE"):
        read(written, LENGTH, None)
    (written,) = in_file(script, 25, {"args.gamma": 0.5})
    assert read(written, LENGTH, None).schedule == Exponential(
        base_lr=0.2, decay_rate=0.5, decay_epochs=1
    )


def test_a_function_of_the_file_is_read_with_its_constants(script):
    (written,) = in_file(script, 26, {})
    original = read(written, LENGTH, None)
    assert original.schedule.factors[:5] == (0.25, 0.5, 0.75, 1.0, 1.0)
    assert "WARMUP = 4" in original.schedule.source


def test_a_step_in_the_inner_loop_is_a_difference_unless_it_was_said(script):
    (written,) = in_file(script, 26, {})
    assert any("--per-step" in each for each in read(written, LENGTH, None).differences)
    told = read(written, Length(84, 7, per_step=True), None)
    assert not any("--per-step" in each for each in told.differences)
    told = read(in_file(script, 22, {})[0], LENGTH, None)
    assert not any("--per-step" in each for each in told.differences)


def file(tmp_path, text):
    path = tmp_path / "script.py"
    path.write_text(dedent(text), encoding="utf-8")
    return path


def test_a_name_assigned_anew_is_not_known_and_the_lines_say_why(tmp_path):
    path = file(
        tmp_path,
        """
        from torch.optim.lr_scheduler import ExponentialLR
        gamma = 0.5
        first = ExponentialLR(opt, gamma)
        gamma = 0.9
        second = ExponentialLR(opt, gamma)
        """,
    )
    for written in in_file(path, None, {}):
        with pytest.raises(Untranslatable, match=r"line 3 has `gamma = 0.5`; line 5 has `gamma = "):
            read(written, LENGTH, 0.1)


def test_a_parameter_of_the_function_hides_the_modules_name(tmp_path):
    path = file(
        tmp_path,
        """
        from torch.optim.lr_scheduler import ExponentialLR
        gamma = 0.5
        def make(opt, gamma):
            return ExponentialLR(opt, gamma)
        """,
    )
    with pytest.raises(Untranslatable, match="line 4 has `gamma` as a parameter"):
        read(in_file(path, None, {})[0], LENGTH, 0.1)


def test_a_class_of_the_same_name_from_elsewhere_is_no_scheduler(tmp_path):
    path = file(tmp_path, "from mine import StepLR\nStepLR(opt, 3)\n")
    with pytest.raises(Untranslatable, match="no schedule of the catalogue"):
        in_file(path, None, {})


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"def f(:\n", "is no Python"), (b"\xff\xfe\x00", "is no Python"), (b"", "no schedule")],
)
def test_files_that_are_no_scripts_are_said_to_be_so(tmp_path, content, what):
    path = tmp_path / "bad.py"
    path.write_bytes(content)
    with pytest.raises(Untranslatable, match=what):
        in_file(path, None, {})


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(Untranslatable, match="cannot be read"):
        in_file(tmp_path / "none.py", None, {})


def test_a_case_is_taken_over_with_its_length():
    original = of_case(schedule_case(), "torch")
    assert original.api == "torch.optim.lr_scheduler.ExponentialLR"
    assert original.training.updates == 4


@pytest.mark.parametrize(
    "between",
    [
        "if big:\n    gamma = 0.9",
        "for gamma in (0.8, 0.9):\n    pass",
        "with given() as gamma:\n    pass",
        "while True:\n    gamma = 0.9",
        "try:\n    gamma = 0.9\nexcept OSError:\n    pass",
        "gamma *= 2",
    ],
)
def test_a_name_that_may_stand_for_several_things_is_asked_for(tmp_path, between):
    path = file(
        tmp_path,
        f"from torch.optim.lr_scheduler import ExponentialLR\ngamma = 0.5\n{between}\n"
        "made = ExponentialLR(opt, gamma)\n",
    )
    (written,) = in_file(path, None, {})
    with pytest.raises(Untranslatable):
        read(written, LENGTH, 0.1)
    (written,) = in_file(path, None, {"gamma": 0.7})
    assert read(written, LENGTH, 0.1).schedule.decay_rate == 0.7


def test_parts_tell_the_optimizers_rate_where_the_whole_is_given_none(tmp_path):
    path = file(
        tmp_path,
        """
        import torch
        from torch.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR
        def make(net):
            sgd = torch.optim.SGD(net.parameters(), lr=0.3)
            parts = [ConstantLR(sgd, 0.5, 2), ExponentialLR(sgd, gamma=0.9)]
            return ChainedScheduler(parts)
        """,
    )
    (written,) = in_file(path, None, {})
    assert read(written, LENGTH, None).schedule.base_lr == 0.3


def test_a_class_keeps_its_optimizer_and_scheduler_under_self(tmp_path):
    path = file(
        tmp_path,
        """
        import torch
        class Trainer:
            def __init__(self, net):
                self.optimizer = torch.optim.AdamW(net.parameters(), 3e-4)
                self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 3)
        """,
    )
    (written,) = in_file(path, None, {})
    assert read(written, LENGTH, None).schedule.base_lr == 3e-4


def test_a_rate_that_is_the_optimizers_default_is_remarked(tmp_path):
    path = file(
        tmp_path,
        """
        import torch
        adam = torch.optim.Adam(net.parameters())
        made = torch.optim.lr_scheduler.StepLR(adam, 3)
        """,
    )
    original = read(in_file(path, None, {})[0], LENGTH, None)
    assert original.schedule.base_lr == 1e-3
    assert any("its default, 0.001" in tell for tell in original.tells)
