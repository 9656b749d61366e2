"""How far apart the implementations are, case by case."""

from __future__ import annotations

import math

import pytest
from helpers.making import (
    CELL,
    HALVES,
    LIST,
    TORCH_EXPONENTIAL,
    TORCH_STEP,
    judged,
    raised,
    schedule_case,
    seen,
    surface_case,
    trial,
)

from harness.agreement import agreements


def judgement(rates, api=TORCH_EXPONENTIAL, applied=None, **fields):
    made = trial(schedule_case(**fields), api)
    return judged(made, seen(made, rates, applied))


def by_sequence(*judgements):
    return {a.sequence: a for a in agreements(judgements)}


def test_the_widest_disagreement_of_a_case_is_found_with_its_step_and_its_trials():
    torch, cell = judgement(HALVES), judgement([0.5, 0.25, 0.1875, 0.0625], CELL)
    found = by_sequence(torch, cell)
    assert set(found) == {"reported", "applied"}
    widest = found["reported"]
    assert (widest.case, widest.step, widest.difference) == ("halves", 2, 0.0625)
    assert (widest.first, widest.second) == (torch.trial.id, cell.trial.id)
    room = torch.comparisons[0].allowed[2] + cell.comparisons[0].allowed[2]
    assert widest.share == pytest.approx(0.0625 / room)


def test_trials_that_agree_have_no_share_of_their_budgets_in_use():
    widest = by_sequence(judgement(HALVES), judgement(HALVES, CELL))["reported"]
    assert (widest.difference, widest.share) == (0.0, 0.0)


def test_the_reported_and_the_applied_rate_are_compared_apart():
    found = by_sequence(judgement(HALVES), judgement(HALVES, TORCH_STEP, applied=[0.5] * 4))
    assert found["reported"].difference == 0.0
    assert (found["applied"].difference, found["applied"].step) == (0.4375, 3)


def test_the_widest_is_by_the_room_that_both_have_not_by_the_difference():
    # 1e-9 is much for two float64 implementations, and nothing for one in float32.
    exact = judgement(HALVES)
    float64_off = judgement([0.5, 0.25, 0.125 + 1e-9, 0.0625], LIST)
    float32_off = judgement([0.5, 0.25 + 1e-8, 0.125, 0.0625], CELL)
    widest = by_sequence(exact, float64_off, float32_off)["reported"]
    assert widest.step == 2
    assert {widest.first, widest.second} == {exact.trial.id, float64_off.trial.id}


def test_of_three_trials_the_lowest_and_the_highest_are_named():
    low = judgement([0.5, 0.125, 0.125, 0.0625], LIST)
    middle = judgement(HALVES)
    high = judgement([0.5, 0.5, 0.125, 0.0625], TORCH_STEP)
    widest = by_sequence(middle, high, low)["reported"]
    assert (widest.first, widest.second) == (low.trial.id, high.trial.id)
    assert widest.difference == 0.375


def test_cases_are_kept_apart():
    found = list(
        agreements(
            [
                judgement(HALVES),
                judgement(HALVES, CELL),
                judgement([0.5] * 4, name="another"),
                judgement(HALVES, CELL, name="another"),
            ]
        )
    )
    assert [(a.case, a.sequence) for a in found] == [
        ("halves", "reported"),
        ("halves", "applied"),
        ("another", "reported"),
        ("another", "applied"),
    ]
    assert [a.share > 0 for a in found] == [False, False, True, True]


def test_a_trial_alone_agrees_with_nobody():
    assert list(agreements([judgement(HALVES)])) == []


def test_what_has_no_rates_is_left_out():
    made, surface = trial(schedule_case()), trial(surface_case({"lacks": ["verbose"]}))
    without = [
        judged(made, raised("ValueError")),
        judged(surface, raised("ValueError")),
        judgement([], LIST),
    ]
    assert list(agreements([judgement(HALVES), *without])) == []


def test_a_shorter_sequence_is_compared_as_far_as_it_goes():
    short, long = judgement([0.5, 0.25]), judgement([0.5, 0.5, 0.125, 9.0], CELL)
    widest = by_sequence(short, long)["reported"]
    assert (widest.step, widest.difference) == (1, 0.25)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_the_judges_business_and_left_out(odd):
    torch = judgement([0.5, odd, 0.125, 0.0625])
    cell = judgement([0.5, 0.25, 0.1875, 0.0625], CELL)
    widest = by_sequence(torch, cell)["reported"]
    assert (widest.step, widest.difference) == (2, 0.0625)
    nothing = judgement([odd] * 4)
    assert by_sequence(nothing, nothing)["reported"].share == 0.0


def test_steps_are_told_by_their_number_in_the_training():
    fields = {"steps": [10, 20], "expected": {"values": {10: 0.5**11}}}
    rates = [0.5**11, 0.5**21]
    widest = by_sequence(judgement(rates, **fields), judgement([0.5**11, 1.0], CELL, **fields))
    assert widest["reported"].step == 20
