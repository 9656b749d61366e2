"""What a scheduler gives in place of a rate for each group is not made one: it is told as it is.

The schedulers are the frameworks' own, with another `get_last_lr`.
"""

from __future__ import annotations

import numpy as np
import pytest
from helpers import odd_rates
from helpers.making import judged, schedule_case, trial

from harness.adapters import worker
from harness.judgement import Judgement
from harness.verdict import Verdict
from harness.workers import messages

pytestmark = [pytest.mark.frameworks, pytest.mark.xdist_group("shapes")]
FRAMEWORKS = list(odd_rates.SCHEDULERS)


def judgement(framework: str, kind, api: str = "") -> Judgement:
    made = trial(schedule_case(), api or odd_rates.SCHEDULERS[framework])
    return judged(made, odd_rates.observed(framework)[kind])


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("kind", odd_rates.RIGHT)
def test_a_rate_for_each_group_is_one(framework, kind):
    assert judgement(framework, kind).verdict is Verdict.CONFORMS


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("kind", odd_rates.NONE)
def test_what_is_none_diverges_and_is_shown(framework, kind):
    found = judgement(framework, kind)
    assert found.verdict is Verdict.DIVERGES
    assert "gave no rate" in found.reasons[0]
    assert odd_rates.NONE[kind][1] in found.reasons[0]


@pytest.mark.parametrize(
    ("framework", "kind", "telling"),
    [
        ("torch", "float32", "the reported rate is float32, not float64"),
        ("mindspore", "float64", "the reported rate is float64, not float32"),
        ("torch", "one after the other", "rates of several kinds"),
        ("mindspore", "one after the other", "the reported rate is float64, not float32"),
        ("torch", "a tensor of one element", "of the type Tensor"),
    ],
)
def test_rates_of_another_kind_diverge(framework, kind, telling):
    found = judgement(framework, kind)
    assert found.verdict is Verdict.DIVERGES
    assert telling in found.reasons[0]


@pytest.mark.parametrize("kind", odd_rates.LISTS)
def test_a_list_function_gives_a_list_of_rates(kind):
    found = judgement("mindspore", (odd_rates.LIST, kind), odd_rates.LIST)
    assert found.verdict is Verdict.DIVERGES
    assert odd_rates.LISTS[kind][1] in found.reasons[0]


@pytest.mark.parametrize("mode", odd_rates.MODES)
@pytest.mark.parametrize("shape", odd_rates.SHAPES)
def test_a_cell_gives_a_rate_for_each_step(mode, shape):
    found = judgement("mindspore", (odd_rates.CELL, mode, shape), odd_rates.CELL)
    assert found.verdict is Verdict.DIVERGES
    assert "gave no rate: Tensor(" in found.reasons[0]


def test_an_array_that_an_adapter_lets_pass_is_looked_at_once_more():
    class Adapter:
        @staticmethod
        def run(request, report):
            report("reported", np.full((4, 2), 0.5))

    class Silent:
        def taken(self):
            return ""

    request = messages.request(trial(schedule_case()))
    observation = messages.observation(worker.answer(Adapter, request, Silent()))
    assert observation.misshapen == "reported rates of shape (4, 2)"
