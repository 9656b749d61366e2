"""ctrf-report.json, valid against the format's own field names, and true to the report."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from helpers.making import (
    HALVES,
    judged,
    raised,
    record,
    run_of,
    schedule_case,
    seen,
    skipped,
    trial,
)

from harness.observation import Lost
from harness.plan import Skip
from harness.report import ctrf
from harness.report.model import from_run
from harness.verdict import Verdict
from harness.workers import Environment

SCHEMA = json.loads((Path(__file__).parents[1] / "helpers/ctrf.schema.json").read_text("utf-8"))


def written(*judgements, **fields):
    content = json.loads(ctrf.render(from_run(run_of(*judgements, **fields))))
    checker = jsonschema.Draft7Validator.FORMAT_CHECKER
    jsonschema.Draft7Validator(SCHEMA, format_checker=checker).validate(content)
    return content["results"]


def judgement(rates=HALVES, *records, **rest):
    made = trial(schedule_case())
    return judged(made, seen(made, rates, **rest), *records)


def skip(verdict):
    return judged(skipped(schedule_case(), Skip(verdict, "because")), None)


@pytest.mark.parametrize(
    ("made", "status", "verdict"),
    [
        (judgement, "passed", "conforms"),
        (lambda: judgement([0.5] * 4, record()), "passed", "known divergence"),
        (lambda: judgement([0.5] * 4), "failed", "diverges"),
        (lambda: judgement(HALVES, record()), "failed", "stale"),
        (lambda: judged(trial(schedule_case()), Lost(False, "died")), "failed", "crashed"),
        (lambda: skip(Verdict.UNSUPPORTED), "skipped", "unsupported"),
        (lambda: skip(Verdict.UNAVAILABLE), "skipped", "unavailable"),
        (lambda: skip(Verdict.CRASHED), "failed", "crashed"),
    ],
)
def test_each_verdict_has_its_status_and_its_own_word(made, status, verdict):
    results = written(made())
    (test,) = results["tests"]
    assert (test["status"], test["rawStatus"]) == (status, verdict)
    assert results["summary"][status] == results["summary"]["tests"] == 1
    assert results["environment"]["healthy"] is (status != "failed")


def test_the_summary_counts_and_times_the_run():
    summary = written(judgement(), judgement([0.5] * 4), skip(Verdict.UNSUPPORTED))["summary"]
    assert [summary[name] for name in ("tests", "passed", "failed", "skipped", "pending")] == [
        *(3, 1, 1, 1, 0)
    ]
    assert summary["stop"] - summary["start"] == summary["duration"] == 1500
    assert summary["start"] == 1795435200000  # 2026-11-23T12:00Z


def test_a_failure_says_why_where_and_how_to_see_it():
    (test,) = written(judgement([0.5] * 4, printed="one\ntwo\n", seconds=0.25))["tests"]
    assert test["name"].startswith("halves::torch.optim.lr_scheduler.ExponentialLR::torch/cpu")
    assert "reported rate at step 1: expected 0.25, observed 0.5" in test["message"]
    assert "diagnosis: " in test["message"]
    assert test["snippet"].startswith("conform explain halves ")
    assert (test["filePath"], test["line"]) == ("cases/made.yaml", 3)
    assert test["stdout"] == ["one", "two"]
    assert test["duration"] == 250


def test_a_trial_keeps_its_identity_from_run_to_run():
    (first,) = written(judgement())["tests"]
    (second,) = written(judgement([0.5] * 4), seconds=9.0)["tests"]
    assert first["id"] == second["id"]
    assert first["id"] != first["name"]


def test_environments_and_incidents_stand_beside_the_tests():
    missing = Environment("mindspore", "mindspore", failure="no such module")
    results = written(judgement(), environments=(missing,), incidents=("a worker died",))
    assert results["environment"]["extra"] == {
        "environments": {"mindspore": "not run: no such module"},
        "incidents": ["a worker died"],
        "stopped_early": False,
    }


def test_any_text_of_a_framework_is_valid():
    observation = raised("ValueError", 'a "quoted" </script>\x00\ttext \U0001f600')
    (test,) = written(judged(trial(schedule_case()), observation))["tests"]
    assert "</script>" in test["message"]
