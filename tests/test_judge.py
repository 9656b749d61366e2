"""The judge, against observations that are right, and wrong in every way that we could think of."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.making import (
    CELL,
    EXPERIMENTAL_EXPONENTIAL,
    HALVES,
    HALVING,
    LIST,
    TORCH_EXPONENTIAL,
    TORCH_STEP,
    growing_case,
    judged,
    raised,
    record,
    schedule_case,
    seen,
    sequence,
    signature,
    skipped,
    surface_case,
    trial,
)

from harness.catalogue import Precision, mappings
from harness.diagnosis import UNEXPLAINED, diagnose
from harness.judge import Judge
from harness.observation import Lost, Observation, Parameter, Raised
from harness.plan import Skip
from harness.signature import signature_text
from harness.verdict import Verdict

NAN, INF = math.nan, math.inf
APIS = sorted(row.api for row in mappings(family="exponential"))


def verdict_on(rates, *, case=None, api=TORCH_EXPONENTIAL, applied=None):
    made = trial(case or schedule_case(), api)
    return judged(made, seen(made, rates, applied))


# Right, and wrong.


@pytest.mark.parametrize("api", APIS)
def test_the_exact_rates_conform(api):
    judgement = verdict_on(HALVES, api=api)
    assert judgement.verdict is Verdict.CONFORMS
    assert judgement.reasons == ()
    assert judgement.first is None
    for comparison in judgement.comparisons:
        assert comparison.absolute.value == comparison.ulp.value == comparison.share.value == 0
        assert comparison.length == 4


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("rates", "step", "due", "observed"),
    [
        pytest.param([0.5, 0.5, 0.25, 0.125], 1, 0.25, 0.5, id="one step late"),
        pytest.param([0.25, 0.125, 0.0625, 0.03125], 0, 0.5, 0.25, id="one step early"),
        pytest.param([0.5, 0.25, 0.25, 0.0625], 2, 0.125, 0.25, id="wrong once"),
        pytest.param([0.5, 0.25, 0.125, -0.0625], 3, 0.0625, -0.0625, id="wrong sign"),
        pytest.param([0.5, 0.25, 0.0, 0.0625], 2, 0.125, 0.0, id="zero"),
        pytest.param([0.5, INF, 0.125, 0.0625], 1, 0.25, INF, id="infinite"),
        pytest.param([0.5, -INF, 0.125, 0.0625], 1, 0.25, -INF, id="infinite below"),
        pytest.param([0.5, 0.25, 0.125, NAN], 3, 0.0625, NAN, id="not a number"),
        pytest.param([NAN] * 4, 0, 0.5, NAN, id="no numbers at all"),
    ],
)
def test_a_wrong_rate_diverges_with_its_step(api, rates, step, due, observed):
    judgement = verdict_on(rates, api=api)
    assert judgement.verdict is Verdict.DIVERGES
    first = judgement.first
    assert (first.sequence, first.step, first.due) == ("reported", step, due)
    assert first.observed == observed or (math.isnan(first.observed) and math.isnan(observed))
    assert f"reported rate at step {step}" in judgement.reasons[0]
    assert "(and 0 more)" not in judgement.reasons[0]
    assert repr(due) in judgement.reasons[0]
    assert repr(observed) in judgement.reasons[0]


def test_every_step_that_diverges_is_counted():
    judgement = verdict_on([0.5, 0.5, 0.25, 0.0625])
    reported = judgement.comparisons[0]
    assert reported.diverging.tolist() == [1, 2]
    assert "(and 1 more)" in judgement.reasons[0]
    assert (reported.absolute.value, reported.absolute.step) == (0.25, 1)
    assert (reported.relative.value, reported.relative.step) == (1.0, 1)


@pytest.mark.parametrize("api", APIS)
def test_one_rate_beyond_its_budget_diverges_and_one_within_it_conforms(api):
    case = schedule_case(
        schedule={"base_lr": 0.1, "decay_rate": 0.9, "decay_steps": 1},
        expected={"values": {0: 0.1}},
    )
    made = trial(case, api)
    exact = case.schedule.rates(case.observed_steps, 1)
    comparison = judged(made, seen(made, exact)).comparisons[0]
    allowed, remainder = comparison.allowed[2], comparison.remainder[2]
    # A float64 budget is a unit or two in the last place wide, so these are as close as it gets.
    for budgets, verdict in ((0.5, Verdict.CONFORMS), (2, Verdict.DIVERGES)):
        for sign in (1, -1):
            rates = exact.copy()
            rates[2] += remainder + sign * budgets * allowed
            observation = seen(made, exact)
            reported = replace(observation.sequences["reported"], values=rates)
            observation = replace(
                observation, sequences={**observation.sequences, "reported": reported}
            )
            judgement = judged(made, observation)
            assert judgement.verdict is verdict
            if verdict is Verdict.DIVERGES:
                assert judgement.comparisons[0].diverging.tolist() == [2]
                assert judgement.comparisons[0].share.value == pytest.approx(2, rel=0.25)
                assert judgement.comparisons[0].share.step == 2


def test_a_case_without_numbers_of_its_own_at_a_step_is_held_against_the_reference_there():
    case = schedule_case(expected={"values": {0: 0.5}})
    judgement = verdict_on([0.5, 0.25, 0.3, 0.0625], case=case)
    assert judgement.verdict is Verdict.DIVERGES
    assert (judgement.first.step, judgement.first.against) == (2, "reference")
    judgement = verdict_on([0.6, 0.25, 0.125, 0.0625], case=case)
    assert (judgement.first.step, judgement.first.against) == (0, "expected")


def test_where_the_rate_is_zero_a_relative_error_is_infinite_or_none():
    case = schedule_case(
        schedule={**HALVING, "decay_rate": 0.0}, expected={"values": [0.5, 0.0, 0.0, 0.0]}
    )
    right, wrong = verdict_on([0.5, 0, 0, 0], case=case), verdict_on([0.5, 0, 1e-9, 0], case=case)
    assert right.verdict is Verdict.CONFORMS
    assert right.comparisons[0].relative.value == 0.0
    assert wrong.verdict is Verdict.DIVERGES
    assert (wrong.comparisons[0].relative.value, wrong.comparisons[0].relative.step) == (INF, 2)


def test_steps_are_told_by_their_number_in_the_training():
    case = schedule_case(steps={"start": 10, "stop": 12}, expected={"values": {10: 0.5**11}})
    judgement = verdict_on([0.5**11, 0.5**11], case=case)
    assert judgement.first.step == 11
    assert judgement.comparisons[0].diverging.tolist() == [11]


# Sequences that are not as long as asked for, not there, or not of the right kind.


def test_too_short_a_sequence_diverges_where_it_ends():
    judgement = verdict_on(HALVES[:2])
    assert judgement.verdict is Verdict.DIVERGES
    first = judgement.first
    assert (first.step, first.observed, first.due) == (2, None, 0.125)
    assert "reported rate at step 2: missing, 0.125 was due (and 1 more)" in judgement.reasons
    assert "applied rate at step 2: missing, 0.125 was due (and 1 more)" in judgement.reasons
    assert judgement.comparisons[0].diverging.tolist() == [2, 3]


def test_an_empty_sequence_diverges_from_the_start():
    judgement = verdict_on([])
    assert judgement.verdict is Verdict.DIVERGES
    assert (judgement.first.step, judgement.first.observed) == (0, None)
    reported = judgement.comparisons[0]
    assert reported.absolute is reported.relative is reported.ulp is reported.share is None
    assert reported.diverging.tolist() == [0, 1, 2, 3]


def test_a_wrong_rate_comes_before_a_missing_one():
    judgement = verdict_on([0.5, 0.5])
    assert (judgement.first.step, judgement.first.observed) == (1, 0.5)
    assert judgement.comparisons[0].diverging.tolist() == [1, 2, 3]


def test_too_long_a_sequence_diverges():
    judgement = verdict_on([*HALVES, 0.03125])
    assert judgement.verdict is Verdict.DIVERGES
    assert "5 reported rates for 4 steps" in judgement.reasons
    assert judgement.comparisons[0].length == 5


@pytest.mark.parametrize("missing", ["reported", "applied"])
def test_a_rate_that_was_not_observed_is_no_pass(missing):
    made = trial(schedule_case())
    observation = seen(made, HALVES)
    rest = {name: s for name, s in observation.sequences.items() if name != missing}
    judgement = judged(made, replace(observation, sequences=rest))
    assert judgement.verdict is Verdict.DIVERGES
    assert judgement.reasons == (f"the {missing} rate was not observed",)


def test_nothing_observed_at_all_is_no_pass():
    judgement = judged(trial(schedule_case()), Observation())
    assert judgement.verdict is Verdict.DIVERGES
    assert len(judgement.reasons) == 2


def test_a_rate_that_is_reported_right_and_applied_wrong_diverges():
    judgement = verdict_on(HALVES, applied=[0.5] * 4)
    assert judgement.verdict is Verdict.DIVERGES
    assert (judgement.first.sequence, judgement.first.step) == ("applied", 1)
    reported, applied = judgement.comparisons
    assert (reported.name, len(reported.diverging)) == ("reported", 0)
    assert (applied.name, applied.diverging.tolist()) == ("applied", [1, 2, 3])


def test_a_rate_that_is_applied_right_and_reported_wrong_diverges():
    judgement = verdict_on([0.5] * 4, applied=HALVES)
    assert judgement.verdict is Verdict.DIVERGES
    assert judgement.first.sequence == "reported"
    assert len(judgement.reasons) == 1


@pytest.mark.parametrize(
    ("api", "name", "precision"),
    [
        (TORCH_EXPONENTIAL, "reported", "float32"),
        (TORCH_STEP, "applied", "float32"),
        (CELL, "reported", "float64"),
        (LIST, "applied", "float64"),
    ],
)
def test_a_rate_of_the_wrong_precision_diverges_though_its_value_is_right(api, name, precision):
    made = trial(schedule_case(), api)
    observation = seen(made, HALVES)
    wrong = {**observation.sequences, name: sequence(Precision(precision), HALVES)}
    judgement = judged(made, replace(observation, sequences=wrong))
    assert judgement.verdict is Verdict.DIVERGES
    (reason,) = judgement.reasons
    assert reason.startswith(f"the {name} rate is {precision}, not float")


# Rates beyond the range.


def test_a_rate_beyond_float64_is_due_as_infinity():
    case = growing_case([308, 309], [1e308, INF])
    assert verdict_on([1e308, INF], case=case).verdict is Verdict.CONFORMS
    for wrong in (1e308, -INF, NAN, 0.0):
        judgement = verdict_on([1e308, wrong], case=case)
        assert judgement.verdict is Verdict.DIVERGES
        assert judgement.first.step == 309


def test_an_infinity_where_the_rate_is_still_in_range_diverges():
    case = growing_case([307, 308], [1e307, 1e308])
    assert verdict_on([1e307, INF], case=case).verdict is Verdict.DIVERGES


def test_a_rate_beyond_float32_is_due_as_infinity_in_float32():
    for values in ({38: 1e38}, {38: 1e38, 39: 1e39}):
        case = growing_case([38, 39], values)
        judgement = verdict_on([1e38, INF], case=case, api=CELL)
        assert judgement.verdict is Verdict.CONFORMS, judgement.reasons
        assert verdict_on([1e38, 3e38], case=case, api=CELL).verdict is Verdict.DIVERGES


def test_a_case_for_float32_may_expect_the_infinity_that_float32_has():
    case = growing_case([38, 39], {39: INF}, implementations=[CELL])
    judgement = verdict_on([1e38, INF], case=case, api=CELL)
    assert judgement.verdict is Verdict.CONFORMS, judgement.reasons
    assert verdict_on([1e38, 3e38], case=case, api=CELL).verdict is Verdict.DIVERGES


@pytest.mark.parametrize(
    "tolerance", [{"rtol": 1e-6}, {"atol": 1e-6}, {"ulp": 0}, {"ulp": 4}, {"rtol": 1e-6, "ulp": 1}]
)
def test_a_tolerance_neither_lets_a_number_pass_for_an_infinity_nor_refuses_the_infinity(tolerance):
    tolerance = {**tolerance, "reason": "a test"}
    case = growing_case([308, 309], [1e308, INF], tolerance=tolerance)
    for wrong in (5.0, -INF, NAN):
        assert verdict_on([1e308, wrong], case=case).verdict is Verdict.DIVERGES
    judgement = verdict_on([1e308, INF], case=case)
    assert judgement.verdict is Verdict.CONFORMS, judgement.reasons


@pytest.mark.parametrize("tolerance", [{"rtol": 1e308}, {"atol": 1.7e308}, {"ulp": 1e308}])
@pytest.mark.parametrize("wrong", [NAN, INF, -INF])
def test_no_tolerance_lets_what_is_no_number_pass(tolerance, wrong):
    case = schedule_case(
        schedule={**HALVING, "base_lr": 1e10},
        expected={"values": {0: 1e10, 1: 5e9}},
        tolerance={**tolerance, "reason": "a test"},
    )
    rates = [1e10, wrong, 2.5e9, 1.25e9]
    assert verdict_on(rates, case=case).verdict is Verdict.DIVERGES


@pytest.mark.parametrize(
    ("base", "rate", "rates"),
    [
        # In float32 the first is infinite from the start, the second once it has a power.
        pytest.param(1e39, 0.5, [INF, INF], id="base"),
        pytest.param(1.0, 1e39, [1.0, INF, INF], id="rate"),
    ],
)
@pytest.mark.parametrize("api", [CELL, EXPERIMENTAL_EXPONENTIAL])
def test_a_parameter_beyond_float32_is_judged_like_any_other(api, base, rate, rates):
    case = schedule_case(
        schedule={"base_lr": base, "decay_rate": rate, "decay_steps": 1},
        steps=len(rates),
        expected={"values": {0: base}},
    )
    judgement = verdict_on(rates, case=case, api=api)
    assert judgement.verdict is Verdict.CONFORMS, judgement.reasons
    assert verdict_on([NAN, *rates[1:]], case=case, api=api).verdict is Verdict.DIVERGES


# A case's own tolerance.


def printed_case(value: float, **fields):
    """The mapping page's second example, which prints one float32."""
    return schedule_case(
        schedule={"base_lr": 0.1, "decay_rate": 0.9, "decay_steps": 4},
        steps=[2],
        expected={"values": [value]},
        implementations=[CELL],
        **fields,
    )


