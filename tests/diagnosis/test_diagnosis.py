"""What a diagnosis says, where there is none, and where people meet it."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from helpers.draws import draws
from helpers.making import (
    CELL,
    HALVES,
    LIST,
    TORCH_EXPONENTIAL,
    TORCH_STEP,
    judged,
    run_of,
    schedule_case,
    seen,
    trial,
)
from helpers.planting import FAMILIES, Again, drawn, verdict
from rich.console import Console

from harness.console import print_failure
from harness.diagnosis import UNEXPLAINED, Cause
from harness.report import junit, summary
from harness.report.model import from_run
from harness.verdict import Verdict

DECAY = {"base_lr": 0.1, "decay_rate": 0.9, "decay_steps": 1}
RATES = [0.1 * 0.9**step for step in range(12)]


def decaying(rates, applied=None, api=TORCH_EXPONENTIAL, schedule=DECAY, **fields):
    case = schedule_case(
        schedule=schedule,
        steps=len(rates),
        expected={"values": {0: schedule["base_lr"]}},
        **fields,
    )
    made = trial(case, api)
    return judged(made, seen(made, rates, applied))


def test_a_late_sequence_is_called_late():
    judgement = decaying([0.1, *RATES[:-1]])
    assert str(judgement.diagnosis) == "the observed sequence is the expected one, one step late"
    assert judgement.diagnosis.parameters == {"steps": 1}
    assert judgement.diagnosis.sequences == ("reported", "applied")


def test_an_early_exponential_names_the_base_rate_and_the_factor_that_give_the_same_values():
    stairs = {"base_lr": 0.1, "decay_rate": 0.5, "decay_steps": 2, "staircase": True}
    due = [0.1 * 0.5 ** (step // 2) for step in range(14)]
    judgement = decaying(due[2:], api=TORCH_STEP, schedule=stairs)
    assert judgement.diagnosis.cause is Cause.SHIFT
    assert judgement.diagnosis.parameters == {"steps": -2}
    (also,) = judgement.diagnosis.also
    assert also.cause is Cause.FACTOR
    assert "the same values as: the observed sequence has the factor 0.5 once too often" in str(
        judgement.diagnosis
    )


def test_what_is_applied_late_and_reported_in_time_is_told_apart():
    judgement = decaying(RATES, applied=[0.1, *RATES[:-1]])
    diagnosis = judgement.diagnosis
    assert diagnosis.cause is Cause.NOT_APPLIED
    assert diagnosis.applied.cause is Cause.SHIFT
    assert diagnosis.sequences == ("applied",)
    assert str(diagnosis) == (
        "the reported rate is as due and is not applied: "
        "the applied rate is the expected one, one step late"
    )


def test_what_is_reported_late_and_applied_in_time_is_told_apart():
    diagnosis = decaying([0.1, *RATES[:-1]], applied=RATES).diagnosis
    assert diagnosis.cause is Cause.SHIFT
    assert diagnosis.sequences == ("reported",)
    assert str(diagnosis).startswith("the reported rate, not the applied one, is the expected one")


def test_a_forgotten_staircase_of_epochs_is_a_slope():
    every_epoch = {"base_lr": 0.1, "decay_rate": 0.9, "decay_epochs": 1}
    rates = [0.1 * 0.9 ** (step / 4) for step in range(12)]
    judgement = decaying(rates, api=CELL, schedule=every_epoch, steps_per_epoch=4)
    assert judgement.diagnosis.cause is Cause.STAIRCASE
    assert "changes within each epoch of 4 updates" in str(judgement.diagnosis)


def test_another_base_rate_is_given_as_the_shortest_number_that_will_do():
    judgement = decaying([0.03 / 0.1 * rate for rate in RATES], api=LIST)
    assert judgement.diagnosis.cause is Cause.BASE
    assert judgement.diagnosis.parameters == {"value": 0.03, "due": 0.1}


def test_a_trial_that_conforms_has_no_diagnosis():
    judgement = decaying(RATES)
    assert judgement.verdict is Verdict.CONFORMS
    assert judgement.diagnosis is None
    assert judgement.why is None


@pytest.mark.parametrize(
    "rates",
    [
        [*RATES[:5], 0.07, *RATES[6:]],
        [*RATES[:5], float("nan"), *RATES[6:]],
        [*RATES[:-1], RATES[-1] * (1 + 1e-09)],
        [0.123] * 12,
        [rate * (1 + 1e-3 * np.sin(step)) for step, rate in enumerate(RATES)],
    ],
    ids=["one wrong value", "one NaN", "the last one off", "a constant", "a wave"],
)
def test_where_nothing_explains_the_values_that_is_said(rates):
    judgement = decaying(rates)
    assert judgement.verdict is Verdict.DIVERGES
    assert judgement.diagnosis is None
    assert judgement.why == UNEXPLAINED


def test_a_rate_that_stands_still_for_one_step_only_is_not_called_frozen():
    assert decaying([*RATES[:-1], RATES[-2]]).diagnosis is None


def test_two_values_are_too_few_for_another_base_rate():
    assert decaying([0.037, 0.037 * 0.9]).diagnosis is None


def test_a_sequence_that_is_too_short_has_no_diagnosis():
    made = trial(schedule_case())
    judgement = judged(made, seen(made, HALVES[:2]))
    assert judgement.verdict is Verdict.DIVERGES
    assert judgement.diagnosis is None


def test_values_that_contradict_a_documentation_only_are_not_explained():
    case = schedule_case(expected={"documented": [0.25, 0.125, 0.0625, 0.03125]})
    made = trial(case)
    judgement = judged(made, seen(made, HALVES))
    assert judgement.verdict is Verdict.DIVERGES
    assert judgement.why is None


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("wrong", ["one value", "every value"])
def test_random_values_are_never_explained(family, wrong):
    tried, enough = 0, draws(3, least=2)
    for seed in range(40):
        rng = np.random.default_rng([seed, len(wrong), *family.encode()])
        try:
            it = drawn(rng, family)
        except Again:
            continue
        rates = it.rates()
        at = int(rng.integers(2, it.n - 2)) if wrong == "one value" else slice(None)
        rates[at] *= 1 + 0.5 * rng.random(np.shape(rates[at]))
        judgement = verdict(it, rates)
        if judgement.verdict is Verdict.DIVERGES:
            tried += 1
            assert judgement.diagnosis is None, str(judgement.diagnosis)
        if tried == enough:
            break
    assert tried >= min(enough, 5)


def test_a_hundred_thousand_values_take_no_minute():
    slow = {"base_lr": 0.1, "decay_rate": 0.9999, "decay_steps": 1}
    rates = 0.1 * np.cumprod(np.concatenate([[1.0], np.full(99_998, 0.9999)]))
    started = time.perf_counter()
    late = decaying([0.1, *rates], schedule=slow)
    unknown = decaying([*rates[:50_000], 0.07, *rates[50_000:]], schedule=slow)
    assert late.diagnosis.cause is Cause.SHIFT
    assert unknown.diagnosis is None
    assert time.perf_counter() - started < 60


def test_the_terminal_and_every_report_bring_the_diagnosis():
    judgement = decaying([0.1, *RATES[:-1]])
    said = "the observed sequence is the expected one, one step late"
    console = Console(file=io.StringIO(), width=200)
    print_failure(console, judgement)
    assert f"diagnosis: {said}" in console.file.getvalue()
    report = from_run(run_of(judgement))
    (entry,) = report.trials
    assert entry.diagnosis == said
    assert entry.cause.model_dump() == {
        "name": "late or early",
        "parameters": {"steps": 1},
        "sequences": ["reported", "applied"],
        "also": [],
    }
    assert f"diagnosis: {said}" in junit.render(report)
    assert f"Diagnosis: {said}" in summary.render(report)


def test_a_report_says_where_no_cause_was_found():
    judgement = decaying([*RATES[:5], 0.07, *RATES[6:]])
    (entry,) = from_run(run_of(judgement)).trials
    assert entry.diagnosis == UNEXPLAINED
    assert entry.cause is None


def test_a_diagnosis_that_fails_costs_itself_and_says_so(monkeypatch):
    def fails(*_):
        raise ZeroDivisionError("made up")

    monkeypatch.setattr("harness.judge.diagnose", fails)
    made = trial(schedule_case())
    with pytest.warns(UserWarning, match="please report it: ZeroDivisionError"):
        judgement = judged(made, seen(made, [2 * rate for rate in HALVES]))
    assert judgement.verdict.value == "diverges"
    assert judgement.diagnosis is None


def test_stairs_of_a_negative_rate_have_no_slope_to_be_held_against_and_no_fault():
    schedule = {"base_lr": 1.0, "decay_rate": -1.0, "decay_steps": 10, "staircase": True}
    case = schedule_case(schedule=schedule, steps=10, expected={"values": {0: 1.0}})
    rates = [1.0 + 2.0**-48, *[1.0] * 9]
    one = trial(case, "torch.optim.lr_scheduler.StepLR")
    judgement = judged(one, seen(one, rates, [1.0] * 10))
    assert judgement.verdict is Verdict.DIVERGES
