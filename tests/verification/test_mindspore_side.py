"""What a MindSpore script may return, and that its rates are those of the real optimizers."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from helpers.scripts import trace_of

from harness.catalogue import Precision
from harness.errors import ScriptUnusable
from harness.verification import Training, side

pytestmark = [pytest.mark.frameworks, pytest.mark.usefixtures("quick_python")]

SCRIPT = """\
import mindspore
from mindspore import Tensor, nn, ops
from mindspore.experimental import optim
from mindspore.nn.learning_rate_schedule import LearningRateSchedule

net = nn.SequentialCell(nn.Conv2d(3, 8, 3), nn.Dense(8, 2))
all_of_it = net.trainable_params()
first, rest = all_of_it[:1], all_of_it[1:]
listed = [0.1 * 0.99**step for step in range(60)]


class Own(LearningRateSchedule):
    def construct(self, global_step):
        return 0.1 * 0.99 ** global_step.astype(mindspore.float32)


class Counting(LearningRateSchedule):
    def __init__(self):
        super().__init__()
        self.calls = [0]

    def construct(self, global_step):
        self.calls[0] += 1
        return Tensor(0.1 / self.calls[0], mindspore.float32)


class Bad(LearningRateSchedule):
    def construct(self, global_step):
        return nowhere_defined


def build({takes}):
    {body}