EVERY_DIGIT = {"ulp": 0, "reason": "every printed digit counts"}
# 0.09486833 is the true value, and 0.094868325 the float32 that the page prints for it.
PRINTED = 0.094868325
NEXT = float(np.nextafter(np.float32(PRINTED), np.float32(1)))


def test_with_no_ulp_allowed_the_printed_digits_pass_and_their_neighbour_does_not():
    case = printed_case(PRINTED, tolerance=EVERY_DIGIT)
    assert verdict_on([PRINTED], case=case, api=CELL).verdict is Verdict.CONFORMS
    judgement = verdict_on([NEXT], case=case, api=CELL)
    assert judgement.verdict is Verdict.DIVERGES
    assert judgement.first.against == "expected"
    assert judgement.first.due == float(np.float32(PRINTED))
    assert judgement.first.allowed == 0
    # The neighbour is well within what float32 can be expected to hold.
    assert verdict_on([NEXT], case=printed_case(PRINTED), api=CELL).verdict is Verdict.CONFORMS


def test_with_no_ulp_allowed_a_float64_is_held_to_all_of_its_digits():
    case = schedule_case(
        schedule={"base_lr": 0.1, "decay_rate": 0.9, "decay_steps": 1},
        steps=[1],
        expected={"values": [0.09000000000000001]},
        tolerance=EVERY_DIGIT,
    )
    assert verdict_on([0.1 * 0.9], case=case).verdict is Verdict.CONFORMS
    assert verdict_on([0.09], case=case).verdict is Verdict.DIVERGES


