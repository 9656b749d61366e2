"""What the gate makes of each kind of change, and of several at once."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest
from helpers.gating import DOWN, STILL, UP, judgement, outcome, report, told
from helpers.making import (
    CELL,
    HALVES,
    MINDSPORE,
    TORCH,
    judged,
    raised,
    record,
    schedule_case,
    sequence,
    skipped,
    trial,
)

from harness.gate import baseline_of, compare
from harness.gate.comparison import by
from harness.gate.values import Movement
from harness.observation import Lost, Observation
from harness.plan import Selection, Skip
from harness.verdict import Verdict
from harness.workers import Environment

ID = "halves::torch.optim.lr_scheduler.ExponentialLR::torch/cpu/eager"
CELL_ID = "halves::mindspore.nn.ExponentialDecayLR::mindspore/cpu/graph"
OTHER = "other" + ID[6:]


def skip(verdict, api="torch.optim.lr_scheduler.ExponentialLR", name="halves"):
    return judged(skipped(schedule_case(name=name), Skip(verdict, "it cannot"), api), None)


def died():
    return judged(trial(schedule_case()), Lost(False, "died"))


def test_nothing_changed_leaves_the_gate_open():
    made = report(judgement(), judgement(api=CELL))
    found = outcome(made, made)
    assert (found.is_closed, found.changes, found.compared) == (False, (), 2)


def test_a_trial_that_begins_to_diverge_closes_it_and_is_told_with_reason_and_place():
    (change,) = outcome(report(judgement()), report(judgement(STILL))).entry.changes
    assert (change.kind, change.subject, change.fails) == ("new divergence", ID, True)
    assert (change.file, change.line) == ("cases/made.yaml", 3)
    assert change.text.startswith("conforms before, diverges now; reported rate at step 1: ")
    assert "; diagnosis: " in change.text


@pytest.mark.parametrize("before", [judgement, lambda: judgement(STILL)])
@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (lambda: judged(trial(schedule_case()), raised("KeyError")), "refused"),
        (died, "crashed"),
        (lambda: judged(trial(schedule_case()), Lost(True, "late")), "timed out"),
    ],
)
def test_any_other_verdict_that_fails_closes_it(before, now, verdict):
    ((kind, subject, text, fails),) = told(report(before()), report(now()))
    assert (kind, subject, fails) == ("new divergence", ID, True)
    assert f" before, {verdict} now" in text


def test_what_fails_as_in_the_baseline_is_no_change():
    found = outcome(report(judgement(STILL)), report(judgement(STILL)))
    assert (found.is_closed, found.changes, found.still_failing) == (False, (), (ID,))


def test_a_trial_that_the_baseline_has_not_passes_unless_it_fails():
    before = report(judgement())
    good, bad = judgement(name="other"), judgement(STILL, name="other")
    assert told(before, report(judgement(), good)) == [("new trial", OTHER, "conforms", False)]
    ((kind, subject, text, fails),) = told(before, report(judgement(), bad))
    assert (kind, subject, fails) == ("new divergence", OTHER, True)
    assert text.startswith("not in the baseline, diverges now; ")


def test_a_new_divergence_that_is_on_record_is_told_and_passes():
    change = ("new divergence", ID, "conforms before, known divergence stands still now", False)
    assert told(report(judgement()), report(judgement(STILL, record()))) == [change]


def test_another_record_for_the_same_trial_is_told():
    now = report(judgement(STILL, record(name="rests")))
    ((kind, _, text, fails),) = told(report(judgement(STILL, record())), now)
    assert (kind, fails) == ("new divergence", False)
    assert text == "known divergence stands still before, known divergence rests now"


def test_a_case_that_is_gone_closes_it_and_its_file_is_named():
    before = report(judgement(), judgement(name="other"))
    (change,) = outcome(before, report(judgement())).entry.changes
    assert (change.kind, change.subject, change.fails) == ("lost trial", OTHER, True)
    assert change.text == "there is no such case"
    assert (change.file, change.line) == ("cases/made.yaml", None)


def test_an_environment_that_is_gone_closes_it_with_its_reason():
    before = report(judgement(), judgement(api=CELL))
    failed = Environment("mindspore", "mindspore", failure="Traceback\nImportError: none\n")
    now = report(judgement(), environments=(TORCH, failed))
    assert told(before, now) == [
        ("lost trial", CELL_ID, "mindspore was not run: ImportError: none", True)
    ]
    ((_, _, text, _),) = told(before, report(judgement(), environments=(TORCH,)))
    assert text == "there is no environment mindspore"


def test_a_device_that_is_gone_closes_it_with_its_reason():
    gpu = replace(TORCH, devices=("cpu", "cuda"))
    moved = judgement()
    moved = replace(
        moved, trial=replace(moved.trial, target=replace(moved.trial.target, device="cuda"))
    )
    without = replace(TORCH, absent_devices={"cuda": "torch.cuda.is_available() is False"})
    before = report(judgement(), moved, environments=(gpu,))
    ((kind, _, text, fails),) = told(before, report(judgement(), environments=(without,)))
    assert (kind, fails) == ("lost trial", True)
    assert text == "torch has no device cuda: torch.cuda.is_available() is False"


def test_an_api_that_a_case_is_not_tried_on_any_more_closes_it():
    before = report(judgement(), judgement(api=CELL))
    ((kind, subject, text, fails),) = told(before, report(judgement()))
    assert (kind, subject, fails) == ("lost trial", CELL_ID, True)
    assert text == "the case is not tried on this API and target"


@pytest.mark.parametrize("verdict", [Verdict.UNSUPPORTED, Verdict.UNAVAILABLE])
def test_a_trial_that_ran_and_cannot_run_now_closes_it(verdict):
    text = f"conforms before, {verdict.value} now: it cannot"
    expected = [("lost trial", ID, text, True)]
    assert told(report(judgement()), report(skip(verdict))) == expected


def test_a_trial_that_failed_and_cannot_run_now_is_lost_too():
    ((kind, _, _, fails),) = told(report(judgement(STILL)), report(skip(Verdict.UNSUPPORTED)))
    assert (kind, fails) == ("lost trial", True)


def test_a_trial_that_could_not_run_is_no_loss():
    before = report(judgement(), skip(Verdict.UNSUPPORTED, name="other"))
    assert told(before, report(judgement())) == []
    before = report(judgement(name="other"), skip(Verdict.UNSUPPORTED))
    now = report(judgement(name="other"), skip(Verdict.UNAVAILABLE))
    assert told(before, now) == []


def test_a_trial_that_is_unavailable_here_is_nothing_new():
    now = report(judgement(), skip(Verdict.UNAVAILABLE, name="other"))
    assert told(report(judgement()), now) == []


def test_a_sequence_that_is_not_observed_any_more_closes_it():
    made = trial(schedule_case())
    alone = Observation(sequences={"reported": sequence("float64", HALVES)})
    now = report(judged(made, alone))
    applied = now.trials[0].model_copy(
        update={"verdict": "conforms", "fails": False, "known_divergence": None}
    )
    now = now.model_copy(update={"trials": [applied]})
    now = now.model_copy(update={"fails": False, "counts": {"conforms": 1}})
    expected = [("lost trial", ID, "not observed any more: applied", True)]
    assert told(report(judgement()), now) == expected


def test_records_that_are_stale_close_it_once_each_and_are_named_with_their_file():
    two = record(cases=["halves", "other"])
    before = report(judgement(STILL, two), judgement(STILL, two, name="other"), records=(two,))
    now = report(judgement(HALVES, two), judgement(HALVES, two, name="other"), records=(two,))
    (change,) = outcome(before, now).entry.changes
    assert (change.kind, change.subject, change.fails) == ("stale finding", "stands still", True)
    assert change.text == f"gone in {ID}, {OTHER}"
    assert (change.file, change.line) == ("cases/made.yaml", two.line)
    assert outcome(now, now).still_failing == (ID, OTHER)


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (lambda: judgement(STILL), "diverges before, conforms now"),
        (lambda: judgement(STILL, record()), "known divergence stands still before, conforms now"),
        (lambda: skip(Verdict.UNSUPPORTED), "unsupported before, conforms now"),
        (died, "crashed before, conforms now"),
    ],
)
def test_what_got_better_is_told_and_passes(before, text):
    other = judgement(name="other")
    assert told(report(before(), other), report(judgement(), other)) == [
        ("improved", ID, text, False)
    ]


def test_a_failure_that_is_put_on_record_got_better():
    ((kind, _, text, fails),) = told(report(judgement(STILL)), report(judgement(STILL, record())))
    assert (kind, fails) == ("improved", False)
    assert text == "diverges before, known divergence stands still now"


@pytest.mark.parametrize(
    ("before", "now", "ulp"), [(HALVES, UP, "1"), (UP, HALVES, "1"), (HALVES, DOWN, "0.5")]
)
def test_values_that_moved_within_their_tolerance_are_told_and_pass(before, now, ulp):
    (change,) = told(report(judgement(before)), report(judgement(now)))
    assert change[3] is False
    assert change[:2] == ("moved", ID)
    assert change[2] == f"reported by {ulp} ULP, applied by {ulp} ULP"


@pytest.mark.parametrize(("limit", "closed"), [(0.0, True), (0.99, True), (1.0, False)])
def test_values_that_moved_further_than_is_asked_for_close_it(limit, closed):
    found = outcome(report(judgement()), report(judgement(UP))).beyond(limit)
    assert found.is_closed is closed
    assert found.entry.changes[0].fails is closed


def test_a_movement_that_nothing_bounds_is_beyond_any():
    assert by(Movement(math.inf)) == "by an unknown number of ULP"
    assert by(Movement(4 / 3)) == "by 1.34 ULP"
    assert by(Movement(4 / 3, is_bound=True)) == "by at most 1.34 ULP"


def test_a_case_whose_reference_changed_is_told_without_any_drift():
    other = {"base_lr": 0.25, "decay_rate": 0.5, "decay_steps": 1}
    values = [0.25, 0.125, 0.0625, 0.03125]
    now = report(judgement(values, schedule=other, expected={"values": values}))
    ((kind, subject, _, fails),) = told(report(judgement()), now)
    assert (kind, subject, fails) == ("changed case", "halves", False)


def test_versions_that_changed_are_told_and_pass():
    newer = replace(TORCH, version="2.14.0", packages={"torch": "2.14.0", "numpy": "1.26.4"})
    now = report(judgement(), environments=(newer, MINDSPORE))
    assert told(report(judgement()), now) == [
        ("version", "torch", "torch 2.13.0 before, 2.14.0 now", False)
    ]
    before = report(judgement(), environments=(TORCH,))
    assert told(before, report(judgement())) == [
        ("version", "mindspore", "not in the baseline: mindspore 2.10.0, numpy 1.26.4", False)
    ]


def test_of_a_partial_report_only_what_was_run_is_compared():
    before = report(judgement(), judgement(name="other"), judgement(api=CELL))
    now = report(judgement(STILL), selection=Selection(families=("exponential",)))
    assert [change[:2] for change in told(before, now, partial=True)] == [("new divergence", ID)]


def test_several_changes_at_once_are_all_told_the_worst_first():
    stale = record(cases=["stale"])
    before = report(
        judgement(name="worse"),
        judgement(name="lost"),
        judgement(STILL, stale, name="stale"),
        judgement(name="moves"),
        judgement(STILL, name="better"),
        records=(stale,),
    )
    now = report(
        judgement(name="new"),
        judgement(name="better"),
        judgement(UP, name="moves"),
        judgement(STILL, stale, name="worse"),
        judgement(HALVES, stale, name="stale"),
        records=(stale,),
        environments=(replace(TORCH, packages={"torch": "3.0", "numpy": "1.26.4"}), MINDSPORE),
    )
    kinds = [change[0] for change in told(before, now)]
    assert kinds == [
        "new divergence",
        "lost trial",
        "stale finding",
        "moved",
        "improved",
        "new trial",
        "version",
    ]


def many(template, count):
    """A report of so many trials, each of a case of its own."""
    (case,), (entry,) = template.cases, template.trials
    names = [f"case {index}" for index in range(count)]
    return template.model_copy(
        update={
            "counts": {entry.verdict: count},
            "cases": [case.model_copy(update={"name": name}) for name in names],
            "trials": [
                entry.model_copy(update={"case": name, "id": entry.id.replace("halves", name, 1)})
                for name in names
            ],
        }
    )


def test_three_thousand_changes_take_less_than_a_second():
    before = baseline_of(many(report(judgement()), 3000))
    now = many(report(judgement(STILL)), 3000)
    clock = time.process_time()
    found = compare(now, before, "baseline.json")
    assert len(found.changes) == 3000
    assert time.process_time() - clock < 1.0
