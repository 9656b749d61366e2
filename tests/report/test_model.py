"""The content of report.json: all that is known of a run, valid against its published schema."""

from __future__ import annotations

import json
import math
import struct
from hashlib import sha256
from typing import Any

import jsonschema
import numpy as np
import pytest
from helpers.making import (
    CELL,
    HALVES,
    HALVING,
    MINDSPORE,
    TORCH,
    TORCH_EXPONENTIAL,
    growing_case,
    judged,
    raised,
    record,
    run_of,
    schedule_case,
    seen,
    sequence,
    signature,
    skipped,
    surface_case,
    trial,
)
from helpers.published import published

from harness.observation import Lost, Observation
from harness.plan import Selection, Skip
from harness.report.json_file import SCHEMA_FILE
from harness.report.model import MAX_POINTS, from_run
from harness.verdict import Verdict
from harness.workers import Environment


def written(*judgements, **fields) -> dict[str, Any]:
    """The report as a program would read it, checked against the published schema."""
    return published(from_run(run_of(*judgements, **fields)))


def judgement(rates=HALVES, *records, api=TORCH_EXPONENTIAL, applied=None, **case):
    made = trial(schedule_case(**case), api)
    return judged(made, seen(made, rates, applied), *records)


def long_judgement(length: int, change: dict[int, float], api=TORCH_EXPONENTIAL):
    """A slow decay that is exact but for some steps, where it is multiplied."""
    case = schedule_case(
        schedule={"base_lr": 0.5, "decay_rate": 0.9999, "decay_steps": 1},
        steps=length,
        expected={"values": {0: 0.5}},
    )
    rates = case.schedule.rates(case.observed_steps, 1)
    for step, factor in change.items():
        rates[step] *= factor
    made = trial(case, api)
    return judged(made, seen(made, rates))