def test_so_many_units_in_the_last_place_are_those_of_the_observed_precision():
    # Between 2 ** -4 and 2 ** -3 a unit of float32 is 2 ** -27.
    case = printed_case(PRINTED, tolerance={"ulp": 3, "reason": "a test"})
    exact = float(np.float32(PRINTED))
    assert verdict_on([exact + 3 * 2.0**-27], case=case, api=CELL).verdict is Verdict.CONFORMS
    assert verdict_on([exact - 4 * 2.0**-27], case=case, api=CELL).verdict is Verdict.DIVERGES


@pytest.mark.parametrize(
    ("tolerance", "inside", "outside"),
    [
        ({"rtol": 0.01}, 0.12624, 0.12626),  # 0.125 * 1.01 = 0.12625
        ({"atol": 0.01}, 0.13499, 0.13501),
        ({"rtol": 0.01, "atol": 0.02}, 0.14499, 0.14501),  # the greater of both
        ({"rtol": 0.2, "atol": 0.02}, 0.14999, 0.15001),
    ],
)
def test_a_tolerance_of_the_case_takes_the_place_of_the_budget(tolerance, inside, outside):
    case = schedule_case(tolerance={**tolerance, "reason": "a test"})
    assert verdict_on([0.5, 0.25, inside, 0.0625], case=case).verdict is Verdict.CONFORMS
    judgement = verdict_on([0.5, 0.25, outside, 0.0625], case=case)
    assert judgement.verdict is Verdict.DIVERGES
    assert judgement.first.step == 2


def test_a_tolerance_holds_for_the_numbers_of_the_case_only():
    case = schedule_case(
        expected={"values": {1: 0.25}}, tolerance={"rtol": 0.1, "reason": "a test"}
    )
    assert verdict_on([0.5, 0.26, 0.125, 0.0625], case=case).verdict is Verdict.CONFORMS
    judgement = verdict_on([0.5, 0.26, 0.126, 0.0625], case=case)
    assert judgement.verdict is Verdict.DIVERGES
    assert (judgement.first.step, judgement.first.against) == (2, "reference")


# Cases that are wrong themselves.


def test_a_case_that_contradicts_the_reference_is_broken_whatever_was_observed():
    case = schedule_case(expected={"values": [0.5, 0.25, 0.13, 0.0625]})
    for rates in (HALVES, [0.5, 0.25, 0.13, 0.0625]):
        judgement = verdict_on(rates, case=case)
        assert judgement.verdict is Verdict.BROKEN_CASE
        (reason,) = judgement.reasons
        assert "expects 0.13 at step 2" in reason
        assert "reference model says 0.125" in reason
        assert f"{rates[2]!r} was reported" in reason
        assert "error 0.005" in reason
        assert "allowed " in reason


def test_a_case_that_expects_an_infinity_for_a_number_is_broken():
    case = schedule_case(expected={"values": [0.5, INF, 0.125, 0.0625]})
    assert verdict_on(HALVES, case=case).verdict is Verdict.BROKEN_CASE
    case = growing_case([308, 309], [1e308, 1e308])
    assert verdict_on([1e308, INF], case=case).verdict is Verdict.BROKEN_CASE


def test_a_number_that_is_good_enough_for_float32_only_is_broken_for_float64():
    # The printed float32 is off by 5e-9: nothing to float32, and everything to float64.
    case = schedule_case(
        schedule={"base_lr": 0.1, "decay_rate": 0.9, "decay_steps": 4},
        steps=[2],
        expected={"values": [PRINTED]},
    )
    exact = 0.09486832980505138
    assert verdict_on([exact], case=case, api=CELL).verdict is Verdict.CONFORMS
    assert verdict_on([exact], case=case, api=LIST).verdict is Verdict.BROKEN_CASE


def test_decimals_worked_out_by_hand_do_not_break_a_case():
    # 0.1 * 0.99 ** 1000 from the decimals, which is off by 9e-15 from that of the nearest float64s:
    # more than a closed form in float64 is allowed, and no fault of the case.
    case = schedule_case(
        schedule={"base_lr": 0.1, "decay_rate": 0.99, "decay_steps": 1},
        steps=[1000],
        expected={"values": [4.317124741065825e-06]},
    )
    judgement = verdict_on([4.3171247410657866e-06], case=case, api=LIST)
    assert judgement.verdict is Verdict.CONFORMS, judgement.reasons
    # To the implementation, the reference stays the measure.
    judgement = verdict_on([4.317124741065825e-06], case=case, api=LIST)
    assert judgement.verdict is Verdict.DIVERGES
    assert judgement.first.against == "reference"


def test_a_tolerance_wide_enough_for_its_numbers_mends_a_case():
    values = [0.5, 0.25, 0.13, 0.0625]
    tolerance = {"atol": 0.006, "reason": "the source prints two digits"}
    case = schedule_case(expected={"values": values}, tolerance=tolerance)
    assert verdict_on(HALVES, case=case).verdict is Verdict.CONFORMS


def test_no_record_makes_up_for_a_broken_case():
    case = schedule_case(expected={"values": [0.5, 0.25, 0.13, 0.0625]})
    made = trial(case)
    observation = replace(seen(made, HALVES[:3]), raised=Raised("ValueError", (), "no more"))
    records = [record(observed={"values": {2: 0.125}}), record(observed={"raises": "ValueError"})]
    for one in records:
        assert judged(made, observation, one).verdict is Verdict.BROKEN_CASE


# Exceptions.


def test_an_exception_where_values_are_due_is_a_refusal():
    judgement = judged(trial(schedule_case()), raised("ValueError", "no such gamma"))
    assert judgement.verdict is Verdict.REFUSED
    assert judgement.reasons == ("raised ValueError: no such gamma where values were due",)


def test_an_exception_in_the_middle_is_a_refusal_that_keeps_what_was_seen():
    made = trial(schedule_case())
    observation = replace(seen(made, HALVES[:2]), raised=Raised("RuntimeError", (), "enough"))
    judgement = judged(made, observation)
    assert judgement.verdict is Verdict.REFUSED
    assert [c.length for c in judgement.comparisons] == [2, 2]


