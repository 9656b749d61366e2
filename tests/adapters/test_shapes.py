"""What a scheduler gives in place of a rate for each group is not made one: it is told as it is.

The schedulers are the frameworks' own, with another `get_last_lr`.
"""

from __future__ import annotations

import importlib
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from helpers.making import judged, schedule_case, trial

from harness.adapters import worker
from harness.verdict import Verdict
from harness.workers import messages

pytestmark = pytest.mark.frameworks

APIS = {
    "torch": "torch.optim.lr_scheduler.ExponentialLR",
    "mindspore": "mindspore.experimental.optim.lr_scheduler.ExponentialLR",
}


class Silent:
    """Stands for the output of a process, of which a test has none of its own."""

    def taken(self) -> str:
        return ""


def observed(framework, monkeypatch, given):
    """The trial of a good case, and what is observed where `get_last_lr` gives what it is told."""
    adapter = importlib.import_module(f"harness.adapters.{framework}_adapter")
    module, _, name = APIS[framework].rpartition(".")
    scheduler = getattr(importlib.import_module(module), name)
    if given is not None:
        original = scheduler.get_last_lr
        monkeypatch.setattr(scheduler, "get_last_lr", lambda self: given(original(self)))
    made = trial(schedule_case(), APIS[framework])
    answer = worker.answer(adapter, messages.request(made), Silent())
    return made, messages.observation(answer)


def number(rate) -> float:
    return float(rate.asnumpy() if hasattr(rate, "asnumpy") else rate)


@pytest.mark.parametrize("framework", APIS)
def test_a_rate_for_each_group_is_one(framework, monkeypatch):
    for given in (None, list, tuple, lambda rates: [number(rate) for rate in rates]):
        with monkeypatch.context() as patched:
            made, observation = observed(framework, patched, given)
            assert observation.misshapen == ""
            assert len(observation.sequences["reported"].values) == 4
            if given in (None, list, tuple):
                assert judged(made, observation).verdict is Verdict.CONFORMS


@pytest.mark.parametrize("framework", APIS)
@pytest.mark.parametrize(
    ("given", "telling"),
    [
        (lambda rates: rates * 2, "for 1 group"),
        (lambda rates: [], "gave [] for 1 group"),
        (lambda rates: rates[0], "for 1 group"),
        (iter, "iterator"),
        (lambda rates: dict(enumerate(rates)), "{0: "),
        (lambda rates: np.array([number(rate) for rate in rates]), "array("),
        (lambda rates: [rates], "of the type list"),
        (lambda rates: [np.array([number(rate) for rate in rates])], "of the type ndarray"),
        (lambda rates: [str(number(rate)) for rate in rates], "of the type str"),
        (lambda rates: [Decimal(number(rate)) for rate in rates], "of the type Decimal"),
        (lambda rates: [Fraction(number(rate)) for rate in rates], "of the type Fraction"),
        (lambda rates: [complex(number(rate)) for rate in rates], "of the type complex"),
        (lambda rates: [None], "of the type NoneType"),
        (lambda rates: [True], "of the type bool"),
    ],
)
def test_what_is_none_diverges_and_is_shown(framework, given, telling, monkeypatch):
    made, observation = observed(framework, monkeypatch, given)
    judgement = judged(made, observation)
    assert judgement.verdict is Verdict.DIVERGES
    assert "gave no rate" in judgement.reasons[0]
    assert telling in judgement.reasons[0]


@pytest.mark.parametrize("framework", APIS)
def test_rates_of_another_precision_diverge(framework, monkeypatch):
    other = {"torch": np.float32, "mindspore": np.float64}[framework]
    made, observation = observed(
        framework, monkeypatch, lambda rates: [other(number(rate)) for rate in rates]
    )
    judgement = judged(made, observation)
    assert judgement.verdict is Verdict.DIVERGES
    assert f"the reported rate is {np.dtype(other)}" in judgement.reasons[0]


@pytest.mark.parametrize("framework", APIS)
def test_rates_of_two_precisions_diverge(framework, monkeypatch):
    kinds = iter([np.float32, np.float64] * 2)
    made, observation = observed(
        framework, monkeypatch, lambda rates: [next(kinds)(number(rate)) for rate in rates]
    )
    assert judged(made, observation).verdict is Verdict.DIVERGES


def test_a_tensor_of_one_element_is_no_rate(monkeypatch):
    torch = pytest.importorskip("torch")
    made, observation = observed(
        "torch", monkeypatch, lambda rates: [torch.tensor([rate]) for rate in rates]
    )
    judgement = judged(made, observation)
    assert judgement.verdict is Verdict.DIVERGES
    assert "of the type Tensor" in judgement.reasons[0]


def test_an_array_that_an_adapter_lets_pass_is_looked_at_once_more():
    class Adapter:
        @staticmethod
        def run(request, report):
            report("reported", np.full((4, 2), 0.5))

    request = messages.request(trial(schedule_case()))
    observation = messages.observation(worker.answer(Adapter, request, Silent()))
    assert observation.misshapen == "reported rates of shape (4, 2)"


@pytest.mark.parametrize(
    ("given", "telling"),
    [
        (lambda rates: {0: rates}, "{0: "),
        (np.array, "array("),
        (lambda rates: [[rate] for rate in rates], "of the type list"),
        (lambda rates: [str(rate) for rate in rates], "of the type str"),
        (lambda rates: [Decimal(rate) for rate in rates], "of the type Decimal"),
    ],
)
def test_a_list_function_gives_a_list_of_rates(given, telling, monkeypatch):
    nn, adapter = (
        importlib.import_module(name)
        for name in ("mindspore.nn", "harness.adapters.mindspore_adapter")
    )
    original = nn.exponential_decay_lr
    monkeypatch.setattr(nn, "exponential_decay_lr", lambda **given_: given(original(**given_)))
    made = trial(schedule_case(), "mindspore.nn.exponential_decay_lr")
    observation = messages.observation(worker.answer(adapter, messages.request(made), Silent()))
    judgement = judged(made, observation)
    assert judgement.verdict is Verdict.DIVERGES
    assert telling in judgement.reasons[0]


@pytest.mark.parametrize("mode", ["pynative", "vector"])
@pytest.mark.parametrize("shape", [(1, -1), (-1, 1), (1, 1, -1)])
def test_a_cell_gives_a_rate_for_each_step(mode, shape, monkeypatch):
    nn, adapter = (
        importlib.import_module(name)
        for name in ("mindspore.nn", "harness.adapters.mindspore_adapter")
    )
    original = nn.ExponentialDecayLR.construct
    monkeypatch.setattr(
        nn.ExponentialDecayLR, "construct", lambda self, step: original(self, step).reshape(shape)
    )
    made = trial(schedule_case(), "mindspore.nn.ExponentialDecayLR")
    request = {**messages.request(made), "mode": mode}
    judgement = judged(made, messages.observation(worker.answer(adapter, request, Silent())))
    assert judgement.verdict is Verdict.DIVERGES
    assert "gave no rate: Tensor(" in judgement.reasons[0]
