"""The recorder: what it notes, at what cost to a training, and what is left when that is killed."""

from __future__ import annotations

import os
import py_compile
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.draws import draws

from harness.catalogue import Precision
from harness.traces import lr_recorder
from harness.traces.lr_recorder import Recorder, RecorderError, entry
from harness.traces.reading import read

RECORDER = Path(lr_recorder.__file__)
PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")


class SGD:
    """What the recorder has to know of an optimizer, and nothing else."""

    def __init__(self, *rates: float) -> None:
        self.param_groups = [{"lr": rate, "params": [object()]} for rate in rates]


def recorded(path: Path, schedule: list[float], **options) -> None:
    optimizer = SGD(schedule[0])
    with Recorder(optimizer, path, **options) as recorder:
        for rate in schedule:
            optimizer.param_groups[0]["lr"] = rate
            recorder.step()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trace.jsonl"


def test_it_notes_the_rate_with_which_each_update_is_made(path):
    recorded(path, [0.1, 0.1, 0.05], steps_per_epoch=2, scheduler="Falling")
    trace = read(path)
    assert trace.sequences["reported"].tolist() == [0.1, 0.1, 0.05]
    assert trace.header.steps_per_epoch == 2
    assert (trace.header.optimizer, trace.header.scheduler) == ("SGD", "Falling")
    assert trace.problems == ()


def test_a_rate_that_stands_still_is_one_line(path):
    recorded(path, [0.1] * 1000 + [0.05] * 1000)
    assert len(path.read_text().splitlines()) == 3
    assert read(path).sequences["reported"].tolist() == [0.1] * 1000 + [0.05] * 1000


def test_groups_may_change_and_join(path):
    optimizer = SGD(0.1, 0.2)
    with Recorder(optimizer, path) as recorder:
        recorder.step()
        optimizer.param_groups[1]["lr"] = 0.3
        recorder.step()
        optimizer.param_groups.append({"lr": 0.4})
        recorder.step()
    trace = read(path)
    assert trace.sequences["reported 1"].tolist() == [0.2, 0.3, 0.3]
    np.testing.assert_array_equal(trace.sequences["reported 2"], [np.nan, np.nan, 0.4])


def test_odd_rates_are_noted_so_that_any_json_reader_takes_them(path):
    recorded(path, [float("nan"), float("inf"), -float("inf"), 5e-324, 1e22])
    text = path.read_text()
    assert "NaN" not in text
    assert "nan" not in text
    trace = read(path)
    due = [np.nan, np.inf, -np.inf, 5e-324, 1e22]
    np.testing.assert_array_equal(trace.sequences["reported"], due)


def test_updates_may_be_numbered_by_the_training(path):
    optimizer = SGD(0.1)
    with Recorder(optimizer, path) as recorder:
        for update in (0, 10, 20):
            recorder.step(update)
        with pytest.raises(ValueError, match="update 5 comes after update 20"):
            recorder.step(5)
    assert read(path).steps.tolist() == [0, 10, 20]