@pytest.mark.parametrize("gamma", ["much", None, [0.5]])
def test_an_argument_that_is_no_number_is_judged_by_what_comes_of_it(gamma):
    # The first rate is seen before gamma is used, so there is something to compare.
    schedule = {**HALVING, "decay_steps": 3}
    case = schedule_case(schedule=schedule, expected={"values": {0: 0.5}})
    made = trial(case)
    made = replace(made, call=made.call.overridden({"gamma": gamma}))
    observation = replace(seen(made, [0.5]), raised=Raised("TypeError", (), "no"))
    assert judged(made, observation).verdict is Verdict.REFUSED


@pytest.mark.parametrize(
    "due", ["OverflowError", "ArithmeticError", ["TypeError", "ArithmeticError"]]
)
def test_the_exception_that_is_due_or_one_derived_from_it_conforms(due):
    case = schedule_case(expected={"raises": due})
    observation = raised("OverflowError", "", ("ArithmeticError", "Exception"))
    assert judged(trial(case), observation).verdict is Verdict.CONFORMS


def test_another_exception_than_the_one_due_diverges():
    case = schedule_case(expected={"raises": "ValueError"})
    judgement = judged(trial(case), raised("TypeError", "no"))
    assert judgement.verdict is Verdict.DIVERGES
    assert judgement.reasons == ("raised TypeError: no where ValueError was due",)


def stopped(made, rates, text="enough", applied=None):
    """An observation that an exception ended after some rates."""
    return replace(seen(made, rates, applied), raised=Raised("ValueError", ("Exception",), text))


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_exception_is_due_at_a_step_and_at_no_other(at):
    made = trial(schedule_case(expected={"raises": "ValueError", "at": at}))
    for reached in range(4):
        judgement = judged(made, stopped(made, HALVES[:reached]))
        assert (judgement.verdict is Verdict.CONFORMS) is (reached == at), reached
    if at != 3:
        (reason,) = judgement.reasons
        assert reason.endswith(f"the rate of step 3, and it was due before the rate of step {at}")


def test_an_exception_is_due_at_construction_unless_a_step_is_given():
    made = trial(schedule_case(expected={"raises": "ValueError"}))
    assert judged(made, raised("ValueError")).verdict is Verdict.CONFORMS
    judgement = judged(made, stopped(made, []))
    assert judgement.verdict is Verdict.DIVERGES
    assert "before the rate of step 0, and it was due at construction" in judgement.reasons[0]


def test_an_exception_after_the_last_rate_is_one_at_the_step_after_it():
    made = trial(schedule_case(expected={"raises": "ValueError", "at": 4}))
    assert judged(made, stopped(made, HALVES)).verdict is Verdict.CONFORMS


@pytest.mark.parametrize(
    ("reported", "applied"),
    [
        ([0.5, 0.3], HALVES[:2]),
        (HALVES[:2], [0.5, 250000.0]),
        ([NAN, 0.25], HALVES[:2]),
        ([0.5, 0.25, 0.2], HALVES[:2]),
    ],
)
def test_rates_before_an_exception_that_is_due_are_as_due(reported, applied):
    made = trial(schedule_case(expected={"raises": "ValueError", "at": 2}))
    judgement = judged(made, stopped(made, reported, applied=applied))
    assert judgement.verdict is Verdict.DIVERGES
    assert "before it, " in judgement.reasons[0]


@pytest.mark.parametrize("name", ["reported", "applied"])
def test_rates_before_an_exception_on_record_are_as_due_or_recorded(name):
    made = trial(schedule_case())
    one = record(observed={"raises": "ValueError", "at": 2})
    assert judged(made, stopped(made, HALVES[:2]), one).verdict is Verdict.KNOWN_DIVERGENCE
    wrong = {"rates": HALVES[:2], "applied": HALVES[:2]}
    wrong["applied" if name == "applied" else "rates"] = [0.5, 0.75]
    judgement = judged(made, stopped(made, **wrong), one)
    assert judgement.verdict is Verdict.REFUSED
    assert f"the {name} rate at step 1 is 0.75" in judgement.reasons[-1]
    seen_too = {"raises": "ValueError", "at": 2, "sequences": {name: {"values": {1: 0.75}}}}
    two = record(observed=seen_too)
    assert judged(made, stopped(made, **wrong), two).verdict is Verdict.KNOWN_DIVERGENCE
    assert judged(made, stopped(made, HALVES[:2]), two).verdict is Verdict.STALE


@pytest.mark.parametrize("reached", [0, 1, 3, 4])
def test_an_exception_on_record_comes_at_the_recorded_step(reached):
    made = trial(schedule_case())
    one = record(observed={"raises": "ValueError", "at": 2})
    judgement = judged(made, stopped(made, HALVES[:reached]), one)
    assert judgement.verdict is Verdict.REFUSED
    assert "and before the rate of step 2 is recorded" in judgement.reasons[-1]
    early = judged(made, raised("ValueError"), one)
    assert "it raised ValueError at construction" in early.reasons[-1]


# What is no rate.


@pytest.mark.parametrize(
    "expected", [{"values": HALVES}, {"accepted": True}, {"raises": "ValueError"}]
)
def test_what_is_no_rate_diverges_whatever_was_due(expected):
    made = trial(schedule_case(expected=expected))
    text = "get_last_lr() gave [0.5, 0.25] for 1 group(s)"
    judgement = judged(made, replace(seen(made, HALVES[:1]), misshapen=text))
    assert judgement.verdict is Verdict.DIVERGES
    assert judgement.reasons == (f"gave no rate: {text}",)
    # Where no rate is due, those that came before are to be recorded too.
    before = {} if "values" in expected else {"values": {0: 0.5}}
    one = record(observed={"reason": "gave \\[0.5, 0.25\\] for 1 group", **before})
    known = judged(made, replace(seen(made, HALVES[:1]), misshapen=text), one)
    assert known.verdict is Verdict.KNOWN_DIVERGENCE
    other = judged(made, replace(seen(made, HALVES[:1]), misshapen="'0.5', of the type str"), one)
    assert other.verdict is Verdict.DIVERGES


def test_an_exception_without_the_text_that_is_due_diverges():
    case = schedule_case(expected={"raises": "ValueError", "message": "gamma .* positive"})
    good = raised("ValueError", "the gamma has to be positive")
    assert judged(trial(case), good).verdict is Verdict.CONFORMS
    judgement = judged(trial(case), raised("ValueError", "wrong"))
    assert judgement.verdict is Verdict.DIVERGES
    assert "ValueError: wrong" in judgement.reasons[0]
    assert "gamma .* positive" in judgement.reasons[0]


def test_values_where_an_exception_is_due_are_accepted():
    made = trial(schedule_case(expected={"raises": "ValueError"}))
    judgement = judged(made, seen(made, HALVES))
    assert judgement.verdict is Verdict.ACCEPTED
    assert judgement.reasons == ("gave 0.5 where ValueError was due",)


def test_neither_values_nor_the_exception_that_is_due_is_accepted_too():
    made = trial(schedule_case(expected={"raises": "ValueError"}))
    judgement = judged(made, Observation())
    assert judgement.verdict is Verdict.ACCEPTED
    assert judgement.reasons == (
        "gave no value where ValueError was due",
        "the reported rate was not observed",
        "the applied rate was not observed",
    )


