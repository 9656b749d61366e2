"""Scripts in processes of their own: what they return, and all that may go wrong with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.command import REAL
from helpers.scripts import TORCH, late, torch_script, trace_of, wait_for

from harness.catalogue import Precision
from harness.errors import NothingToRun, ScriptUnusable
from harness.traces.comparing import PairVerdict
from harness.verification import Training, running, side, verify

pytestmark = [pytest.mark.frameworks, pytest.mark.usefixtures("quick_python")]


OPTIMIZERS = {
    "SGD": "SGD(parameters(), lr=0.1)",
    "Momentum": "SGD(parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1)",
    "Adam": "Adam(parameters(), lr=0.1, amsgrad=True)",
    "AdamW": "AdamW(parameters(), lr=0.1, weight_decay=0.3)",
    "RMSprop": "RMSprop(parameters(), lr=0.1, momentum=0.5)",
    "Adagrad": "Adagrad(parameters(), lr=0.1)",
    "NAdam": "NAdam(parameters(), lr=0.1)",
    "maximizing": "SGD(parameters(), lr=0.1, maximize=True)",
}


def test_two_runs_of_one_script_show_the_same_rates(script):
    one = side("torch", script(TORCH))
    result = verify((one, one), Training(60, 20))
    assert result.comparison.verdict is PairVerdict.AGREE
    first, second = result.traces
    assert set(first.sequences) == {"reported", "applied"}
    for name, rates in first.sequences.items():
        np.testing.assert_array_equal(rates, second.sequences[name])


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
def test_whatever_the_torch_optimizer_its_applied_rate_is_seen(seen, optimizer):
    text = torch_script(
        f"optimizer = torch.optim.{optimizer}\n"
        "return optimizer, lr_scheduler.ExponentialLR(optimizer, 0.9)"
    )
    trace = seen(text)
    due = 0.1 * 0.9 ** (np.arange(60) // 20)
    np.testing.assert_allclose(trace.sequences["reported"], due, rtol=1e-15)
    np.testing.assert_allclose(trace.sequences["applied"], due, rtol=5e-7)


def test_a_momentum_that_a_scheduler_changes_is_not_taken_for_a_rate(seen):
    text = torch_script(
        "optimizer = torch.optim.SGD(parameters(), lr=0.1, momentum=0.9, nesterov=True)\n"
        "schedule = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=60)\n"
        "return dict(optimizer=optimizer, scheduler=schedule, per='step')"
    )
    trace = seen(text)
    np.testing.assert_allclose(
        trace.sequences["applied"], trace.sequences["reported"], rtol=5e-7, atol=1e-12
    )


def test_an_optimizer_that_wants_a_closure_is_observed_by_what_it_reports(seen):
    text = torch_script(
        "optimizer = torch.optim.LBFGS(parameters(), lr=0.1)\n"
        "return optimizer, lr_scheduler.StepLR(optimizer, 1, 0.5)"
    )
    trace = seen(text)
    assert set(trace.sequences) == {"reported"}
    assert "applied rates were not observed: TypeError" in trace.problems[0]
    np.testing.assert_array_equal(trace.sequences["reported"][[0, 20, 40]], [0.1, 0.05, 0.025])


def test_a_scheduler_that_wants_a_metric_is_given_the_script_s(seen):
    text = torch_script(
        "optimizer = torch.optim.SGD(parameters(), lr=0.1)\n"
        "schedule = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)\n"
        "return dict(optimizer=optimizer, scheduler=schedule, metrics=[1.0, 1.0, 1.0])"
    )
    trace = seen(text)
    np.testing.assert_array_equal(trace.sequences["reported"][[0, 20, 40]], [0.1, 0.1, 0.05])


def test_two_schedulers_may_be_stepped_at_different_times(seen):
    text = torch_script(
        "optimizer = torch.optim.SGD(parameters(), lr=1.0)\n"
        "every = lr_scheduler.MultiplicativeLR(optimizer, lambda _: 0.5)\n"
        "epochs = lr_scheduler.MultiplicativeLR(optimizer, lambda _: 0.25)\n"
        "return dict(optimizer=optimizer, schedulers=[every, epochs], per=['step', 'epoch'])"
    )
    trace = seen(text, steps=5, steps_per_epoch=2)
    np.testing.assert_array_equal(trace.sequences["reported"], [1, 1 / 2, 1 / 16, 1 / 32, 1 / 256])


def test_the_command_line_goes_before_what_the_script_says(seen):
    trace = seen(TORCH, steps=3, stepping="step")
    np.testing.assert_allclose(trace.sequences["reported"], [0.1, 0.09, 0.081], rtol=1e-15)


@pytest.mark.parametrize(
    "returned",
    [
        "torch.nn.Linear(3, 2), optimizer, schedule",
        "dict(optimizer=optimizer, scheduler=schedule, network=torch.nn.Linear(3, 2))",
        "Parts(optimizer, schedule)",
        "Named(optimizer, schedule)",
    ],
)
def test_build_may_return_its_parts_in_several_ways(seen, returned):
    text = (
        "import dataclasses, typing\n"
        "@dataclasses.dataclass\nclass Parts:\n    optimizer: object\n    scheduler: object\n"
        "class Named(typing.NamedTuple):\n    optimizer: object\n    scheduler: object\n"
    ) + torch_script(
        "optimizer = torch.optim.SGD(parameters(), lr=0.1)\n"
        f"schedule = lr_scheduler.StepLR(optimizer, 1, 0.5)\nreturn {returned}"
    )
    trace = seen(text)
    assert trace.header.scheduler == "StepLR"
    assert trace.sequences["reported"][20] == 0.05


def test_a_resumed_training_goes_on_where_it_was(seen):
    whole, resumed = seen(TORCH), seen(TORCH, resume_at=(7, 20, 33))
    for name in ("reported", "applied"):
        np.testing.assert_array_equal(whole.sequences[name], resumed.sequences[name])


def test_a_build_that_takes_a_start_step_is_told_where_the_training_goes_on(seen):
    text = torch_script("return torch.optim.SGD(parameters(), lr=1.0 + start_step)")
    text = text.replace("def build():", "def build(start_step=0):")
    trace = seen(text, steps=4, resume_at=(2,))
    np.testing.assert_array_equal(trace.sequences["reported"], [1, 1, 3, 3])


def test_a_module_level_optimizer_cannot_be_resumed_and_is_said_to(seen):
    text = "import torch\nKEPT = torch.optim.SGD(torch.nn.Linear(3, 2).parameters(), lr=0.1)\n"
    text += "def build():\n    return KEPT\n"
    assert seen(text).problems == ()
    assert "build returned the same SGD again" in seen(text, resume_at=(5,)).problems[0]


def test_the_precision_of_a_rate_that_is_a_tensor_is_kept(seen):
    text = torch_script("return torch.optim.SGD(parameters(), lr=torch.tensor(0.1))")
    trace = seen(text, steps=2)
    assert trace.precision == {"reported": Precision.FLOAT32, "applied": Precision.FLOAT32}


def test_what_a_script_prints_does_not_get_between(seen):
    noisy = "import os\nprint('{\"event\": \"done\"}')\nos.write(1, b'\\xff\\n' * 100000)\n" + TORCH
    assert len(seen(noisy).steps) == 60


def test_a_script_that_imports_what_lies_beside_it_is_run(script, seen):
    script("GAMMA = 0.9\n", "settings.py")
    text = "from settings import GAMMA\n" + TORCH.replace("gamma=0.9", "gamma=GAMMA")
    assert len(seen(text).steps) == 60


BAD = {
    "raises": ("def build():\n    raise ValueError('no data')", "ValueError: no data"),
    "raises at import": ("import nowhere_at_all", "ModuleNotFoundError: No module named"),
    "is no Python": ("def build(:\n", "SyntaxError: invalid syntax"),
    "ends itself": ("import sys\nsys.exit(4)", "SystemExit: 4"),
    "returns nothing": ("def build():\n    pass", "build returned None; an optimizer was expected"),
    "returns a mapping of other things": (
        "def build():\n    return {'optimiser': 1}",
        "build returned a mapping with the unknown key 'optimiser'; known are",
    ),
    "has another function": ("def biuld():\n    pass", "no function 'build'; did you mean 'biuld'"),
    "has no function": ("x = 1", "there is no function 'build'"),
    "needs arguments": ("def build(lr):\n    pass", "missing 1 required positional argument: 'lr'"),
    "wants a metric": (
        torch_script(
            "optimizer = torch.optim.SGD(parameters(), lr=0.1)\n"
            "return optimizer, lr_scheduler.ReduceLROnPlateau(optimizer)"
        ),
        "ReduceLROnPlateau.step() wants a metric",
    ),
    "steps by another word": (
        torch_script("return dict(optimizer=torch.optim.SGD(parameters(), 0.1), per='batch')"),
        "'per' is 'batch'\n    remedy: say 'epoch' or 'step'",
    ),
    "dies": ("import os\ndef build():\n    print('alas')\n    os._exit(3)", "exit status 3"),
    "is killed": (
        "import os\ndef build():\n    os.kill(os.getpid(), 11)",
        "the process died of signal 11 (SIGSEGV)",
    ),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=list(BAD))
def test_a_script_that_cannot_be_used_is_told_from_one_that_differs(script, text, said):
    bad = side("torch", script(text, "bad.py"))
    with pytest.raises(ScriptUnusable) as raised:
        trace_of(bad, Training(60))
    assert said in str(raised.value)
    assert str(raised.value).startswith(bad.source)


def test_an_exception_is_shown_with_the_frames_of_the_script_alone(seen):
    text = torch_script("return made()\n").replace(
        "def build", "def made():\n    return torch.optim.SGD(parameters(), lr=-1)\n\ndef build"
    )
    with pytest.raises(ScriptUnusable) as raised:
        seen(text)
    lines = str(raised.value).splitlines()
    assert lines[0].endswith("ValueError: Invalid learning rate: -1")
    assert [line.rpartition(", in ")[2] for line in lines[1::2][:2]] == ["build", "made"]
    assert "raised in" in lines[-1] and "sgd.py" in lines[-1]
    assert "driver" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("print('waits', flush=True)\nwhile True: pass", "does it train when it is imported?"),
        (
            "import time\ndef build():\n    print('waits', flush=True)\n    time.sleep(99)",
            "| waits",
        ),
    ],
    ids=["as it is imported", "as it is built"],
)
def test_a_script_that_hangs_is_killed_after_the_time_limit(
    script, tmp_path, monkeypatch, text, hint
):
    passed = 0.0
    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: passed))
    folder = tmp_path / "hung"
    with running.Running(side("torch", script(text)), Training(60), 15.0, folder) as hung:
        wait_for((hung.folder / "output.txt").read_text)
        for passed in (1.0, 15.0):  # noqa: B007
            hung.look()
        passed = 16.5
        with pytest.raises(
            ScriptUnusable, match="nothing came of it for 15 s, it was killed"
        ) as raised:
            hung.look()
    assert hint in str(raised.value)


@pytest.mark.parametrize(
    ("happens", "how"),
    [
        ("raise ValueError('no more')", "it ended after 50 of 60 updates: ValueError: no more"),
        ("import os; os._exit(1)", "after 50 of 60 updates: the process died with exit status 1"),
        ("import time; time.sleep(99)", "after 50 of 60 updates: nothing came of it for 3 s"),
    ],
    ids=["raises", "dies", "hangs"],
)
def test_what_a_script_showed_before_it_failed_is_kept(script, happens, how):
    good, bad = side("torch", script(TORCH)), side("torch", script(late(happens), "bad.py"))
    _, trace = verify((good, bad), Training(60), time_limit=3.0).traces
    assert how in trace.problems[-1]
    assert len(trace.steps) == 50


def test_a_script_does_not_run_on_for_long_when_the_other_has_ended(script):
    short = torch_script(
        "optimizer = torch.optim.SGD(parameters(), lr=0.1)\n"
        "return optimizer, lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=50)"
    )
    long = short.replace("total_steps=50", "total_steps=2_000_000")
    sides = [side("torch", script(t, n)) for t, n in ((short, "a.py"), (long, "b.py"))]
    result = verify((sides[0], sides[1]), Training(2_000_000, 1))
    ended, stopped = result.traces
    assert len(ended.steps) == 51
    assert 1_000 < len(stopped.steps) < 2_000_000
    assert "it was stopped, as the other had ended long before" in stopped.problems[0]
    assert result.comparison.verdict is PairVerdict.DIFFER


def test_two_that_agree_until_one_ends_are_not_said_to_differ_by_where_the_other_was_stopped(
    script,
):
    body = (
        "optimizer = torch.optim.SGD(parameters(), lr=0.1)\n"
        "class Same:\n    made = 0\n    def step(self):\n        Same.made += 1\n"
        "        if Same.made == LAST: raise ValueError\n"
        "return optimizer, Same()"
    )
    texts = (torch_script(body.replace("LAST", last)) for last in ("50", "-1"))
    one, other = (side("torch", script(t, f"{n}.py")) for n, t in enumerate(texts))
    comparison = verify((one, other), Training(2_000_000, 1)).comparison
    assert comparison.verdict is PairVerdict.INCOMPLETE
    assert comparison.diagnosis is None
    # Where the other comes to its own end, that says by how much the first is short.
    comparison = verify((one, other), Training(60, 1)).comparison
    assert comparison.diagnosis is not None
    assert comparison.diagnosis.parameters["steps"] == 10


def test_an_interpreter_without_the_framework_is_told_from_a_bad_script(script, tmp_path):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{REAL}" -S "$@"\n')
    bare.chmod(0o755)
    good = side("torch", script(TORCH))
    with pytest.raises(NothingToRun, match=r"has no (numpy|torch)"):
        verify((good, side("torch", script(TORCH), python=str(bare))), Training(60))


def test_an_interpreter_that_is_not_there_is_named(script):
    with pytest.raises(NothingToRun, match=r"no interpreter 'python9\.9'"):
        side("torch", script(TORCH), python="python9.9")


@pytest.mark.parametrize("place", ["here/", "a-b", ""])
def test_what_is_no_python_file_is_not_started(place):
    with pytest.raises(ScriptUnusable, match="neither a Python file nor the name of a module"):
        side("torch", place)


def test_an_interpreter_that_cannot_run_anything_is_told_from_a_bad_script(script, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such version\nexit 127\n")
    broken.chmod(0o755)
    one = side("torch", script(TORCH), python=str(broken))
    with pytest.raises(NothingToRun, match=r"ended with exit status 127\n    \| no such version"):
        trace_of(one, Training(60))


def test_a_file_that_is_not_there_is_named_with_one_that_is(script):
    path = script(TORCH)
    with pytest.raises(ScriptUnusable, match=r"train.py'\?"):
        side("torch", path.replace("train", "tran"))


def test_the_processes_end_with_the_one_that_started_them(script, tmp_path):
    script(late("open('%d.pid' % __import__('os').getpid(), 'x'); import time; time.sleep(99)"))
    program = (
        "from harness.verification import *\n"
        f"one, other = side('torch', 'train.py', {REAL!r}), side('torch', 'train.py')\n"
        "verify((one, other), Training(60))\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=environment)
    try:
        wait_for(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
        workers = [int(path.stem) for path in tmp_path.glob("*.pid")]
        assert len(list(tmp_path.glob("conform-verify-*/*"))) == 2
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_for(lambda: not any(map(_is_alive, workers)))
    wait_for(lambda: not list(tmp_path.glob("conform-verify-*")))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