"""


@pytest.fixture
def observed(tmp_path):
    """The trace of a build with this body."""

    def run(body: str, steps: int = 60, resume_at=(), takes: str = "", **settings):
        path = tmp_path / "train.py"
        text = SCRIPT.replace("{takes}", takes).replace("{body}", body.replace("\n", "\n    "))
        path.write_text(text, encoding="utf-8")
        one = side("mindspore", str(path), **settings)
        return trace_of(one, Training(steps, 20, tuple(resume_at)))

    return run


DUE = 0.1 * 0.99 ** np.arange(60)
CELL = "nn.ExponentialDecayLR(0.1, 0.99, 1)"
RETURNED = {
    "a list alone": "return listed",
    "a tuple of rates": "return tuple(listed)",
    "a Tensor of rates": "return Tensor(listed, mindspore.float32)",
    "a Cell alone": f"return {CELL}",
    "a Cell in a mapping": f"return dict(learning_rate={CELL})",
    "SGD with a list": "return nn.SGD(all_of_it, listed)",
    "Momentum with a Cell": f"return net, nn.Momentum(all_of_it, {CELL}, 0.9, weight_decay=0.1)",
    "Adam with a list": "return nn.Adam(all_of_it, listed, weight_decay=0.1, loss_scale=8.0)",
    "AdamWeightDecay with a Cell": f"return nn.AdamWeightDecay(all_of_it, {CELL})",
    "RMSProp with a list": "return nn.RMSProp(all_of_it, listed, momentum=0.5)",
    "a schedule of one's own": "return nn.Momentum(all_of_it, Own(), 0.9)",
}


MORE = ("SGD with a list", "RMSProp with a list", "AdamWeightDecay with a Cell")
"""Optimizers that are driven as those beside them are."""


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(body, id=name, marks=[pytest.mark.slow] if name in MORE else [])
        for name, body in RETURNED.items()
    ],
)
def test_whatever_build_returns_both_rates_are_seen(observed, body):
    trace = observed(body)
    assert trace.problems == ()
    np.testing.assert_allclose(trace.sequences["reported"], DUE, rtol=3e-6)
    np.testing.assert_allclose(trace.sequences["applied"], DUE, rtol=3e-6)


def test_a_list_alone_is_reported_to_its_last_bit(observed):
    trace = observed("return listed")
    assert trace.precision == {"reported": Precision.FLOAT64, "applied": Precision.FLOAT32}
    assert trace.sequences["reported"].tolist() == [0.1 * 0.99**step for step in range(60)]


def test_in_a_graph_and_outside_the_rates_are_the_same(observed):
    body = f"return nn.Momentum(all_of_it, {CELL}, 0.9)"
    graph, outside = (observed(body, steps=20, mode=mode) for mode in ("graph", "pynative"))
    for name in ("reported", "applied"):
        np.testing.assert_array_equal(graph.sequences[name], outside.sequences[name])


def test_groups_have_rates_of_their_own(observed):
    trace = observed(
        "groups = [{'params': first, 'lr': listed}, {'params': rest}]\n"
        "groups.append({'order_params': all_of_it})\n"
        "return nn.Momentum(groups, 0.5, 0.9)"
    )
    assert list(trace.sequences) == ["reported", "applied", "reported 1", "applied 1"]
    np.testing.assert_allclose(trace.sequences["applied"], DUE, rtol=1e-6)
    np.testing.assert_allclose(trace.sequences["applied 1"], np.full(60, 0.5), rtol=1e-6)


@pytest.mark.parametrize(
    "optimizer", ["SGD(groups, lr=0.1, momentum=0.9)", "AdamW(groups, lr=0.1)"]
)
def test_an_experimental_scheduler_is_stepped_once_an_epoch(observed, optimizer):
    trace = observed(
        "groups = [{'params': first, 'lr': 0.01}, {'params': rest}]\n"
        f"optimizer = optim.{optimizer}\n"
        "return optimizer, optim.lr_scheduler.StepLR(optimizer, 1, 0.5)",
        steps=45,
    )
    due = 0.5 ** (np.arange(45) // 20)
    np.testing.assert_allclose(trace.sequences["applied"], 0.01 * due, rtol=1e-6)
    np.testing.assert_allclose(trace.sequences["applied 1"], 0.1 * due, rtol=1e-6)
    np.testing.assert_allclose(trace.sequences["reported 1"], 0.1 * due, rtol=1e-6)


def test_an_experimental_scheduler_is_stepped_each_update_if_asked(observed):
    trace = observed(
        "optimizer = optim.SGD(all_of_it, lr=0.1)\n"
        "return optimizer, optim.lr_scheduler.StepLR(optimizer, 1, 0.5)",
        steps=4,
        stepping="step",
    )
    np.testing.assert_allclose(trace.sequences["applied"], 0.1 * 0.5 ** np.arange(4), rtol=1e-6)


def test_a_resumed_optimizer_goes_on_with_its_moments_and_its_step(observed):
    trace = observed("return nn.Momentum(all_of_it, listed, 0.9)", resume_at=(7, 33))
    assert trace.problems == ()
    np.testing.assert_allclose(trace.sequences["reported"], DUE, rtol=1e-6)
    np.testing.assert_allclose(trace.sequences["applied"], DUE, rtol=1e-6)


def test_an_experimental_scheduler_has_no_state_to_resume_from(observed):
    with pytest.raises(ScriptUnusable, match="it cannot be resumed: SGD has no state to save"):
        observed(
            "optimizer = optim.SGD(all_of_it, lr=0.1)\n"
            "return optimizer, optim.lr_scheduler.StepLR(optimizer, 1, 0.5)",
            resume_at=(30,),
        )


def test_it_is_resumed_by_what_the_script_makes_of_the_start_step(observed):
    trace = observed("return listed[start_step:]", takes="start_step=0", resume_at=(30,), steps=40)
    # The list begins where it was cut, and the optimizer counts from 0 again.
    np.testing.assert_allclose(trace.sequences["applied"], DUE[:40], rtol=1e-6)


def test_a_schedule_that_has_other_rates_in_a_graph_is_observed_outside(observed):
    trace = observed("return nn.SGD(all_of_it, Counting())", steps=20)
    assert "outside of a graph" in trace.problems[0]
    np.testing.assert_allclose(trace.sequences["reported"], 0.1 / np.arange(1, 21), rtol=1e-6)
    # The optimizer itself is compiled even there, and so asks its schedule once and never again.
    np.testing.assert_allclose(trace.sequences["applied"], np.full(20, 0.05), rtol=1e-6)


def test_a_list_that_runs_out_ends_its_trace_there(observed):
    trace = observed("return nn.SGD(all_of_it, listed[:50])")
    assert len(trace.steps) == 50
    assert trace.problems[0].startswith(
        "it ended after 50 of 60 updates: RuntimeError: For 'Gather'"
    )


def test_an_optimizer_that_the_device_lacks_is_observed_by_what_it_reports(observed):
    trace = observed("return nn.Lamb(all_of_it, learning_rate=listed)")
    assert list(trace.sequences) == ["reported"]
    assert "Unsupported op [Lamb] on CPU" in trace.problems[0]
    np.testing.assert_allclose(trace.sequences["reported"], DUE, rtol=1e-6)


def test_what_is_no_optimizer_is_named(observed):
    with pytest.raises(ScriptUnusable, match="build returned mindspore's SequentialCell; an opti"):
        observed("return net")


@pytest.mark.parametrize(
    "body", ["return nn.Lamb(all_of_it, listed)", "return nn.SGD(rest, Bad())"]
)
def test_nothing_is_left_where_it_runs(observed, tmp_path, monkeypatch, body):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with contextlib.suppress(ScriptUnusable):
        observed(body)
    assert list((tmp_path / "here").iterdir()) == []