def test_a_run_goes_on_where_it_is_told_or_after_the_last(path):
    recorded(path, [0.1, 0.1, 0.2, 0.2, 0.2], resume=True)
    recorded(path, [0.3, 0.4], resume=3)
    recorded(path, [0.5], resume=True)
    trace = read(path)
    assert trace.sequences["reported"].tolist() == [0.1, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert trace.resumed == (3, 5)
    assert "2 steps were recorded again" in trace.problems[0]


def test_a_trace_is_not_overwritten_unasked(path):
    recorded(path, [0.1])
    before = path.read_bytes()
    with pytest.raises(RecorderError, match="exists: resume=True goes on with it"):
        Recorder(SGD(0.1), path)
    assert path.read_bytes() == before
    path.write_text("something else\n")
    with pytest.raises(RecorderError, match="is no trace that can be gone on with"):
        Recorder(SGD(0.1), path, resume=True)
    assert path.read_text() == "something else\n"


@pytest.mark.parametrize("left", [b'{"step":3,"un', b"\0" * 900, b"{", b'{"step":3}'])
def test_what_a_crash_left_of_a_line_is_cut_off_before_the_run_goes_on(path, left):
    recorded(path, [0.1, 0.2, 0.3])
    path.write_bytes(path.read_bytes() + left)
    recorded(path, [0.4], resume=True)
    trace = read(path)
    assert trace.sequences["reported"].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert trace.problems == ()


def test_no_field_that_is_written_anew_lies_on_two_pages():
    for at in range(3 * 4096 - 200, 3 * 4096 + 200):
        line = entry(123, 124, [("reported", [0.1])], at)
        field = at + line.index(b"124  ")
        assert field // 4096 == (field + 11) // 4096
        assert lr_recorder.json.loads(line) == {"step": 123, "until": 124, "reported": [0.1]}


def test_the_place_of_the_field_that_is_written_anew_is_right_on_every_page(path):
    draw = random.Random(1)
    schedule = [rate for n in range(800) for rate in [0.9**n] * draw.randint(1, 5)]
    recorded(path, schedule)
    assert path.stat().st_size > 8 * 4096
    assert read(path).sequences["reported"].tolist() == schedule


def test_two_processes_do_not_record_into_one_file(path):
    program = (
        f"import sys; sys.path.insert(0, {str(RECORDER.parent)!r})\n"
        "from lr_recorder import Recorder\n"
        "class SGD: param_groups = [{'lr': 0.1, 'params': [0]}]\n"
        f"recorder = Recorder(SGD(), {str(path)!r}, resume=True)\n"
    )

    def another() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    with Recorder(SGD(0.1), path, resume=True) as recorder:
        recorder.step()
        done = another()
        assert "another process records into" in done.stderr
    assert another().returncode == 0
    with Recorder(SGD(0.1), path, resume=True) as recorder:  # a resumption keeps its lock too
        done = another()
        assert "another process records into" in done.stderr


def test_a_full_disk_ends_the_recording_and_not_the_training(path):
    optimizer = SGD(0.1)
    recorder = Recorder(optimizer, path)
    for n in range(10):
        optimizer.param_groups[0]["lr"] = 0.1 * 0.9**n
        recorder.step()
    before, limits = path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before + 10, limits[1]))
    try:
        optimizer.param_groups[0]["lr"] = 1.0
        with pytest.warns(UserWarning, match="the recording ends before update 10"):
            recorder.step()
        recorder.step()  # says nothing more
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    trace = read(path)
    assert trace.steps.tolist() == list(range(10))


