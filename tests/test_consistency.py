"""Cases that are well formed and wrong all the same, found without any framework."""

from __future__ import annotations

import math

import pytest
from helpers.making import (
    CELL,
    HALVING,
    LIST,
    TORCH_EXPONENTIAL,
    TORCH_STEP,
    growing_case,
    judged,
    record,
    schedule_case,
    seen,
    surface_case,
    trial,
)

from harness.consistency import inconsistencies
from harness.load import Loaded
from harness.verdict import Verdict


def problems(*cases, records=()):
    return list(inconsistencies(Loaded(cases, ()), records))


def test_good_cases_have_no_problem():
    assert problems(schedule_case(), surface_case({"lacks": ["verbose"]})) == []


def test_a_number_that_contradicts_the_reference_is_told_with_all_that_is_needed():
    case = schedule_case(expected={"values": [0.5, 0.25, 0.13, 0.0625]})
    (problem,) = problems(case)
    assert (problem.file, problem.line) == ("cases/made.yaml", 3)
    assert problem.key == "halves: expected.values"
    assert "step 2 is 0.13 here and 0.125 by the reference model: error 0.005" in problem.what
    assert problem.remedy == "correct the number or the schedule"


def test_every_wrong_number_is_told():
    case = schedule_case(expected={"values": {0: 0.4, 1: 0.25, 3: 0.0}})
    assert [p.what.split(" is ")[0] for p in problems(case)] == ["step 0", "step 3"]


def test_steps_are_told_by_their_number_in_the_training():
    case = schedule_case(steps={"start": 10, "stop": 12}, expected={"values": {11: 0.5}})
    (problem,) = problems(case)
    assert problem.what.startswith("step 11 is 0.5 here")


def test_a_case_that_expects_an_exception_has_no_numbers_to_be_wrong():
    assert problems(schedule_case(expected={"raises": "ValueError"})) == []


def test_a_case_is_held_to_the_most_exact_digits_that_any_of_its_implementations_can_give():
    # The printed float32 is off by 5e-9, which is nothing to float32 and too much for float64.
    fields = {
        "schedule": {"base_lr": 0.1, "decay_rate": 0.9, "decay_steps": 4},
        "steps": [2],
        "expected": {"values": [0.094868325]},
    }
    assert problems(schedule_case(**fields, implementations=[CELL])) == []
    assert len(problems(schedule_case(**fields, implementations=[LIST]))) == 1
    # For both, the widest budget counts: what is broken for float64 only is found when it runs.
    assert problems(schedule_case(**fields, implementations=[CELL, LIST])) == []


@pytest.mark.parametrize(
    "tolerance", [{"atol": 0.006}, {"rtol": 0.04}, {"atol": 1e-9, "rtol": 0.04}]
)
def test_a_tolerance_of_the_case_is_room_for_its_numbers(tolerance):
    values = {"values": [0.5, 0.25, 0.13, 0.0625]}
    assert problems(schedule_case(expected=values, tolerance={**tolerance, "reason": "a"})) == []
    tight = {name: value / 10 for name, value in tolerance.items()}
    case = schedule_case(expected=values, tolerance={**tight, "reason": "a"})
    assert len(problems(case)) == 1


def test_a_tolerance_in_units_of_the_last_place_is_room_too_as_it_is_to_the_judge():
    # 0.0949 is printed to three digits, 3.2e-5 from the rate: 4,260 units of float32 at 0.09.
    case = schedule_case(
        schedule={"base_lr": 0.1, "decay_rate": 0.9, "decay_steps": 4},
        steps=[2],
        expected={"values": [0.0949]},
        tolerance={"ulp": 10_000, "reason": "the source prints three digits"},
        implementations=[CELL],
    )
    made = trial(case, CELL)
    assert judged(made, seen(made, [0.094868325])).verdict is Verdict.CONFORMS
    assert problems(case) == []


def test_rates_beyond_the_range_are_infinite():
    assert problems(growing_case([308, 309], [1e308, math.inf])) == []
    assert len(problems(growing_case([308, 309], [1e308, 1e308]))) == 1
    early = growing_case([307, 308], [1e307, math.inf], implementations=[LIST])
    assert len(problems(early)) == 1


def test_a_case_for_float32_may_expect_the_infinity_that_float32_has():
    assert problems(growing_case([39], [math.inf], implementations=[CELL])) == []
    assert len(problems(growing_case([39], [math.inf], implementations=[LIST]))) == 1


@pytest.mark.parametrize("rate", [1e39, 1e-50])
def test_a_wrong_number_is_found_beside_a_rate_that_float32_has_not(rate):
    # At step 0 the rate has no power yet, so the budget is as narrow there as ever.
    case = schedule_case(
        schedule={"base_lr": 0.1, "decay_rate": rate, "decay_steps": 1},
        steps=2,
        expected={"values": {0: 0.2}},
        implementations=[TORCH_EXPONENTIAL, CELL],
    )
    assert [p.what.split(" is ")[0] for p in problems(case)] == ["step 0"]


def test_decimals_worked_out_by_hand_do_not_contradict_their_own_rounding():
    # 0.1 * 0.99 ** 1000 from the decimals; with the nearest float64s it is 4.3171247410657866e-06,
    # off by 9e-15 of itself, which is more than a closed form in float64 is allowed.
    case = schedule_case(
        schedule={**HALVING, "base_lr": 0.1, "decay_rate": 0.99},
        steps=[1000],
        expected={"values": [4.317124741065825e-06]},
        implementations=[LIST],
    )
    assert problems(case) == []


def test_a_case_that_nothing_can_express_is_held_to_more_than_its_numerals():
    # A smooth decay is not StepLR's. Its numbers are still right to the last digits.
    case = schedule_case(
        schedule={"base_lr": 0.1, "decay_rate": 0.9, "decay_steps": 4},
        steps=[2],
        expected={"values": [0.09486832980505138]},
        implementations=[TORCH_STEP],
    )
    assert problems(case) == []


def test_a_record_of_a_case_that_is_not_there_is_told_with_the_nearest_name():
    one = record(cases=["halves", "halvs", "quite another"])
    first, second = problems(schedule_case(), records=[one])
    assert (first.file, first.line, first.key) == ("cases/made.yaml", 3, "stands still: cases")
    assert first.what == "there is no case 'halvs'; did you mean 'halves'?"
    assert second.what == "there is no case 'quite another'"
    assert "remove the record" in second.remedy


def test_records_are_not_looked_at_unless_asked_for():
    loaded = Loaded((schedule_case(),), (record(cases=["not here"]),))
    assert list(inconsistencies(loaded)) == []
