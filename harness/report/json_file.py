"""`report.json`, for programs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jsonschema_rs

from harness.report.model import Report

SCHEMA_FILE = Path(__file__).with_name("report.schema.json")
_MANY = ("cases", "trials", "agreements")
"""The lists that grow with the run."""


@cache
def _validators() -> dict[str, jsonschema_rs.Draft202012Validator]:
    """Of a whole report, by the empty name, and of an entry of each long list by the list's."""
    schema = json.loads(SCHEMA_FILE.read_text("utf-8"))
    entries = {name: schema["properties"][name]["items"] for name in _MANY}
    schemas = {
        "": schema,
        **{n: {**items, "$defs": schema["$defs"]} for n, items in entries.items()},
    }
    return {name: jsonschema_rs.Draft202012Validator(each) for name, each in schemas.items()}


def render(report: Report) -> str:
    """The report as JSON, valid against its published schema.

    Raises:
        jsonschema_rs.ValidationError: the suite's own fault.
    """
    # Entry by entry: all at once, as Python's objects, take several times what the text does.
    validators = _validators()
    rest = json.loads(report.model_dump_json(exclude=set(_MANY)))
    validators[""].validate({**rest, **{name: [] for name in _MANY}})
    for name in _MANY:
        for entry in getattr(report, name):
            validators[name].validate(json.loads(entry.model_dump_json()))
    return report.model_dump_json(indent=1) + "\n"
