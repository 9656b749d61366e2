"""float16 and bfloat16: the budget of torch's schedulers, whose rate may be a tensor of these."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.draws import draws
from helpers.making import schedule_case
from hypothesis import HealthCheck, assume, given, settings
from test_no_correct_implementation import EACH, assert_within, situations

from harness.budget import seen, unit_roundoff
from harness.catalogue import IMPLEMENTATIONS, Precision, Unsupported
from harness.plan import calls_of, implementations_of

HALVES = [Precision.FLOAT16, Precision.BFLOAT16]
# What a plateau decides is decided in Python's numbers, whatever the rate is.
OF_TORCH = [
    param
    for param in EACH
    if param.values[0].api.startswith("torch.") and param.values[0].family != "plateau"
]


def within_reach(value: Any) -> bool:
    """Whether all numbers among some parameters are; float16 ends at 65504 and at 6e-5."""
    if isinstance(value, dict):
        return all(within_reach(item) for item in value.values())
    if isinstance(value, list):
        return all(within_reach(item) for item in value)
    return not isinstance(value, float) or value == 0 or 1e-3 < abs(value) < 1e4


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("mapping", OF_TORCH)
def test_no_correct_implementation_leaves_the_budget_in_16_bits(mapping, precision, monkeypatch):
    own, tried = IMPLEMENTATIONS[mapping.api], 0
    monkeypatch.setitem(IMPLEMENTATIONS, mapping.api, replace(own, precision=precision))

    @settings(
        max_examples=draws(20),
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    @given(situations(mapping, 30))
    def attempt(situation):
        nonlocal tried
        assume(within_reach(situation.schedule.model_dump()))
        tried += 1
        assert_within(situation)

    attempt()
    assert tried >= draws(20) // 4


def test_the_unit_roundoffs_are_those_of_11_and_8_bits():
    assert [unit_roundoff(precision) for precision in HALVES] == [2.0**-11, 2.0**-8]


def test_a_budget_that_is_infinite_stays_so_whoever_looks():
    rates, error = np.array([0.5, 0.0]), np.array([np.inf, np.inf])
    for stored in Precision:
        assert np.isinf(seen(error, rates, Precision.FLOAT32, stored)).all()


@pytest.mark.parametrize("precision", HALVES)
def test_a_case_with_a_tensor_of_16_bits_is_for_torchs_schedulers_and_in_its_precision(precision):
    case = schedule_case(lr_dtype=precision.value)
    able = [i for i in implementations_of(case) if not isinstance(calls_of(case, i), Unsupported)]
    assert able
    for implementation in able:
        assert implementation.framework == "torch"
        assert implementation.precision is precision