@pytest.mark.parametrize("missing", ["reported", "applied"])
@pytest.mark.parametrize("expected", [{"raises": "ValueError"}, {"accepted": True}])
def test_a_sequence_that_is_missing_is_missed_whatever_was_due(missing, expected):
    made = trial(schedule_case(expected=expected))
    observation = seen(made, HALVES)
    left = {n: s for n, s in observation.sequences.items() if n != missing}
    one = record(observed={"accepted": True, "values": dict(enumerate(HALVES))})
    judgement = judged(made, replace(observation, sequences=left), one)
    assert judgement.verdict.fails
    assert f"the {missing} rate was not observed" in judgement.reasons


# What is printed.


def test_a_print_that_is_due_is_looked_for():
    case = schedule_case(expected={"values": HALVES, "prints": "(?i)adjusting .* rate"})
    made = trial(case)
    observation = seen(made, HALVES, printed="epoch 1\nAdjusting learning rate to 0.25\n")
    assert judged(made, observation).verdict is Verdict.CONFORMS
    for printed in ("", "nothing of the kind"):
        judgement = judged(made, seen(made, HALVES, printed=printed))
        assert judgement.verdict is Verdict.DIVERGES
        assert judgement.reasons == ("printed nothing that matches '(?i)adjusting .* rate'",)


def test_what_is_printed_unasked_does_no_harm():
    made = trial(schedule_case())
    assert judged(made, seen(made, HALVES, printed="hello")).verdict is Verdict.CONFORMS


# Trials without an observation.


@pytest.mark.parametrize(
    ("timed_out", "verdict"), [(False, Verdict.CRASHED), (True, Verdict.TIMED_OUT)]
)
def test_a_trial_that_was_lost_says_how(timed_out, verdict):
    judgement = judged(trial(schedule_case()), Lost(timed_out, "it was like this"))
    assert (judgement.verdict, judgement.reasons) == (verdict, ("it was like this",))


def test_no_record_covers_a_crash():
    judgement = judged(trial(schedule_case()), Lost(False, "gone"), record())
    assert judgement.verdict is Verdict.CRASHED


@pytest.mark.parametrize("verdict", [Verdict.UNSUPPORTED, Verdict.UNAVAILABLE, Verdict.CRASHED])
def test_a_trial_that_is_skipped_has_the_verdict_and_the_reason_of_its_skip(verdict):
    made = skipped(schedule_case(), Skip(verdict, "because"))
    judgement = judged(made, None, record())
    assert (judgement.verdict, judgement.reasons) == (verdict, ("because",))


def test_a_trial_that_was_to_run_and_has_no_observation_is_a_fault_of_the_suite():
    with pytest.raises(ValueError, match="has no observation"):
        judged(trial(schedule_case()), None)


# Known divergences.

STILL = [0.5] * 4


def recorded(*records, rates=STILL, applied=None, version="2.13.0", **case):
    made = trial(schedule_case(**case))
    return judged(made, seen(made, rates, applied), *records, version=version)


def test_a_divergence_on_record_is_known():
    one = record()
    judgement = recorded(one)
    assert judgement.verdict is Verdict.KNOWN_DIVERGENCE
    assert judgement.record is one
    assert not judgement.verdict.fails
    assert "reported rate at step 1" in judgement.reasons[0]


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        pytest.param({"versions": "<2.13"}, "2.13.0", id="older versions"),
        pytest.param({"versions": ">=2.14"}, "2.13.0", id="newer versions"),
        pytest.param({}, "2.12.0", id="an older framework"),
        pytest.param({"target": "torch/cuda/*"}, "2.13.0", id="another target"),
        pytest.param({"cases": ["another"]}, "2.13.0", id="another case"),
        pytest.param({"implementations": [TORCH_STEP]}, "2.13.0", id="another implementation"),
    ],
)
def test_a_record_of_something_else_covers_nothing(fields, version):
    judgement = recorded(record(**fields), version=version)
    assert judgement.verdict is Verdict.DIVERGES
    assert judgement.record is None


@pytest.mark.parametrize(
    ("fields", "telling"),
    [
        pytest.param({"observed": {"values": {1: 0.4}}}, "at step 1 is 0.5", id="value"),
        pytest.param({"observed": {"values": {9: 0.5}}}, "step 9 was not observed", id="step"),
        pytest.param({"observed": {"values": {1: 0.5, 2: 0.5}}}, "at step 3 is 0.5", id="unnamed"),
        pytest.param({"observed": {"values": {0: 0.4, "1-3": 0.5}}}, "step 0 is 0.5", id="right"),
        pytest.param({"observed": {"raises": "ValueError"}}, "it raised nothing", id="exception"),
    ],
)
def test_a_divergence_that_is_not_as_recorded_still_diverges_and_says_so(fields, telling):
    judgement = recorded(record(**fields))
    assert judgement.verdict is Verdict.DIVERGES
    assert "not as recorded in 'stands still' (cases/made.yaml:3)" in judgement.reasons[-1]
    assert telling in judgement.reasons[-1]


def test_a_record_is_of_the_printed_digits():
    case = {
        "schedule": {"base_lr": 0.1, "decay_rate": 0.9, "decay_steps": 1},
        "expected": {"values": {0: 0.1}},
        "implementations": [CELL],
    }
    made = trial(schedule_case(**case), CELL)
    observation = seen(made, [0.1, 0.1, 0.1, 0.1])
    one = record(implementations=[CELL], observed={"values": {"1-3": 0.1}})
    assert judged(made, observation, one).verdict is Verdict.KNOWN_DIVERGENCE
    one = record(implementations=[CELL], observed={"values": {1: 0.1, "2-3": 0.10001}})
    assert judged(made, observation, one).verdict is Verdict.DIVERGES


def test_a_record_of_what_no_longer_occurs_is_stale():
    one = record()
    judgement = recorded(one, rates=HALVES)
    assert judgement.verdict is Verdict.STALE
    assert judgement.verdict.fails
    assert judgement.record is one
    assert judgement.reasons == ("'stands still' (cases/made.yaml:3) no longer occurs: remove it",)


def test_an_exception_on_record_is_known():
    one = record(observed={"raises": "TypeError", "message": "unexpected .* 'verbose'"})
    made = trial(schedule_case())
    text = "got an unexpected keyword argument 'verbose'"
    assert judged(made, raised("TypeError", text), one).verdict is Verdict.KNOWN_DIVERGENCE
    for other in (raised("ValueError", text), raised("TypeError", "missing argument")):
        judgement = judged(made, other, one)
        assert judgement.verdict is Verdict.REFUSED
        assert "it raised" in judgement.reasons[-1]


def test_what_the_judge_says_of_it_can_be_on_record():
    made = trial(schedule_case(expected={"values": HALVES, "warns": "soon gone"}))
    silent = record(observed={"reason": "no warning that matches"})
    assert judged(made, seen(made, HALVES), silent).verdict is Verdict.KNOWN_DIVERGENCE
    also_wrong = judged(made, seen(made, STILL), silent)
    assert also_wrong.verdict is Verdict.DIVERGES
    assert "not as recorded" in also_wrong.reasons[-1]
    assert "reported rate at step 1" in also_wrong.reasons[-1]


def test_an_exception_is_not_covered_by_a_record_of_values():
    judgement = judged(trial(schedule_case()), raised("TypeError", "no"), record())
    assert judgement.verdict is Verdict.REFUSED


def test_values_on_record_where_an_exception_was_due_do_not_cover_it_unseen():
    made = trial(schedule_case(expected={"raises": "ValueError"}))
    one = record(observed={"raises": "TypeError"})
    assert judged(made, seen(made, HALVES), one).verdict is Verdict.ACCEPTED


