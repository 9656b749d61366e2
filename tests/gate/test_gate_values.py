"""Values that moved: by how much they may, for each kind of verdict, and what is never let pass."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.gating import STILL, UP, judgement, outcome, report
from helpers.making import CELL, HALVES, judged, raised, record, schedule_case, seen, trial

from harness.gate import baseline_of, compare, read, write
from harness.observation import Raised
from harness.report.model import ExceptionEntry, ExtremeEntry, Report

ULP = float(np.spacing(0.5))
DOCUMENTED = {"expected": {"documented": [0.5] * 4}, "tolerance": {"ulp": 0, "reason": "printed"}}
LONG = 3_000


def changed(made: Report, place=0, **fields) -> Report:
    """The report with other fields of one of its trials."""
    trials = list(made.trials)
    trials[place] = trials[place].model_copy(update=fields)
    return made.model_copy(update={"trials": trials})


def given(made: Report, step: int, value: float, name: str = "reported", **fields) -> Report:
    """The report with another rate at a step of its first trial."""
    sequences = [
        s.model_copy(
            update={"observed": [*s.observed[:step], value, *s.observed[step + 1 :]], **fields}
        )
        if s.name == name
        else s
        for s in made.trials[0].sequences
    ]
    return changed(made, sequences=sequences)


def known(**fields) -> Report:
    return report(judgement(STILL, record(), **fields), records=(record(),))


def documented() -> Report:
    return report(judgement(STILL, **DOCUMENTED))


def failing() -> Report:
    return report(judgement(STILL))


def accepted() -> Report:
    """A trial of which nothing is expected but that it raises nothing."""
    return report(judgement(STILL, expected={"accepted": True}))


def refused_after_two_rates() -> Report:
    """A trial that gave two rates and raised an exception, as a record says that it does."""
    made = trial(schedule_case())
    error = Raised("ValueError", ("Exception",), "no third rate")
    one = record(observed={"raises": "ValueError", "at": 2, "values": {1: 0.5}})
    judgement = judged(made, replace(seen(made, STILL[:2]), raised=error), one)
    return report(judgement, records=(one,))


KINDS = [known, documented, failing, accepted, refused_after_two_rates]


def found(before: Report, now: Report):
    (change,) = outcome(before, now).entry.changes
    return change


@pytest.mark.parametrize("kind", KINDS)
def test_by_a_few_roundings_values_may_differ_between_machines(kind):
    made = kind()
    assert outcome(made, made).changes == ()
    change = found(made, given(made, 1, 0.5 + 2 * ULP))
    assert (change.kind, change.fails, change.text) == ("moved", False, "reported by 2 ULP")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["reported", "applied"])
@pytest.mark.parametrize("value", [0.5 + 20 * ULP, 0.505, -0.5, 1e300, math.inf, math.nan, 0.0])
def test_beyond_that_a_moved_value_closes_the_gate_whatever_the_verdict(kind, name, value):
    made = kind()
    change = found(made, given(made, 1, value, name))
    assert (change.kind, change.fails) == ("moved", True)
    assert f"{name} step 1: 0.5 before, {value!r} now: moved by " in change.text


@pytest.mark.parametrize("before", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_has_to_stay_what_it_is(before):
    made = given(known(), 2, before)
    assert outcome(made, made).changes == ()
    for value in {0.5, math.inf, -math.inf, 1e308} - {before}:
        assert found(made, given(made, 2, value)).fails


@pytest.mark.parametrize("kind", KINDS)
def test_a_rate_that_is_missing_or_new_closes_the_gate(kind):
    made = kind()
    fewer = [s.model_copy(update={"observed": s.observed[:-1]}) for s in made.trials[0].sequences]
    short = changed(made, sequences=fewer)
    many = len(made.trials[0].sequences[0].observed)
    assert f"reported {many} rates before, {many - 1} now" in found(made, short).text
    assert found(short, made).fails


def test_another_precision_closes_the_gate():
    made = known()
    other = [s.model_copy(update={"precision": "float32"}) for s in made.trials[0].sequences]
    change = found(made, changed(made, sequences=other))
    assert change.fails
    assert "reported float64 before, float32 now" in change.text


def test_an_optimizer_that_moved_the_weight_has_its_own_roundings():
    made = known()
    call = made.trials[0].call
    adam = changed(made, call=call.model_copy(update={"optimizer": "Adam"}))
    moved = given(adam, 1, 0.5 + 6 * ULP, "applied")
    assert not found(adam, moved).fails
    assert found(made, given(made, 1, 0.5 + 6 * ULP, "applied")).fails
    assert found(adam, given(adam, 1, 0.5 + 6 * ULP, "reported")).fails
    assert found(adam, given(adam, 1, 0.5 + 20 * ULP, "applied")).fails


def test_in_float32_a_unit_is_one_of_float32():
    made = report(judgement(STILL, record(implementations=[CELL], versions=">=2"), api=CELL))
    unit = float(np.spacing(np.float32(0.5)))
    assert not found(made, given(made, 1, 0.5 + 2 * unit)).fails
    assert found(made, given(made, 1, 0.5 + 10 * unit)).fails


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("budget", [1e-3, 1e-12])
def test_a_conforming_value_may_move_by_its_tolerance_and_no_further(step, budget):
    made, rate = report(judgement()), HALVES[step]
    below, above = (
        given(made, step, rate + part * budget, budget=[budget] * 4) for part in (-0.9, 0.9)
    )
    assert not found(made, above).fails
    assert not found(made, below).fails
    change = found(below, above)  # both of them conform
    assert change.fails
    assert f"{budget:.3g} is allowed" in change.text


def test_what_cancels_is_left_of_the_greatest_rate_as_far_as_the_tolerance_admits():
    made = known()
    near_zero = given(made, 3, 1e-16, budget=[0.0, 0.0, 0.0, 1.0])
    moved = given(near_zero, 3, 3e-16, budget=[0.0, 0.0, 0.0, 1.0])
    assert not found(near_zero, moved).fails
    strict = given(near_zero, 3, 3e-16, budget=[0.0, 0.0, 0.0, 1e-17])
    assert found(near_zero, strict).fails
    assert found(near_zero, given(near_zero, 3, 1e-14, budget=[0.0, 0.0, 0.0, 1.0])).fails


def test_values_of_the_baseline_file_are_those_of_the_report(tmp_path):
    made = given(given(known(), 2, math.nan), 3, -math.inf)
    write(baseline_of(made), tmp_path / "baseline.json")
    again = read(tmp_path / "baseline.json")
    assert compare(made, again, "b").changes == ()
    assert compare(given(made, 1, 0.51), again, "b").is_closed


def long_report(rates) -> Report:
    """A conforming trial of so many steps that its report is thinned."""
    case = schedule_case(
        schedule={"base_lr": 0.5, "decay_rate": 0.999, "decay_steps": 1},
        steps=LONG,
        expected={"values": {0: 0.5}},
    )
    made = trial(case)
    return report(judged(made, seen(made, rates(case.reference))))


def bumped(step, size):
    def rates(reference):
        moved = reference.copy()
        moved[step] += size * np.spacing(moved[step])
        return moved

    return rates


@pytest.mark.parametrize(("size", "closed"), [(3, False), (100_000, True)])
@pytest.mark.parametrize("step", [1_501, 2_000, 2_999])
def test_of_a_thinned_sequence_extreme_errors_say_what_the_values_do_not(size, closed, step):
    before, now = long_report(bumped(1, 0)), long_report(bumped(step, size))
    assert before.cases[0].length > len(before.cases[0].steps)
    # The same verdict in both, as where the tolerance is that of a case.
    verdict = {"verdict": "conforms", "fails": False}
    now = changed(now, **verdict).model_copy(update={"counts": {"conforms": 1}, "fails": False})
    kinds = {change.kind: change for change in outcome(before, now).entry.changes}
    assert kinds["moved"].fails is closed
    assert ("at most" in kinds["moved"].text) is not closed


def test_what_nobody_knows_of_a_thinned_sequence_that_is_not_judged_closes_the_gate():
    made = long_report(bumped(1, 0))
    unknown = [
        s.model_copy(update={"ulp_errors": None, "digest": "other", "greatest_budget_share": None})
        for s in made.trials[0].sequences
    ]
    change = found(made, changed(made, sequences=unknown))
    assert change.fails
    assert "it changed at steps that the baseline does not have" in change.text


def raising(message="a rate of 0x7f01ab in /home/me/x/net.py, line 7", type_="ValueError", **more):
    case = schedule_case(expected={"raises": ["ValueError", "KeyError"]})
    made = report(judged(trial(case), raised(type_, message)))
    if not more:
        return made
    return changed(made, exception=made.trials[0].exception.model_copy(update=more))


@pytest.mark.parametrize(
    "message",
    [
        "a rate of 0x55d0ff in /srv/other/place/net.py, line 7",
        "a rate of 0x1 in C:\\Users\\me\\net.py, line 7",
        "a rate  of\n0xABC in /tmp/conform-abc_1/net.py,   line 7",
        "a rate of 0x1 in /tmp/conform-0xca92yn/net.py, line 7",
    ],
)
def test_what_differs_between_machines_is_left_out_of_a_message(message):
    assert outcome(raising(), raising(message)).changes == ()


@pytest.mark.parametrize("message", ["something else", "", "x" * 10_000, "in /tmp/a.py, line 8"])
def test_another_message_is_told_and_passes(message):
    change = found(raising(), raising(message))
    assert (change.kind, change.fails) == ("changed exception", False)
    assert len(change.text) < 500


def test_the_end_of_a_long_message_counts_too():
    assert found(raising("x" * 999 + "y"), raising("x" * 999 + "z")).kind == "changed exception"


@pytest.mark.parametrize(
    ("before", "now", "text"),
    [
        (raising(), raising(type_="KeyError"), "raised ValueError before, raised KeyError now"),
        (raising(step=2), raising(step=3), "before step 2 before, raised ValueError before step 3"),
        (raising(), raising(step=0), "raised ValueError before, raised ValueError before step 0"),
    ],
)
def test_another_exception_or_step_closes_the_gate(before, now, text):
    change = found(before, now)
    assert (change.kind, change.fails) == ("changed exception", True)
    assert text in change.text


def test_values_where_an_exception_was_and_the_other_way_round_close_the_gate():
    made = known()
    error = changed(made, exception=ExceptionEntry(type="ValueError", message="now"))
    assert "nothing raised before, raised ValueError now" in found(made, error).text
    assert found(error, made).fails


@pytest.mark.parametrize(
    ("trial", "whole", "text"),
    [
        ({"fails": True}, {}, "fails is true, and the verdict is conforms"),
        ({}, {"fails": True}, "fails is true, and 0 trials fail"),
        ({}, {"counts": {"conforms": 2}}, "counts are not those of the trials' verdicts"),
        ({}, {"counts": {"diverges": 1}}, "counts are not those of the trials' verdicts"),
    ],
)
def test_a_report_that_contradicts_itself_closes_the_gate(trial, whole, text):
    made = report(judgement())
    change = found(made, changed(made, **trial).model_copy(update=whole))
    assert (change.kind, change.fails) == ("contradiction", True)
    assert text in change.text


def test_a_failing_verdict_counts_whatever_the_report_says_of_it():
    before, now = report(judgement()), report(judgement(STILL))
    quiet = changed(now, fails=False).model_copy(update={"fails": False})
    kinds = [(c.kind, c.fails) for c in outcome(before, quiet).entry.changes]
    assert kinds == [("new divergence", True), ("contradiction", True), ("contradiction", True)]


@pytest.mark.parametrize("share", [1.0000001, 7.0, math.inf, math.nan])
def test_who_conforms_is_within_the_tolerance(share):
    made = report(judgement())
    beyond = given(made, 0, 0.5, greatest_budget_share=ExtremeEntry(value=share, step=2))
    change = found(made, beyond)
    assert (change.kind, change.fails) == ("contradiction", True)
    assert "the reported rate is off by" in change.text


def test_who_conforms_diverges_at_no_step():
    made = documented()
    change = found(made, given(made, 0, 0.5, diverging=2))
    assert change.fails
    assert change.text == "conforms, and the reported rate diverges at 2 steps"


def test_who_does_not_conform_may_be_beyond_the_tolerance():
    for made in (failing(), known(), refused_after_two_rates()):
        beyond = given(made, 0, 0.5, greatest_budget_share=ExtremeEntry(value=9.0, step=2))
        assert outcome(beyond, beyond).changes == ()


@pytest.mark.parametrize("incidents", [("torch: died",), ("torch: died", "mindspore: died")])
@pytest.mark.parametrize("rates", [HALVES, UP])
def test_incidents_close_the_gate(incidents, rates):
    now = report(judgement(rates), incidents=incidents)
    changes = outcome(report(judgement()), now).entry.changes
    told = [(c.kind, c.text, c.fails) for c in changes if c.kind == "incident"]
    assert told == [("incident", text, True) for text in incidents]


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize(
    ("before", "text"),
    [
        (report(), "the baseline has no trials"),
        (report(judgement(name="elsewhere")), "no trial that ran is in both"),
        (report(judgement(api=CELL)), "no trial that ran is in both"),
    ],
)
def test_a_gate_that_compared_nothing_is_closed(before, text, partial):
    changes = outcome(before, report(judgement()), partial=partial).entry.changes
    assert ("nothing compared", text, True) in [(c.kind, c.text, c.fails) for c in changes]