def test_what_is_no_optimizer_and_no_place_for_a_file_is_refused(tmp_path):
    with pytest.raises(RecorderError, match="a list is neither an optimizer"):
        Recorder([], tmp_path / "trace.jsonl")
    with pytest.raises(RecorderError, match="cannot be written: No such file"):
        Recorder(SGD(0.1), tmp_path / "no" / "trace.jsonl")


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from lr_recorder import Recorder
class SGD: param_groups = [{"lr": 1.0, "params": [0]}]
recorder = Recorder(SGD(), sys.argv[2], resume=True)
step = recorder._update
while True:
    SGD.param_groups[0]["lr"] = 1 / (1 + step // 3)
    recorder.step()
    step += 1
    sys.stdout.write("%d\\n" % step)
    sys.stdout.flush()
"""


def test_killed_at_any_moment_it_leaves_every_update_that_was_recorded(path):
    draw = random.Random(20261124)
    said, times = 0, draws(4, least=3)
    for _ in range(times):
        command = [sys.executable, "-c", KILLED, str(RECORDER.parent), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(draw.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            lines = process.stdout.read().split("\n")
        said = max([said, *(int(line) for line in lines[:-1])])
        trace = read(path)
        steps = trace.steps
        assert steps.tolist() == list(range(len(steps)))
        assert len(steps) >= said
        assert trace.sequences["reported"].tolist() == [1 / (1 + n // 3) for n in range(len(steps))]
    assert said > 80 * times


@pytest.mark.parametrize("version", PYTHONS)
def test_it_compiles_and_records_with_every_python_from_3_8_on(version, path):
    found = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python"))
    if not found:
        pytest.skip(f"no Python {version} here")
    program = (
        "import py_compile, sys\n"
        f"py_compile.compile({str(RECORDER)!r}, {str(path) + '.pyc'!r}, doraise=True)\n"
        f"sys.path.insert(0, {str(RECORDER.parent)!r})\n"
        "from lr_recorder import Recorder\n"
        "class SGD: param_groups = [{'lr': 0.1, 'params': [0]}]\n"
        f"with Recorder(SGD(), {str(path)!r}) as recorder:\n"
        "    recorder.step()\n"
        "    recorder.step()\n"
        f"with Recorder(SGD(), {str(path)!r}, resume=1) as recorder:\n"
        "    recorder.step()\n"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(found[-1]), "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert read(path).sequences["reported"].tolist() == [0.1, 0.1]


def test_it_compiles_here(tmp_path):
    py_compile.compile(str(RECORDER), str(tmp_path / "x.pyc"), doraise=True)


# The frameworks


def elsewhere(function, *arguments) -> None:
    """Call a function of this file in a process that may import a framework."""
    module, name = function.__module__, function.__name__
    code = f"from pathlib import Path, PosixPath; import {module}; {module}.{name}(*{arguments!r})"
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(here.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.frameworks
def test_torch_schedules_are_noted_as_torch_has_them(path, quick_python):
    elsewhere(torch_schedule, path)


def torch_schedule(path):
    import torch

    model = torch.nn.Linear(3, 2)
    groups = [{"params": [model.weight], "lr": 0.01}, {"params": [model.bias]}]
    optimizer = torch.optim.SGD(groups, lr=torch.tensor(0.1))
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    due = []
    with Recorder(optimizer, path, scheduler=scheduler) as recorder:
        for _ in range(5):
            due.append([float(group["lr"]) for group in optimizer.param_groups])
            recorder.step()
            optimizer.step()
            scheduler.step()
    trace = read(path)
    assert [trace.sequences["reported"].tolist(), trace.sequences["reported 1"].tolist()] == [
        *map(list, zip(*due, strict=True))
    ]
    header = trace.header
    assert (header.framework, header.scheduler) == ("torch", "ExponentialLR")
    assert header.framework_version == torch.__version__


@pytest.mark.frameworks
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("AdamW", {"weight_decay": 0.1}),
        ("RMSprop", {}),
    ],
)
def test_applied_rates_are_seen_in_the_users_own_optimizer_which_keeps_no_trace_of_it(
    path, name, settings, quick_python
):
    elsewhere(torch_applied, path, name, settings)


def torch_applied(path, name, settings):
    import torch

    def trained(recording: bool) -> tuple[torch.Tensor, dict]:
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 2)
        groups = [{"params": [model.weight], "lr": 0.01}, {"params": [model.bias]}]
        optimizer = getattr(torch.optim, name)(groups, lr=0.1, **settings)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        recorder = Recorder(optimizer, path, applied=True) if recording else None
        for update in range(4):
            optimizer.zero_grad()
            model(torch.ones(1, 3)).square().sum().backward()
            if recorder is not None:
                recorder.step()
            if update == 2:
                optimizer.param_groups[0]["lr"] = 7.0  # behind the recorder's back
            optimizer.step()
            scheduler.step()
        if recorder is not None:
            recorder.close()
        return model.weight.detach().clone(), optimizer.state_dict()

    weight, state = trained(True)
    other, bare = trained(False)
    assert torch.equal(weight, other)
    assert state["param_groups"] == bare["param_groups"]
    assert state["state"].keys() == bare["state"].keys()
    trace = read(path)
    assert trace.precision["applied"] is Precision.FLOAT32
    assert trace.sequences["reported"].tolist() == [0.01, 0.005, 0.0025, 3.5]
    np.testing.assert_allclose(trace.sequences["applied"], [0.01, 0.005, 7.0, 3.5], rtol=1e-6)
    np.testing.assert_allclose(trace.sequences["applied 1"], [0.1, 0.05, 0.025, 0.0125], rtol=1e-6)


@pytest.mark.frameworks
def test_an_update_that_raises_or_is_skipped_leaves_no_weight_behind(path, quick_python):
    elsewhere(torch_skipped, path)


def torch_skipped(path):
    import torch

    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=0.1)

    def fails() -> None:
        raise OSError

    with Recorder(optimizer, path, applied=True) as recorder:
        recorder.step()  # a step that is skipped, as a scaler of gradients may do
        recorder.step()
        with pytest.raises(OSError):
            optimizer.step(fails)
        recorder.step()
        optimizer.step()
        optimizer.step()  # one that is not to be recorded
    optimizer.step()
    assert optimizer.param_groups[0]["params"] == [weight]
    assert read(path).sequences["applied"].tolist() == [pytest.approx(0.1)]


MINDSPORE = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import mindspore as ms
from mindspore import Parameter, Tensor, nn
from lr_recorder import Recorder, RecorderError
ms.set_context(mode=getattr(ms, sys.argv[3]))
weights = [Parameter(Tensor(np.zeros(2, np.float32)), name="w%d" % n) for n in range(3)]
gradients = tuple(Tensor(np.ones(2, np.float32)) for _ in weights)
"""
SCRIPTS = {
    "a schedule": (
        "optimizer = nn.Momentum(weights, nn.ExponentialDecayLR(0.1, 0.5, 1), 0.9)",
        {"reported": [0.1, 0.05, 0.025, 0.0125]},
        ("Momentum", "ExponentialDecayLR"),
    ),
    "a list": (
        "optimizer = nn.SGD(weights, [0.4, 0.3, 0.2, 0.1])",
        {"reported": [0.4, 0.3, 0.2, 0.1]},
        ("SGD", "list"),
    ),
    "a number": (
        "optimizer = nn.Adam(weights, 0.3)",
        {"reported": [0.3, 0.3, 0.3, 0.3]},
        ("Adam", None),
    ),
    "groups": (
        "groups = [{'params': weights[:2], 'lr': nn.ExponentialDecayLR(0.1, 0.5, 1)},\n"
        "          {'params': weights[2:]}]\n"
        "optimizer = nn.SGD(groups, 0.3)",
        {"reported": [0.1, 0.05, 0.025, 0.0125], "reported 1": [0.3, 0.3, 0.3, 0.3]},
        ("SGD", "ExponentialDecayLR + number"),
    ),
    "groups of numbers": (
        "groups = [{'params': weights[:1], 'lr': 0.2}, {'params': weights[1:], 'lr': 0.4}]\n"
        "optimizer = nn.SGD(groups, 0.3)",
        {"reported": [0.2] * 4, "reported 1": [0.4] * 4},
        ("SGD", None),
    ),
    "groups with one rate": (
        "groups = [{'params': weights[:1], 'weight_decay': 0.1}, {'params': weights[1:]}]\n"
        "optimizer = nn.SGD(groups, 0.3)",
        {"reported": [0.3] * 4, "reported 1": [0.3] * 4},
        ("SGD", None),
    ),
    "an optimizer that counts when it is asked, as in MindSpore 2.0": (
        "class Counting(nn.Optimizer):\n"
        "    def get_lr(self):\n"
        "        rate = self.learning_rate(self.global_step)\n"
        "        self.assignadd(self.global_step, self.global_step_increase_tensor)\n"
        "        return rate\n"
        "    def construct(self, gradients):\n"
        "        return self.get_lr()\n"
        "optimizer = Counting(nn.ExponentialDecayLR(0.1, 0.5, 1), weights)",
        {"reported": [0.1, 0.05, 0.025, 0.0125]},
        ("Counting", "ExponentialDecayLR"),
    ),
    "experimental": (
        "from mindspore.experimental import optim\n"
        "optimizer = optim.SGD(weights, lr=0.1)\n"
        "scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)",
        {"reported": [0.1, 0.05, 0.025, 0.0125]},
        ("SGD", None),
    ),
}
STEPPED = """
with Recorder(optimizer, sys.argv[2]) as recorder:
    for _ in range(4):
        recorder.step()
        optimizer(gradients)
        if "scheduler" in globals():
            scheduler.step()
try:
    Recorder(optimizer, sys.argv[2] + ".applied", applied=True)
except RecorderError as error:
    assert "conform verify" in str(error)
else:
    raise AssertionError("no error")
"""


def run_mindspore(script: str, path: Path, mode: str) -> None:
    place = path.with_suffix(".py")
    place.write_text(MINDSPORE + script)
    python = os.environ.get("MINDSPORE_PYTHON", sys.executable)
    command = [python, str(place), str(RECORDER.parent), str(path), mode]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.frameworks
@pytest.mark.parametrize("mode", ["PYNATIVE_MODE", "GRAPH_MODE"])
@pytest.mark.parametrize(("script", "due", "about"), SCRIPTS.values(), ids=list(SCRIPTS))
def test_mindspores_optimizers_are_asked_in_every_mode(
    path, script, due, about, mode, quick_python
):
    run_mindspore(script + STEPPED, path, mode)
    trace = read(path)
    assert trace.sequences.keys() == due.keys()
    for name, rates in due.items():
        np.testing.assert_allclose(trace.sequences[name], rates, rtol=1e-6)
        assert trace.precision[name] is Precision.FLOAT32
    assert (trace.header.optimizer, trace.header.scheduler) == about
    assert (trace.header.framework, trace.header.device) == ("mindspore", "cpu")


TRAINED = """
from mindspore import dataset
network = nn.Dense(2, 1)
optimizer = nn.Momentum(network.trainable_params(), nn.ExponentialDecayLR(0.1, 0.5, 1), 0.9)
model = ms.train.Model(network, nn.MSELoss(), optimizer)
rows = [(np.ones(2, np.float32), np.ones(1, np.float32))] * 8
data = dataset.GeneratorDataset(rows, ["x", "y"]).batch(2)
recorder = Recorder(optimizer, sys.argv[2])
model.train(2, data, callbacks=[recorder.callback()], dataset_sink_mode=False)
assert recorder._file is None
"""


@pytest.mark.frameworks
def test_a_callback_notes_the_updates_of_a_mindspore_model(path, quick_python):
    run_mindspore(TRAINED, path, "GRAPH_MODE")
    rates = read(path).sequences["reported"]
    np.testing.assert_allclose(rates, [0.1 * 0.5**n for n in range(8)], rtol=1e-6)