def test_a_signature_on_record_is_known():
    made = trial(surface_case({"has": {"verbose": {}}}))
    one = record(cases=["signature"], observed={"signature": "(optimizer, gamma)"})
    observation = signature("optimizer", "gamma")
    assert judged(made, observation, one).verdict is Verdict.KNOWN_DIVERGENCE
    other = signature("optimizer", "gamma", "momentum=0")
    judgement = judged(made, other, one)
    assert judgement.verdict is Verdict.DIVERGES
    assert "the signature is (optimizer, gamma, momentum=0)" in judgement.reasons[-1]


def test_a_divergence_of_the_applied_rate_alone_can_be_on_record():
    still = {"values": {"1-3": 0.5}}
    one = record(kind="applied-vs-reported", observed={"sequences": {"applied": still}})
    judgement = recorded(one, rates=HALVES, applied=STILL)
    assert judgement.verdict is Verdict.KNOWN_DIVERGENCE, judgement.reasons
    judgement = recorded(one, rates=STILL, applied=STILL)
    assert judgement.verdict is Verdict.DIVERGES
    assert "the reported rate at step 1 is 0.5" in judgement.reasons[-1]
    same = record(observed={**still, "sequences": {"reported": {}}})
    assert recorded(same, rates=HALVES, applied=STILL).verdict is Verdict.KNOWN_DIVERGENCE


@pytest.mark.parametrize("right", ["reported", "applied"])
def test_a_record_of_two_sequences_is_stale_where_one_of_them_is_right_again(right):
    rates = {"rates": STILL, "applied": STILL} | {
        "rates" if right == "reported" else "applied": HALVES
    }
    judgement = recorded(record(), **rates)
    assert judgement.verdict is Verdict.STALE
    assert judgement.reasons == (
        f"'stands still' (cases/made.yaml:3) no longer occurs in the {right} rate: correct it",
    )


def test_a_sequence_that_is_half_right_is_not_as_recorded():
    judgement = recorded(record(), rates=STILL, applied=[0.5, 0.5, 0.5, 0.0625])
    assert judgement.verdict is Verdict.DIVERGES
    assert "the applied rate at step 3 is 0.0625, and 0.5 is recorded" in judgement.reasons[-1]


def test_a_record_may_name_another_schedule_that_is_followed():
    still = {"family": "constant", "base_lr": 0.5, "factor": 1.0, "total_iters": 1}
    one = record(observed={"schedule": still})
    assert recorded(one).verdict is Verdict.KNOWN_DIVERGENCE
    judgement = recorded(one, rates=[0.5, 0.5, 0.5, 0.4])
    assert judgement.verdict is Verdict.DIVERGES
    assert "the reported rate at step 3 is 0.4" in judgement.reasons[-1]
    but = record(observed={"schedule": still, "values": {3: 0.4}})
    assert recorded(but, rates=[0.5, 0.5, 0.5, 0.4]).verdict is Verdict.KNOWN_DIVERGENCE
    assert recorded(but).verdict is Verdict.DIVERGES


def test_where_a_documentation_alone_is_judged_the_other_steps_are_as_the_model_says():
    case = {"expected": {"documented": {1: 0.4}}}
    one = record(observed={"values": {1: 0.25}})
    assert recorded(one, rates=HALVES, **case).verdict is Verdict.KNOWN_DIVERGENCE
    judgement = recorded(one, rates=[0.5, 0.25, 0.125, 0.3], **case)
    assert judgement.verdict is Verdict.DIVERGES
    assert "the reported rate at step 3 is 0.3" in judgement.reasons[-1]


@pytest.mark.parametrize("odd", [NAN, INF, -INF])
def test_a_divergence_into_what_is_no_number_can_be_on_record(odd):
    one = record(observed={"values": {1: odd}})
    rates = [0.5, odd, 0.125, 0.0625]
    judgement = recorded(one, rates=rates)
    assert judgement.verdict is Verdict.KNOWN_DIVERGENCE, judgement.reasons
    assert recorded(one, rates=[0.5, 0.3, 0.125, 0.0625]).verdict is Verdict.DIVERGES


def test_a_record_of_values_does_not_cover_what_else_is_wrong():
    case = {"expected": {"values": HALVES, "prints": "adjusting"}}
    assert recorded(record(), **case).verdict is Verdict.DIVERGES
    made = trial(schedule_case())
    observation = seen(made, STILL)
    wrong = {**observation.sequences, "applied": sequence(Precision.FLOAT32, STILL)}
    judgement = judged(made, replace(observation, sequences=wrong), record())
    assert judgement.verdict is Verdict.DIVERGES
    too_long = recorded(record(), rates=[*STILL, 0.5])
    assert too_long.verdict is Verdict.DIVERGES


def test_a_validation_that_is_missing_can_be_on_record():
    # The documentation promises an exception, the framework goes on: the most usual of them.
    made = trial(schedule_case(expected={"raises": "ValueError"}))
    rates = dict(enumerate(HALVES))
    one = record(kind="validation", observed={"accepted": True, "values": rates})
    judgement = judged(made, seen(made, HALVES), one)
    assert judgement.verdict is Verdict.KNOWN_DIVERGENCE, judgement.reasons
    for other in ({**rates, 1: 0.4}, {0: 0.5, 1: 0.25}, {**rates, 4: 0.03125}):
        unlike = record(kind="validation", observed={"accepted": True, "values": other})
        assert judged(made, seen(made, HALVES), unlike).verdict is Verdict.ACCEPTED
    silent = record(kind="validation", observed={"values": rates})
    assert judged(made, seen(made, HALVES), silent).verdict is Verdict.ACCEPTED
    assert judged(made, raised("ValueError"), one).verdict is Verdict.STALE


def test_of_several_records_the_one_that_fits_covers_the_trial():
    other = record(name="falls to zero", observed={"values": {1: 0.0}})
    judgement = recorded(other, record())
    assert judgement.verdict is Verdict.KNOWN_DIVERGENCE, judgement.reasons
    assert judgement.record.name == "stands still"


def test_a_framework_of_unknown_version_is_covered_by_no_record():
    made = trial(schedule_case())
    judgement = Judge([record()], {}).judge(made, seen(made, STILL))
    assert judgement.verdict is Verdict.DIVERGES


def diagnosed(monkeypatch, observation, *records, **options):
    """The judgement, and how often a diagnosis was looked for."""
    looked_for = []

    def counted(*arguments):
        looked_for.append(arguments)
        return diagnose(*arguments)

    monkeypatch.setattr("harness.judge.diagnose", counted)
    made = trial(schedule_case())
    judge = Judge(records, {made.target.environment: "2.13.0"}, **options)
    return judge.judge(made, seen(made, observation)), len(looked_for)


LATE = [HALVES[0], *HALVES[:-1]]


def late_record(values):
    return record(observed={"values": values})


def test_no_diagnosis_is_looked_for_where_a_record_explains_the_values(monkeypatch):
    judgement, looked_for = diagnosed(monkeypatch, LATE, late_record(dict(enumerate(LATE))))
    assert judgement.verdict is Verdict.KNOWN_DIVERGENCE
    assert (judgement.diagnosis, judgement.why, looked_for) == (None, None, 0)


