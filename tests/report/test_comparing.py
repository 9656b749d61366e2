"""Two reports side by side: everything that differs is told, and nothing else."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.making import (
    CELL,
    HALVES,
    MINDSPORE,
    TORCH,
    TORCH_EXPONENTIAL,
    TORCH_STEP,
    judged,
    raised,
    run_of,
    schedule_case,
    seen,
    signature,
    surface_case,
    trial,
)

from harness.report import json_file
from harness.report.comparing import differences, ulps
from harness.report.model import MAX_POINTS, from_run
from harness.report.reading import parse
from harness.workers import Environment


def judgement(rates=HALVES, applied=None, api=TORCH_EXPONENTIAL, **fields):
    made = trial(schedule_case(**fields), api)
    return judged(made, seen(made, rates, applied))


def report(*judgements, **fields):
    return parse(json_file.render(from_run(run_of(*judgements, **fields))), "x")


def between(first, second):
    return differences(report(*first), report(*second))


def long_report(change: dict[int, float]):
    case = schedule_case(
        schedule={"base_lr": 0.5, "decay_rate": 0.9999, "decay_steps": 1},
        steps=5 * MAX_POINTS,
        expected={"values": {0: 0.5}},
    )
    rates = case.schedule.rates(case.observed_steps, 1)
    for step, factor in change.items():
        rates[step] *= factor
    made = trial(case, TORCH_EXPONENTIAL)
    return report(judged(made, seen(made, rates)))


def test_a_report_does_not_differ_from_itself_whenever_it_was_made():
    one = report(judgement(), judgement([0.5, math.nan, math.inf, 0.0], name="odd"))
    other = one.model_copy(update={"seconds": 99.0, "started": "2027-01-01T00:00:00+00:00"})
    found = differences(one, other)
    assert not found
    assert found.as_json()["differs"] is False


def test_trials_of_one_report_only_are_named():
    found = between([judgement()], [judgement(api=TORCH_STEP)])
    assert [id_.split("::")[1] for id_ in found.only_in_first] == [TORCH_EXPONENTIAL]
    assert [id_.split("::")[1] for id_ in found.only_in_second] == [TORCH_STEP]
    assert not found.verdicts and not found.values


def test_a_verdict_that_differs_is_told_with_both():
    found = between([judgement()], [judgement([0.5] * 4)])
    assert [str(v).partition("eager: ")[2] for v in found.verdicts] == ["conforms -> diverges"]


def test_a_value_that_moved_by_an_ulp_is_told_with_its_step():
    moved = [0.5, 0.25, math.nextafter(0.125, 1), 0.0625]
    found = between([judgement(HALVES, HALVES)], [judgement(moved, HALVES)])
    (change,) = found.values
    assert (change.sequence, change.ulp, change.step, change.whole) == ("reported", 1, 2, True)
    assert str(change).endswith(
        "eager: reported at most by 1 ULP, at step 2: 0.125 -> 0.12500000000000003"
    )
    assert not found.verdicts


def test_the_greatest_of_several_distances_is_told():
    up, far = math.nextafter(0.5, 1), 0.0625 * (1 + 5 * 2**-52)
    found = between([judgement()], [judgement([up, 0.25, 0.125, far])])
    assert {(change.ulp, change.step) for change in found.values} == {(5, 3)}


def test_distances_are_in_the_precision_of_the_sequence():
    moved = [0.5, 0.25 * (1 + 3 * 2**-23), 0.125, 0.0625]
    found = between([judgement(api=CELL)], [judgement(moved, api=CELL)])
    assert {change.ulp for change in found.values} == {3}


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_any_more_is_told_beyond_measure(odd):
    found = between([judgement()], [judgement([0.5, 0.26, odd, 0.0625])])
    change = found.values[0]
    assert (change.ulp, change.step) == (None, 2)
    assert f"beyond measure, at step 2: 0.125 -> {odd!r}" in str(change)
    as_json = found.as_json()
    assert json.loads(json.dumps(as_json, allow_nan=False)) == as_json


def test_a_sequence_that_is_shorter_is_told():
    found = between([judgement()], [judgement(HALVES[:3])])
    assert {change.note for change in found.values} == {"4 values -> 3"}


def test_zeros_of_either_sign_have_different_digests_and_the_same_value():
    found = between([judgement([0.5, 0.0, 0.0, 0.0])], [judgement([0.5, -0.0, 0.0, 0.0])])
    assert not found.verdicts
    (change, *_) = found.values
    assert (change.ulp, change.step) == (0, 1)


def test_thinned_sequences_that_differ_at_a_kept_step_say_what_was_looked_at():
    found = differences(long_report({}), long_report({0: 1 + 4 * 2**-52}))
    assert {(c.step, c.ulp, c.whole) for c in found.values} == {(0, 4, False)}
    assert str(found.values[0]).endswith("(over the steps that the reports keep)")


def test_thinned_sequences_that_differ_between_kept_steps_are_told_apart_by_their_digests():
    # Its extremes are kept: a far value elsewhere takes their place.
    one, other = long_report({78: 2.0}), long_report({78: 2.0, 1233: 1 + 2**-50})
    assert 1233 not in {*one.cases[0].steps} & {*other.cases[0].steps}
    found = differences(one, other)
    assert {(c.step, c.whole) for c in found.values} == {(None, False)}
    assert found.values[0].note == "they differ at steps that the reports leave out"


def test_reports_without_digests_are_compared_by_their_values():
    def without(judgements):
        content = json.loads(json_file.render(report(*judgements)))
        for sequence in (s for t in content["trials"] for s in t["sequences"]):
            del sequence["digest"]
        return parse(json.dumps(content), "x")

    assert not differences(without([judgement()]), report(judgement()))
    found = differences(without([judgement()]), report(judgement([0.5, 0.25, 0.125, 0.0626])))
    assert {change.step for change in found.values} == {3}


def test_versions_that_differ_are_told():
    newer = replace(TORCH, version="2.14.0", packages={"torch": "2.14.0", "numpy": "1.26.4"})
    missing = Environment("mindspore", "mindspore", failure="no such module")
    found = differences(
        report(judgement(), environments=(TORCH, MINDSPORE)),
        report(judgement(), environments=(newer, missing)),
    )
    assert [str(change) for change in found.versions][:2] == [
        "torch: torch 2.13.0 -> 2.14.0",
        "mindspore: mindspore 2.10.0 -> none",
    ]
    assert "mindspore: not run: none -> no such module" in map(str, found.versions)
    assert not found.values


def test_a_signature_and_an_exception_that_differ_are_told():
    surface = trial(surface_case({"has": {"gamma": {}}}))
    failing = trial(schedule_case(expected={"raises": "ValueError"}))
    found = between(
        [judged(surface, signature("gamma")), judged(failing, raised("ValueError", "one"))],
        [judged(surface, signature("gamma=1")), judged(failing, raised("ValueError", "two"))],
    )
    assert [(change.what, change.first, change.second) for change in found.answers] == [
        ("signature", "(gamma)", "(gamma=1)"),
        ("exception", "ValueError: one", "ValueError: two"),
    ]
    assert not found.verdicts


def test_an_exception_that_names_a_temporary_folder_and_an_address_is_the_same():
    failing = trial(schedule_case(expected={"raises": "ValueError"}))
    found = between(
        *(
            [judged(failing, raised("ValueError", f"see '{folder}/a.ir' of <f at {at}>"))]
            for folder, at in (("/tmp/x-7n", "0x7f01"), ("/tmp/x-8d", "0x7f02"))
        )
    )
    assert not found


def test_a_case_whose_schedule_differs_is_told():
    other = {"base_lr": 0.5, "decay_rate": 0.25, "decay_steps": 1}
    found = between(
        [judgement()], [judgement(schedule=other, expected={"values": {0: 0.5}}, name="halves")]
    )
    assert found.cases == ("halves",)


RESUMED = {"at": 2, "by": "state_dict"}
SAID_NOWHERE_ELSE = {
    "resume.into": ({"resume": RESUMED}, {"resume": {**RESUMED, "into": {"gamma": 0.9}}}),
    "resume.twice": ({"resume": RESUMED}, {"resume": {**RESUMED, "twice": True}}),
    "arguments": ({}, {"arguments": {TORCH_EXPONENTIAL: {"last_epoch": -1}}}),
    "a function in the arguments": tuple(
        {"arguments": {TORCH_EXPONENTIAL: {"x": {"function": "constant", "a": a, "values": []}}}}
        for a in (0.5, 0.25)
    ),
    "implementations": ({}, {"implementations": [TORCH_EXPONENTIAL, TORCH_STEP]}),
    "modes": ({}, {"modes": ["eager"]}),
    "steps": (
        {"steps": [0, 2], "expected": {"values": {0: 0.5}}},
        {"expected": {"values": {0: 0.5}}},
    ),
}


@pytest.mark.parametrize("what", SAID_NOWHERE_ELSE)
def test_cases_that_differ_in_one_thing_only_differ(what):
    one, other = (report(judgement(**fields)) for fields in SAID_NOWHERE_ELSE[what])
    assert differences(one, other).cases == ("halves",)
    again = report(judgement(**SAID_NOWHERE_ELSE[what][1]))
    assert differences(other, again).cases == ()


def test_what_a_case_is_called_and_where_it_comes_from_is_no_difference():
    told = {"description": "Otherwise.", "source": "elsewhere", "tags": ["new"]}
    assert differences(report(judgement()), report(judgement(**told))).cases == ()


@pytest.mark.parametrize("precision", ["float64", "float32", "float16"])
def test_ulp_count_the_numbers_between_across_zero_and_binades(precision):
    values = np.array([1.0, 0.5, -1.0, 0.0], dtype=precision)
    for number in (1, 2, 1000):
        moved = values.copy()
        for _ in range(number):
            moved = np.nextafter(moved, np.array(-2.0, dtype=precision))
        assert ulps(values.astype(float), moved.astype(float), precision) == [number] * 4
