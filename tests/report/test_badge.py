"""badge.json, as shields.io reads it."""

from __future__ import annotations

import json

import jsonschema
import pytest
from helpers.making import CELL, HALVES, judged, record, run_of, schedule_case, seen, skipped, trial

from harness.plan import Skip
from harness.report import badge
from harness.report.model import from_run
from harness.verdict import Verdict

ENDPOINT = {
    "type": "object",
    "required": ["schemaVersion", "label", "message"],
    "additionalProperties": False,
    "properties": {
        "schemaVersion": {"const": 1},
        "label": {"type": "string"},
        "message": {"type": "string", "minLength": 1},
        "color": {"enum": ["green", "yellow", "red", "lightgrey"]},
    },
}


def judgement(rates=HALVES, *records, **rest):
    made = trial(schedule_case(), **rest)
    return judged(made, seen(made, rates), *records)


GOOD, BAD, KNOWN = judgement(), judgement([0.5] * 4), judgement([0.5] * 4, record())
UNSUPPORTED = judged(skipped(schedule_case(), Skip(Verdict.UNSUPPORTED, "cannot"), CELL), None)


@pytest.mark.parametrize(
    ("judgements", "fields", "message", "color"),
    [
        ([GOOD], {}, "1 conform", "green"),
        ([GOOD] * 1234 + [KNOWN, UNSUPPORTED], {}, "1,234 conform, 1 known", "green"),
        ([GOOD, BAD, KNOWN], {}, "1 of 3 fail", "red"),
        ([GOOD], {"incidents": ("torch: died",)}, "a process died", "red"),
        ([GOOD], {"stopped_early": True}, "1 conform, stopped early", "yellow"),
        ([UNSUPPORTED], {}, "nothing was run", "lightgrey"),
    ],
)
def test_the_badge_says_how_the_run_went(judgements, fields, message, color):
    content = json.loads(badge.render(from_run(run_of(*judgements, **fields))))
    jsonschema.Draft202012Validator(ENDPOINT).validate(content)
    assert (content["message"], content["color"]) == (message, color)