def test_a_diagnosis_is_looked_for_where_a_record_explains_other_values(monkeypatch):
    judgement, looked_for = diagnosed(monkeypatch, LATE, late_record({1: 0.4}))
    assert judgement.verdict is Verdict.DIVERGES
    assert judgement.why == "the observed sequence is the expected one, one step late"
    assert looked_for == 1


def test_who_asks_for_it_is_told_the_diagnosis_of_a_known_divergence_too(monkeypatch):
    options = {"explains_known": True}
    late = late_record(dict(enumerate(LATE)))
    judgement, looked_for = diagnosed(monkeypatch, LATE, late, **options)
    assert judgement.verdict is Verdict.KNOWN_DIVERGENCE
    assert judgement.why == "the observed sequence is the expected one, one step late"
    assert looked_for == 1
    odd = [0.5, 0.123, 0.0123, 0.00123]
    judgement, looked_for = diagnosed(
        monkeypatch, odd, late_record(dict(enumerate(odd))), **options
    )
    assert (judgement.verdict, judgement.why) == (Verdict.KNOWN_DIVERGENCE, UNEXPLAINED)
    judgement, looked_for = diagnosed(monkeypatch, HALVES, late_record({1: 0.5}), **options)
    assert (judgement.verdict, judgement.why, looked_for) == (Verdict.STALE, None, 0)


def test_without_diagnoses_none_is_looked_for_nor_missed(monkeypatch):
    judgement, looked_for = diagnosed(monkeypatch, LATE, explains=False)
    assert (judgement.verdict, judgement.why, looked_for) == (Verdict.DIVERGES, None, 0)


# Signatures.

SEEN = signature("optimizer", "gamma", "last_epoch=-1", "verbose=False")


def surface_verdict(surface, observation=SEEN):
    return judged(trial(surface_case(surface)), observation)


@pytest.mark.parametrize(
    "surface",
    [
        {"signature": "(optimizer, gamma, last_epoch=-1, verbose=False)"},
        {"signature": "( optimizer,gamma,last_epoch = -1,verbose = False )"},
        {"has": {"gamma": {}}},
        {"has": {"gamma": {"position": 2, "required": True}}},
        {"has": {"last_epoch": {"position": 3, "required": False, "default": -1}}},
        {"has": {"verbose": {"default": False}}},
        {"lacks": ["decay_rate", "is_stair"]},
    ],
)
def test_a_signature_as_due_conforms(surface):
    assert surface_verdict(surface).verdict is Verdict.CONFORMS


@pytest.mark.parametrize(
    ("surface", "telling"),
    [
        (
            {"signature": "(optimizer, gamma, last_epoch=-1)"},
            "the signature is (optimizer, gamma, last_epoch=-1, verbose=False), not "
            "(optimizer, gamma, last_epoch=-1)",
        ),
        ({"lacks": ["gamma"]}, "has a parameter 'gamma'"),
        ({"has": {"decay_rate": {}}}, "has no parameter 'decay_rate'"),
        ({"has": {"gamma": {"position": 1}}}, "'gamma' is at position 2, not 1"),
        ({"has": {"gamma": {"required": False}}}, "'gamma' is required"),
        ({"has": {"verbose": {"required": True}}}, "'verbose' is optional"),
        ({"has": {"last_epoch": {"default": 0}}}, "default of 'last_epoch' is -1, not 0"),
        ({"has": {"verbose": {"default": None}}}, "default of 'verbose' is False, not None"),
        ({"has": {"verbose": {"default": "False"}}}, "is False, not 'False'"),
        ({"has": {"gamma": {"default": None}}}, "default of 'gamma' is missing, not None"),
    ],
)
def test_a_signature_that_is_not_as_due_diverges_and_says_how(surface, telling):
    judgement = surface_verdict(surface)
    assert judgement.verdict is Verdict.DIVERGES
    (reason,) = judgement.reasons
    assert telling in reason


def test_every_fault_of_a_signature_is_told():
    surface = {"signature": "()", "has": {"a": {}, "gamma": {"position": 9}}, "lacks": ["verbose"]}
    assert len(surface_verdict(surface).reasons) == 4


def test_a_default_of_none_is_a_default():
    observation = signature("optimizer", "milestones=None")
    facts = {"required": False, "default": None}
    surface = {"has": {"milestones": facts}}
    assert surface_verdict(surface, observation).verdict is Verdict.CONFORMS


def test_a_keyword_only_parameter_differs_from_one_that_has_a_place():
    due = {"signature": "(optimizer, *, fused=False)"}
    keyword_only = signature("optimizer", "*, fused=False")
    assert surface_verdict(due, keyword_only).verdict is Verdict.CONFORMS
    assert surface_verdict(due, signature("optimizer", "fused=False")).verdict is Verdict.DIVERGES


def test_an_api_that_has_no_signature_to_show_refuses():
    judgement = surface_verdict({"lacks": ["verbose"]}, raised("AttributeError", "no such thing"))
    assert judgement.verdict is Verdict.REFUSED
    assert "AttributeError: no such thing" in judgement.reasons[0]
    assert surface_verdict({"lacks": ["verbose"]}, Observation()).verdict is Verdict.REFUSED


def test_a_surface_case_that_holds_again_makes_its_record_stale():
    one = record(cases=["signature"], observed={"signature": "(optimizer, gamma)"})
    made = trial(surface_case({"has": {"gamma": {}}}))
    assert judged(made, SEEN, one).verdict is Verdict.STALE


def _plain(a, b=1): ...
def _keyword_only(a, *, b=2, c): ...
def _after_arguments(a, *args, b=2): ...
def _anything(*args, **kwargs): ...
def _positional_only(a, b=1, /, c=2): ...
def _text(a="x, y", b=None, c=(1, 2)): ...


@pytest.mark.parametrize(
    "function", [_plain, _keyword_only, _after_arguments, _anything, _positional_only, _text]
)
def test_a_signature_is_shown_as_python_writes_it(function):
    signature = inspect.signature(function)
    parameters = [
        Parameter(p.name, p.kind.name, None if p.default is p.empty else repr(p.default))
        for p in signature.parameters.values()
    ]
    assert signature_text(parameters) == str(signature)


@pytest.mark.parametrize(
    "text", ["(a, /)", "(a, b=1, /)", "(a, /, b)", "(a, /, *, b)", "(*a, b)", "(**a)", "()"]
)
def test_a_signature_is_written_with_its_marks(text):
    namespace = {}
    exec(f"def f{text}: pass", namespace)
    parameters = [
        Parameter(p.name, p.kind.name, None if p.default is p.empty else repr(p.default))
        for p in inspect.signature(namespace["f"]).parameters.values()
    ]
    assert signature_text(parameters) == text


# Parameter groups.


def grouped_verdict(first, second, *records, **fields):
    """On two groups, of which the second begins at a quarter."""
    group = {"schedule": {"base_lr": 0.25}, **fields}
    made = trial(schedule_case(groups=[group]))
    observation = seen(made, first)
    sequences = {
        **observation.sequences,
        "reported 1": sequence(Precision.FLOAT64, second),
        "applied 1": sequence(Precision.FLOAT64, second),
    }
    return judged(made, replace(observation, sequences=sequences), *records)


QUARTERS = [rate / 2 for rate in HALVES]