def test_an_unknown_field_is_refused_by_the_schema():
    content = written(judgement())
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))
    validator.validate(content)
    for broken in (
        {**content, "surprise": 1},
        {**content, "trials": [{**content["trials"][0], "surprise": 1}]},
        {**content, "fails": "no"},
        {**content, "format": "1.0"},
        {key: value for key, value in content.items() if key != "suite"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(broken)


def test_a_run_without_a_fault_is_told_in_full():
    content = written(judgement(), judgement(api=CELL))
    assert content["format"] == "2.3"
    assert content["suite"]["name"] == "lr-schedule-conformance"
    assert content["started"] == "2026-11-23T12:00:00+00:00"
    assert content["seconds"] == 1.5
    assert content["counts"] == {"conforms": 2}
    assert content["fails"] is False
    assert content["selection"] == {}
    assert content["stopped_early"] is False
    assert [e["name"] for e in content["environments"]] == ["torch", "mindspore"]
    (case,) = content["cases"]
    assert len(case.pop("definition")) == 16
    assert case == {
        "name": "halves",
        "description": "The rate halves at every update.",
        "source": "by hand",
        "file": "cases/made.yaml",
        "line": 3,
        "tags": [],
        "dimension": "values",
        "situation": [],
        "due": [],
        "family": "exponential",
        "schedule": HALVING,
        "steps_per_epoch": 1,
        "length": 4,
        "steps": [0, 1, 2, 3],
        "reference": HALVES,
        "expected": HALVES,
        "digest": sha256(struct.pack("<4d", *HALVES)).hexdigest()[:16],
        "by_reference": True,
    }


def test_a_trial_is_told_in_full():
    made = trial(schedule_case())
    observation = seen(made, HALVES, warnings=("UserWarning: hm",), printed="said\n", seconds=0.25)
    (entry,) = written(judged(made, observation))["trials"]
    budget = entry["sequences"][0].pop("budget")
    assert len(budget) == 4
    assert budget[0] == 0  # the base rate is passed as it is
    assert all(b > 0 for b in budget[1:])
    sequence = {
        "name": "reported",
        "precision": "float64",
        "length": 4,
        "diverging": 0,
        "greatest_absolute_error": {"value": 0.0, "step": 0},
        "greatest_relative_error": {"value": 0.0, "step": 0},
        "greatest_ulp_error": {"value": 0.0, "step": 0},
        "greatest_budget_share": {"value": 0.0, "step": 0},
        "greatest_error_from_best": {"value": 0.0, "step": 0},
        "observed": HALVES,
        "digest": sha256(struct.pack("<4d", *HALVES)).hexdigest()[:16],
        "ulp_errors": [0.0, 0.0],
    }
    assert entry["sequences"][0] == sequence
    assert entry["sequences"][1]["name"] == "applied"
    del entry["sequences"]
    assert entry == {
        "id": f"halves::{TORCH_EXPONENTIAL}::torch/cpu/eager",
        "case": "halves",
        "family": "exponential",
        "implementation": TORCH_EXPONENTIAL,
        "framework": "torch",
        "environment": "torch",
        "device": "cpu",
        "mode": "eager",
        "verdict": "conforms",
        "fails": False,
        "reasons": [],
        "call": {
            "written": "ExponentialLR(optimizer, gamma=0.5)",
            "arguments": {"gamma": 0.5},
            "base_lr": 0.5,
            "optimizer": "SGD",
            "advanced": "step() after each update",
        },
        "form": "recursive",
        "precision": "float64",
        "first_divergence": None,
        "diagnosis": None,
        "cause": None,
        "signature": None,
        "deprecation": "",
        "exception": None,
        "warnings": ["UserWarning: hm"],
        "printed": "said\n",
        "seconds": 0.25,
        "known_divergence": None,
        "command": "conform explain halves torch.optim.lr_scheduler.ExponentialLR "
        "--target torch/cpu/eager",
        "taken_from": None,
    }


def test_errors_have_their_signs_and_a_digest_changes_with_any_bit():
    up, down = [np.nextafter(HALVES[2], goal) for goal in (1, 0)]
    entries = [
        written(judgement(rates=[*HALVES[:2], rate, HALVES[3]]))["trials"][0]["sequences"][0]
        for rate in (HALVES[2], up, down)
    ]
    assert [entry["ulp_errors"] for entry in entries] == [[0, 0], [0, 1], [-0.5, 0]]
    assert len({entry["digest"] for entry in entries}) == 3


def test_how_a_schedule_is_advanced_is_told():
    per_epoch = {**HALVING, "decay_epochs": 1}
    del per_epoch["decay_steps"]
    epochs = {"steps_per_epoch": 2, "expected": {"values": {0: 0.5}}, "schedule": per_epoch}
    content = written(
        judgement(),
        judgement([0.5, 0.5, 0.25, 0.25], name="epochs", **epochs),
        judgement(api=CELL),
    )
    assert [t["call"]["advanced"] for t in content["trials"]] == [
        "step() after each update",
        "step() after each epoch",
        "looked up by the number of updates made",
    ]
    assert content["trials"][2]["call"]["base_lr"] is None


def test_the_first_divergence_is_told():
    content = written(judgement([0.5, 0.25, 0.25, 0.0625]))
    assert content["fails"] is True
    assert content["counts"] == {"diverges": 1}
    (entry,) = content["trials"]
    budget = entry["sequences"][0]["budget"][2]
    assert entry["first_divergence"].pop("budget") == pytest.approx(budget, rel=0.5)
    assert entry["first_divergence"] == {
        "sequence": "reported",
        "step": 2,
        "against": "expected",
        "due": 0.125,
        "observed": 0.25,
        "error": 0.125,
    }
    assert entry["sequences"][0]["diverging"] == 1
    assert entry["sequences"][0]["greatest_absolute_error"] == {"value": 0.125, "step": 2}
    assert entry["sequences"][0]["greatest_relative_error"] == {"value": 1.0, "step": 2}
    # A unit of float64 at 0.125 is 2 ** -55.
    assert entry["sequences"][0]["greatest_ulp_error"] == {"value": 2.0**52, "step": 2}


def test_the_first_divergence_of_a_short_sequence_has_no_observed_rate():
    (entry,) = written(judgement(HALVES[:3]))["trials"]
    assert entry["first_divergence"]["observed"] is None
    assert (entry["first_divergence"]["step"], entry["first_divergence"]["due"]) == (3, 0.0625)
    assert entry["first_divergence"]["error"] == "Infinity"
    assert entry["sequences"][0]["length"] == 3


def test_what_is_no_number_is_told_as_a_text():
    content = written(judgement([0.5, math.nan, math.inf, -math.inf]))
    (entry,) = content["trials"]
    assert entry["sequences"][0]["observed"] == [0.5, "NaN", "Infinity", "-Infinity"]
    assert entry["first_divergence"]["observed"] == "NaN"
    assert entry["first_divergence"]["error"] == "Infinity"
    assert entry["sequences"][0]["greatest_absolute_error"]["value"] == "Infinity"


def test_a_schedule_that_leaves_the_range_is_told_with_its_infinities():
    made = trial(growing_case([308, 309], {309: math.inf}))
    content = written(judged(made, seen(made, [1e308, math.inf])))
    (case,) = content["cases"]
    assert case["reference"] == [1e308, "Infinity"]
    assert case["expected"] == [None, "Infinity"]
    assert content["trials"][0]["sequences"][0]["observed"] == [1e308, "Infinity"]


def test_an_argument_that_is_no_number_is_told_as_a_text():
    case = schedule_case(arguments={TORCH_EXPONENTIAL: {"gamma": math.nan}})
    made = trial(case)
    made = type(made)(
        case, made.implementation, made.target, made.call.overridden({"gamma": math.nan})
    )
    (entry,) = written(judged(made, raised("ValueError", "no")))["trials"]
    assert entry["call"]["arguments"] == {"gamma": "NaN"}


def test_an_exception_is_told():
    made = trial(schedule_case())
    (entry,) = written(judged(made, raised("ValueError", "no <b>\x00\x1b[31m")))["trials"]
    assert entry["verdict"] == "refused"
    assert entry["exception"] == {
        "type": "ValueError",
        "message": "no <b>\x00\x1b[31m",
        "step": None,
    }
    assert entry["sequences"] == []


def test_a_case_about_a_signature_is_told_without_a_schedule():
    made = trial(surface_case({"lacks": ["verbose"]}))
    content = written(judged(made, signature("optimizer", "verbose=False")))
    assert content["cases"][0]["family"] == "surface"
    assert content["cases"][0]["schedule"] == {}
    (entry,) = content["trials"]
    assert entry["signature"] == "(optimizer, verbose=False)"
    assert entry["family"] == "surface"
    assert entry["call"] is None


@pytest.mark.parametrize(
    ("fields", "telling"),
    [
        ({"expected": {"raises": "ValueError", "message": "pos.tive"}}, ["ValueError", "pos.tive"]),
        ({"expected": {"values": HALVES, "prints": "adjusting"}}, ["adjusting"]),
        ({"expected": {"values": HALVES, "warns": "soon gone"}}, ["warns of what", "'soon gone'"]),
        ({"expected": {"values": HALVES, "warns": False}}, ["warns of nothing"]),
        ({"expected": {"accepted": True}}, ["raises nothing"]),
        ({"tolerance": {"rtol": 0.001, "reason": "two digits"}}, ["rtol 0.001", "two digits"]),
        ({"tolerance": {"ulp": 0, "reason": "every digit"}}, ["ulp 0", "every digit"]),
    ],
)
def test_what_is_due_besides_values_is_told_in_words(fields, telling):
    made = trial(schedule_case(**fields))
    (case,) = written(judged(made, seen(made, HALVES)))["cases"]
    (words,) = case["due"]
    for part in telling:
        assert part in words


def test_what_is_due_of_a_signature_is_told_in_words():
    surface = {
        "signature": "(optimizer, gamma)",
        "has": {"gamma": {"position": 2, "required": True}, "last_epoch": {"default": None}},
        "lacks": ["verbose"],
    }
    made = trial(surface_case(surface))
    (case,) = written(judged(made, signature("optimizer", "gamma")))["cases"]
    words = "\n".join(case["due"])
    for part in ("(optimizer, gamma)", "gamma (position 2", "default None", "verbose"):
        assert part in words
    assert len(case["due"]) == 4


def test_trials_that_were_not_run_or_got_lost_are_told():
    lost = judged(trial(schedule_case()), Lost(True, "no answer", "last words", 60.0))
    absent = judged(skipped(schedule_case(), Skip(Verdict.UNAVAILABLE, "no torch")), None)
    content = written(lost, absent)
    assert content["counts"] == {"timed out": 1, "unavailable": 1}
    first, second = content["trials"]
    assert (first["printed"], first["seconds"], first["fails"]) == ("last words", 60.0, True)
    assert first["call"] is not None
    assert (second["reasons"], second["call"], second["fails"]) == (["no torch"], None, False)


def test_an_environment_that_failed_is_told_with_its_reason():
    broken = Environment("mindspore", "mindspore", failure="No module named 'mindspore'")
    torch, mindspore = written(judgement(), environments=(TORCH, broken))["environments"]
    assert mindspore["failure"] == "No module named 'mindspore'"
    assert mindspore["version"] is mindspore["python"] is None
    assert mindspore["modes"] == []
    assert (torch["version"], torch["modes"], torch["failure"]) == ("2.13.0", ["eager"], None)


def test_an_environment_whose_processes_are_not_told_has_one():
    torch, mindspore = written(judgement(), processes={"mindspore": 3})["environments"]
    assert (torch["processes"], mindspore["processes"]) == (1, 3)


def test_a_sequence_without_a_rate_has_no_extremes():
    content = written(judgement([]))
    for entry in content["trials"][0]["sequences"]:
        assert entry["length"] == 0
        assert entry["greatest_absolute_error"] is None
        assert entry["ulp_errors"] is None


def test_only_modes_in_which_something_ran_are_told():
    skip = Skip(Verdict.UNSUPPORTED, "cannot")
    content = written(judged(skipped(schedule_case(), skip, CELL), None))
    assert [e["modes"] for e in content["environments"]] == [[], []]
    assert written(judgement(api=CELL))["environments"][1]["modes"] == ["graph"]
    assert MINDSPORE.name == "mindspore"


def test_known_divergences_of_the_cases_of_the_run_are_told():
    one = record(
        observed={"values": {"1-3": 0.5}},
        observed_in={"halves": {"values": {1: 0.5, "2-3": 0.5}}},
    )
    other = record(name="other", cases=["not in this run"])
    content = written(judgement([0.5] * 4, one), records=(one, other))
    assert [r["name"] for r in content["known_divergences"]] == ["stands still"]
    assert content["known_divergences"][0]["observed"] == "0.5 at steps 1 to 3"
    assert content["trials"][0]["known_divergence"] == "stands still"
    assert content["trials"][0]["verdict"] == "known divergence"
    assert content["fails"] is False


def test_how_far_trials_are_apart_is_told():
    content = written(judgement(), judgement([0.5, 0.5, 0.125, 0.0625], api=CELL))
    reported = content["agreements"][0]
    assert (reported["case"], reported["sequence"], reported["step"]) == ("halves", "reported", 1)
    assert reported["difference"] == 0.25
    assert reported["first"].endswith("torch/cpu/eager")


def test_what_the_user_left_out_is_told():
    selection = Selection(families=("exponential",), keyword="graph")
    content = written(judgement(), selection=selection, stopped_early=True)
    assert content["selection"] == {"families": ["exponential"], "keyword": "graph"}
    assert content["stopped_early"] is True


def test_a_worker_that_died_without_costing_a_trial_fails_the_run_and_is_told():
    content = written(judgement(), incidents=("torch: while starting, it died",))
    assert content["incidents"] == ["torch: while starting, it died"]
    assert content["fails"] is True


# Long sequences.


def test_a_sequence_of_a_thousand_points_is_told_in_full():
    content = written(long_judgement(MAX_POINTS, {}))
    assert content["cases"][0]["steps"] == list(range(MAX_POINTS))
    assert len(content["trials"][0]["sequences"][0]["observed"]) == MAX_POINTS


@pytest.mark.parametrize("length", [MAX_POINTS + 1, 20_000, 100_000])
def test_a_longer_sequence_is_thinned_evenly_with_both_ends(length):
    content = written(long_judgement(length, {}))
    (case,) = content["cases"]
    steps = np.array(case["steps"])
    assert case["length"] == length
    assert MAX_POINTS - 5 <= len(steps) <= MAX_POINTS + 20
    assert (steps[0], steps[-1]) == (0, length - 1)
    assert (np.diff(steps) > 0).all()
    assert np.diff(steps).max() <= math.ceil(length / MAX_POINTS) + 1
    for entry in content["trials"][0]["sequences"]:
        assert entry["length"] == length
        assert len(entry["observed"]) == len(entry["budget"]) == len(steps)
    assert len(case["reference"]) == len(case["expected"]) == len(steps)


def test_a_thinned_sequence_keeps_its_extremes_and_its_first_divergence():
    # Four different steps for the extremes, none of them among every eleventh. Early rates are the
    # greatest, so the greatest absolute error is at 101, and the greatest relative one at 10,007.
    change = {13: 1 + 1e-12, 101: 1.5, 10_007: 1.6}
    content = written(long_judgement(11_000, change))
    (case,), (entry,) = content["cases"], content["trials"]
    reported = entry["sequences"][0]
    assert entry["first_divergence"]["step"] == 13
    assert reported["diverging"] == 3
    assert reported["greatest_absolute_error"]["step"] == 101
    assert reported["greatest_relative_error"]["step"] == 10_007
    at = {step: index for index, step in enumerate(case["steps"])}
    for step, factor in change.items():
        rate = 0.5 * 0.9999**step
        assert reported["observed"][at[step]] == pytest.approx(rate * factor, rel=1e-12)
        assert case["reference"][at[step]] == pytest.approx(rate, rel=1e-12)
    for extreme in ("absolute_error", "relative_error", "ulp_error", "budget_share"):
        assert reported[f"greatest_{extreme}"]["step"] in at


def test_all_trials_of_a_case_are_thinned_to_the_same_steps():
    content = written(
        long_judgement(5_000, {1_234: 2.0}), long_judgement(5_000, {4_321: 0.0}, api=CELL)
    )
    steps = content["cases"][0]["steps"]
    assert 1_234 in steps and 4_321 in steps
    for entry in content["trials"]:
        assert {len(s["observed"]) for s in entry["sequences"]} == {len(steps)}


def test_a_thinned_sequence_that_ends_early_is_told_as_far_as_it_goes():
    whole = long_judgement(5_000, {})
    rates = whole.comparisons[0].observed[:1_777]
    content = written(judged(whole.trial, seen(whole.trial, rates)))
    steps = content["cases"][0]["steps"]
    reported = content["trials"][0]["sequences"][0]
    assert reported["length"] == 1_777
    assert len(reported["observed"]) == sum(step < 1_777 for step in steps)
    assert content["trials"][0]["first_divergence"]["step"] == 1_777
    assert 1_777 in steps


def test_a_window_is_thinned_by_its_own_steps():
    case = schedule_case(
        steps={"start": 50_000, "stop": 52_500}, expected={"values": {50_000: 0.0}}
    )
    made = trial(case)
    content = written(judged(made, seen(made, np.zeros(2_500))))
    steps = content["cases"][0]["steps"]
    assert (steps[0], steps[-1]) == (50_000, 52_499)
    assert content["cases"][0]["length"] == 2_500


def test_the_use_of_the_budget_is_that_of_the_trials_that_conform():
    near = [0.5, 0.25, 0.125, np.nextafter(0.0625, 1)]
    report = written(judgement(), judgement(near), judgement([0.5, 0.3, 0.125, 0.0625]))
    assert report["budget_use"]["trials"] == 2
    # The float above 0.0625 is 2 u away, and three multiplications make 3.
    assert report["budget_use"]["greatest"] == pytest.approx(2 / 3)
    assert report["budget_use"]["median"] == pytest.approx(1 / 3)


def test_documented_numbers_alone_have_no_share_of_a_budget():
    report = written(judgement([0.5, 0.3, 0.2, 0.1], expected={"documented": [0.5, 0.3, 0.2, 0.1]}))
    assert report["counts"] == {"conforms": 1}
    assert report["trials"][0]["sequences"][0]["greatest_budget_share"] is None
    assert report["budget_use"] is None


def test_the_error_from_the_best_is_none_where_a_rounded_parameter_is_all_that_is_lost():
    case = {"schedule": {"base_lr": 0.1, "decay_rate": 0.5, "decay_steps": 1}}
    rates = [0.1, 0.05, 0.025, 0.0125]
    made = judgement(rates, api=CELL, expected={"values": rates}, **case)
    sequence = written(made)["trials"][0]["sequences"][0]
    assert 0 < sequence["greatest_ulp_error"]["value"] < 0.5
    assert sequence["greatest_error_from_best"]["value"] == 0


def test_the_use_of_a_trial_is_that_of_its_sequence_that_uses_most():
    near = [0.5, 0.25, 0.125, np.nextafter(0.0625, 1)]
    for reported, applied in ((near, HALVES), (HALVES, near)):
        report = written(judgement(reported, applied=applied))
        assert report["budget_use"]["median"] == pytest.approx(2 / 3)


def test_a_schedule_is_told_in_the_words_of_case_files():
    factor = {"name": "power", "a": 0.5}
    schedule = {"base_lr": 0.5, "parts": [{"lambda": {"function": factor}}], "milestones": []}
    api = "torch.optim.lr_scheduler.SequentialLR"
    (case,) = written(judgement(api=api, family="sequential", schedule=schedule))["cases"]
    assert case["schedule"] == schedule


def test_a_group_that_joins_later_has_no_rates_before():
    case = schedule_case(
        groups=[{"schedule": {"base_lr": 0.25}, "added_at": 2, "values": [0.25, 0.125]}]
    )
    made = trial(case)
    observation = seen(made, HALVES)
    joined = {
        name + " 1": sequence(s.precision, [0.25, 0.125])
        for name, s in observation.sequences.items()
    }
    content = written(judged(made, Observation({**observation.sequences, **joined})))
    told = {s["name"]: s["observed"] for s in content["trials"][0]["sequences"]}
    assert told["reported"] == HALVES
    assert [str(value) for value in told["reported 1"]] == ["NaN", "NaN", "0.25", "0.125"]
    early = {
        name + " 1": sequence(s.precision, [0.25]) for name, s in observation.sequences.items()
    }
    content = written(judged(made, Observation({**observation.sequences, **early})))
    told = {s["name"]: s["observed"] for s in content["trials"][0]["sequences"]}
    assert [str(value) for value in told["reported 1"]] == ["NaN", "NaN", "0.25"]


def test_a_trial_that_was_not_run_took_no_time():
    skip = Skip(Verdict.UNSUPPORTED, "cannot")
    (entry,) = written(judged(skipped(schedule_case(), skip, CELL), None))["trials"]
    assert entry["seconds"] == 0.0
