"""`report.json`, for programs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jsonschema_rs

from harness.report.model import Report

SCHEMA_FILE = Path(__file__).with_name("report.schema.json")


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))


def render(report: Report) -> str:
    """The report as JSON, valid against its published schema.

    Raises:
        jsonschema_rs.ValidationError: the suite's own fault.
    """
    text = report.model_dump_json(indent=1)
    _validator().validate(json.loads(text))
    return text + "\n"