def test_each_group_is_held_against_its_own_schedule():
    judgement = grouped_verdict(HALVES, QUARTERS)
    assert judgement.verdict is Verdict.CONFORMS
    assert [comparison.name for comparison in judgement.comparisons] == [
        "reported",
        "applied",
        "reported 1",
        "applied 1",
    ]
    judgement = grouped_verdict(HALVES, HALVES)
    assert judgement.verdict is Verdict.DIVERGES
    assert (judgement.first.sequence, judgement.first.step) == ("reported 1", 0)
    assert (judgement.first.due, judgement.first.observed) == (0.25, 0.5)
    assert grouped_verdict(QUARTERS, QUARTERS).first.sequence == "reported"


def test_a_groups_own_numbers_are_what_it_is_held_against():
    judgement = grouped_verdict(HALVES, [0.25, 0.125, 0.0625, 0.0], values=QUARTERS)
    assert (judgement.first.against, judgement.first.step) == ("expected", 3)
    assert grouped_verdict(HALVES, QUARTERS, values=QUARTERS).verdict is Verdict.CONFORMS


def test_a_group_that_joins_later_has_fewer_rates():
    judgement = grouped_verdict(HALVES, [0.25, 0.125], added_at=2)
    assert judgement.verdict is Verdict.CONFORMS
    assert judgement.comparisons[2].steps.tolist() == [2, 3]
    assert grouped_verdict(HALVES, QUARTERS, added_at=2).verdict is Verdict.DIVERGES


def test_a_group_that_was_not_observed_is_missed():
    made = trial(schedule_case(groups=[{"schedule": {"base_lr": 0.25}}]))
    judgement = judged(made, seen(made, HALVES))
    assert judgement.verdict is Verdict.DIVERGES
    assert judgement.reasons == (
        "the reported 1 rate was not observed",
        "the applied 1 rate was not observed",
    )


def test_a_record_of_values_is_of_every_sequence_that_diverges():
    still = record(observed={"values": {"0-3": 0.5}})
    first = {name: {"values": {"1-3": 0.5}} for name in ("reported", "applied")}
    of_first = record(observed={"sequences": first})
    assert grouped_verdict(STILL, QUARTERS, of_first).verdict is Verdict.KNOWN_DIVERGENCE
    assert grouped_verdict(STILL, STILL, still).verdict is Verdict.KNOWN_DIVERGENCE
    judgement = grouped_verdict(STILL, QUARTERS, still)
    assert judgement.verdict is Verdict.STALE
    assert "in the reported 1 and the applied 1 rate" in judgement.reasons[0]
    judgement = grouped_verdict(STILL, [0.25] * 4, still)
    assert judgement.verdict is Verdict.DIVERGES
    assert "the reported 1 rate at step 0 is 0.25" in judgement.reasons[-1]


# What is to be accepted.


def test_what_is_to_be_accepted_conforms_whatever_the_rates():
    made = trial(schedule_case(expected={"accepted": True}))
    assert judged(made, seen(made, [NAN] * 4)).verdict is Verdict.CONFORMS
    judgement = judged(made, raised("ValueError", "no such gamma"))
    assert judgement.verdict is Verdict.REFUSED
    assert "ValueError: no such gamma where nothing was to be raised" in judgement.reasons[0]


@pytest.mark.parametrize("odd", [NAN, INF, 123.0])
def test_an_exception_that_did_not_come_can_be_on_record_with_the_rates_that_did(odd):
    made = trial(schedule_case(expected={"raises": "ValueError"}))
    one = record(observed={"accepted": True, "values": {0: 0.5, "1-3": odd}})
    rates = [0.5, odd, odd, odd]
    assert judged(made, seen(made, rates), one).verdict is Verdict.KNOWN_DIVERGENCE
    for other in (HALVES, STILL, [odd] * 4, [0.5, odd, odd, 0.5], rates[:3]):
        assert judged(made, seen(made, other), one).verdict is Verdict.ACCEPTED
    assert judged(made, raised("TypeError"), one).verdict is Verdict.DIVERGES
    assert judged(made, raised("ValueError"), one).verdict is Verdict.STALE


def test_rates_on_record_as_accepted_do_not_cover_rates_that_are_wrong():
    one = record(observed={"accepted": True, "values": {"0-3": 0.4}})
    assert recorded(one).verdict is Verdict.DIVERGES
    judgement = recorded(record(observed={"accepted": True, "values": {"1-3": 0.5}}))
    assert judgement.verdict is Verdict.DIVERGES
    assert "the verdict is diverges" in judgement.reasons[-1]


def test_a_record_may_look_otherwise_in_a_case():
    one = record(
        cases=["halves", "other"],
        observed={"values": {"1-3": 0.5}},
        observed_in={"other": {"raises": "ValueError"}},
    )
    assert recorded(one).verdict is Verdict.KNOWN_DIVERGENCE
    assert recorded(one, name="other").verdict is Verdict.DIVERGES
    made = trial(schedule_case(name="other"))
    assert judged(made, raised("ValueError"), one).verdict is Verdict.KNOWN_DIVERGENCE
    made = trial(schedule_case())
    assert judged(made, raised("ValueError"), one).verdict is Verdict.REFUSED


# Warnings


SILENT = {"values": HALVES, "warns": False}


def test_a_warning_that_is_due_has_to_come():
    case = schedule_case(expected={"values": HALVES, "warns": "get_last_lr"})
    silent = judged(trial(case), seen(trial(case), HALVES))
    assert silent.verdict is Verdict.DIVERGES
    assert "gave no warning" in silent.reasons[0]
    warned = seen(trial(case), HALVES, warnings=("UserWarning: use `get_last_lr()`",))
    assert judged(trial(case), warned).verdict is Verdict.CONFORMS


def test_a_warning_that_is_not_due_must_not_come():
    case = schedule_case(expected=SILENT)
    assert judged(trial(case), seen(trial(case), HALVES)).verdict is Verdict.CONFORMS
    warned = judged(trial(case), seen(trial(case), HALVES, warnings=("UserWarning: late",)))
    assert warned.verdict is Verdict.DIVERGES
    assert "UserWarning: late" in warned.reasons[0]


def test_where_any_rate_will_do_a_warning_is_still_due():
    case = schedule_case(expected={"accepted": True, "warns": "deprecated"})
    assert judged(trial(case), seen(trial(case), HALVES)).verdict is Verdict.DIVERGES


def test_where_something_else_is_read_no_applied_rate_is_due():
    case = schedule_case(reading="last_epoch", expected={"documented": [0, 1, 2, 3]})
    (reported,) = (sequence("float64", [0, 1, 2, 3]),)
    observation = Observation(sequences={"reported": reported})
    assert judged(trial(case), observation).verdict is Verdict.CONFORMS


def test_the_first_deviation_is_that_of_the_earlier_sequence():
    made = trial(schedule_case())
    early, late = [0.5, 0.3, 0.125, 0.0625], [0.5, 0.25, 0.125, 0.1]
    for reported, applied in ((early, late), (late, early)):
        assert judged(made, seen(made, reported, applied)).first.step == 1


@pytest.mark.parametrize(("units", "covered"), [(3.6, True), (4.4, False)])
def test_a_recorded_value_has_four_units_of_room(units, covered):
    made = trial(schedule_case(), CELL)
    recorded_value = 0.5 + units * 2.0**-24  # the distance of float32 numbers above 0.5
    one = record(implementations=[CELL], observed={"values": {1: recorded_value, 2: 0.5, 3: 0.5}})
    verdict = judged(made, seen(made, STILL), one).verdict
    assert (verdict is Verdict.KNOWN_DIVERGENCE) is covered
